"""Git repositories, by the real git, on repositories made here: what is read, left out, refused and left behind."""

import logging
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_engineering.application.crawlers.articles import ArticleCrawler
from llm_engineering.application.crawlers.base import Crawler
from llm_engineering.application.crawlers.files import MarkdownFolderCrawler, RepositoryCrawler
from llm_engineering.application.etl import crawl_links
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import CrawlError, MoodSwarmError
from llm_engineering.domain.ports import FileTree, SourceFile
from llm_engineering.infrastructure.web.files import FileLimits, MarkdownFolders
from llm_engineering.infrastructure.web.git import GitRepositories
from llm_engineering.infrastructure.web.pages import HttpPageFetcher, TrafilaturaExtractor
from tests.fakes import ADA, MemoryDocumentStore, SilentProgress
from tests.integration.site import Reply, closed_port, open_site

MAX_BYTES = 1000
ROOMY = FileLimits(MAX_BYTES, 100)


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Git as it is without the developer's configuration, and temporary files of its own."""
    (tmp_path / "gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n", encoding="utf-8"
    )
    (tmp_path / "temporary").mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def configure(tmp_path: Path, name: str, value: str) -> None:
    """Set a value in what stands for the user's ~/.gitconfig."""
    git(tmp_path, "config", "--file", str(tmp_path / "gitconfig"), name, value)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def commit(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """Commit all that is in the folder, with these files, as a repository; returns the folder."""
    folder.mkdir(exist_ok=True)
    write(folder, files or {})
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A commit")
    return folder


def repositories(base: Path, limits: FileLimits = ROOMY) -> GitRepositories:
    return GitRepositories(limits, 60, base)


def read(link: str | Path, limits: FileLimits = ROOMY) -> tuple[dict[str, str], dict[str, int]]:
    """The texts by path, and what was left out."""
    with repositories(Path("/"), limits).open(str(link)) as tree:
        texts = {file.path: file.text for file in tree.files}
    return texts, tree.skipped


def refusal(link: str, timeout_seconds: float = 60) -> str:
    with (
        pytest.raises(MoodSwarmError) as caught,
        GitRepositories(ROOMY, timeout_seconds, Path("/")).open(link) as tree,
    ):
        list(tree.files)
    return str(caught.value)


def crawled(link: str) -> list[RawDocument]:
    with RepositoryCrawler(repositories(Path("/"))).crawl(link, ADA) as crawl:
        return list(crawl.documents)


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("as_url", [False, True])
def test_text_is_read_to_the_character_by_path_and_by_url(tmp_path: Path, as_url: bool) -> None:
    files = {
        "a file.txt": b"tab\there  \r\nblank before the end  \n\n\n",
        "ünï/cödé.py": "print('π 🦊')\nno line end".encode(),
        "deep/er/.hidden": b" x\x0b\x0cy",
        "LICENSE": b"All of it.\n",
    }
    repository = commit(tmp_path / "my engine", files)
    texts, skipped = read(repository.as_uri() if as_url else repository)
    assert texts == {path: content.decode() for path, content in files.items()}
    assert skipped == {}


def test_line_ends_stay_as_they_were_committed_whatever_the_users_configuration(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"unix.txt": b"a\nb\n", "dos.txt": b"a\r\nb\r\n"})
    configure(tmp_path, "core.autocrlf", "true")
    assert read(repository)[0] == {"unix.txt": "a\nb\n", "dos.txt": "a\r\nb\r\n"}


def test_a_repository_is_called_by_its_folder(tmp_path: Path) -> None:
    repository = commit(tmp_path / "my engine", {"a b.md": b"x"})
    with repositories(tmp_path).open("my engine") as tree:
        assert (tree.name, tree.link) == ("my engine", repository.as_uri())
        assert list(tree.files) == [SourceFile("a b.md", "x")]


def test_what_is_no_text_of_the_author_is_left_out_and_counted(tmp_path: Path) -> None:
    repository = commit(
        tmp_path / "engine",
        {
            "kept.md": b"x" * MAX_BYTES,
            "large.md": b"x" * (MAX_BYTES + 1),
            "image.png": b"\x89PNG\0\0",
            "latin.txt": b"caf\xe9",
            "empty.txt": b"",
            "blank.txt": b" \n\t",
            "poetry.lock": b"x",
            "web/package-lock.json": b"{}",
            "web/node_modules/left-pad/index.js": b"x",
            "notes/private.md": b"x",
            "src/secret_plan.md": b"x",
        },
    )
    (repository / "link.md").symlink_to("kept.md")
    commit(repository)
    texts, skipped = read(repository, FileLimits(MAX_BYTES, 100, exclude=("notes/", "secret_*")))
    assert texts == {"kept.md": "x" * MAX_BYTES}
    assert skipped == {"too large": 1, "binary": 2, "empty": 2, "excluded by pattern": 5, "symbolic link": 1}


def test_a_symbolic_link_out_of_the_repository_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret.md": b"s3cret"})
    repository = commit(tmp_path / "engine", {"kept.md": b"kept"})
    (repository / "file.md").symlink_to(tmp_path / "outside" / "secret.md")
    (repository / "folder").symlink_to(tmp_path / "outside")
    (repository / "up.md").symlink_to("../../../outside/secret.md")
    commit(repository)
    texts, skipped = read(repository)
    assert texts == {"kept.md": "kept"}
    assert skipped["symbolic link"] >= 1


def test_files_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {f"{n}.md": b"x" for n in range(5)} | {"0.lock": b"x"})
    texts, skipped = read(repository, FileLimits(MAX_BYTES, 2))
    assert list(texts) == ["0.md", "1.md"]
    assert skipped == {"beyond the file limit": 3, "excluded by pattern": 1}


def test_a_file_whose_name_is_no_unicode_does_not_stop_the_others(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"kept.md": b"kept"})
    Path(os.fsdecode(os.fsencode(repository) + b"/caf\xe9.md")).write_bytes(b"x")
    commit(repository)
    assert "engine/kept.md" in [document.title for document in crawled(str(repository))]


def test_what_is_checked_out_is_read_as_it_was_committed_and_the_working_directory_stays(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    commit(repository, {"a.md": b"second", "b.md": b"second"})
    git(repository, "checkout", "--quiet", "-b", "draft")
    commit(repository, {"a.md": b"draft"})
    write(repository, {"a.md": b"not committed", "new.md": b"not tracked"})
    before = snapshot(repository)
    assert read(repository)[0] == {"a.md": "draft", "b.md": "second"}
    assert snapshot(repository) == before


def test_a_detached_head_is_read_where_it_stands(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    commit(repository, {"a.md": b"second"})
    git(repository, "checkout", "--quiet", "--detach", "HEAD~1")
    assert read(repository)[0] == {"a.md": "first"}


def test_a_shallow_clone_is_a_repository_too(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    commit(repository, {"a.md": b"second"})
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "shallow")
    assert read(tmp_path / "shallow")[0] == {"a.md": "second"}


def test_a_worktree_and_a_bare_repository_can_be_read(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "other")
    git(tmp_path, "clone", "--quiet", "--bare", repository.as_uri(), "bare.git")
    assert repositories(tmp_path).handles("tree")
    assert read(tmp_path / "tree")[0] == {"a.md": "first"}
    assert read(tmp_path / "bare.git")[0] == {"a.md": "first"}


def test_a_repository_without_files_is_refused(tmp_path: Path) -> None:
    without_files = commit(tmp_path / "without_files")
    without_commits = tmp_path / "without_commits"
    without_commits.mkdir()
    git(without_commits, "init", "--quiet")
    assert refusal(str(without_files)) == "the repository has no files"
    assert refusal(str(without_commits)) == "the repository has no files"


def test_a_repository_that_is_not_there_is_named_in_gits_own_words(tmp_path: Path) -> None:
    message = refusal(str(tmp_path / "missing"))
    assert message.startswith("git could not clone it: ")
    assert "missing" in message
    assert "\n" not in message


def test_only_the_last_commit_is_cloned(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    commit(repository, {"a.md": b"second"})
    with repositories(tmp_path).open("engine"):
        [clone] = (tmp_path / "temporary").glob("*/*")
        log = subprocess.run(["git", "log", "--oneline"], cwd=clone, check=True, capture_output=True, text=True)
    assert len(log.stdout.splitlines()) == 1


def test_nothing_is_left_of_the_clone(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    repository = commit(tmp_path / "engine", {"a.md": b"x", "b.md": b"y"})
    with repositories(tmp_path).open("engine") as tree:
        assert len(list(temporary.iterdir())) == 1
        next(tree.files)
    assert list(temporary.iterdir()) == []
    with pytest.raises(KeyError), repositories(tmp_path).open(str(repository)):
        raise KeyError
    refusal(str(tmp_path / "missing"))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("configured", ["core.hooksPath", "init.templateDir"])
def test_hooks_are_not_run(tmp_path: Path, configured: str) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"x"})
    marker, hook = tmp_path / "hook-ran", tmp_path / "template" / "hooks" / "post-checkout"
    write(tmp_path, {"template/hooks/post-checkout": f"#!/bin/sh\ntouch '{marker}'\n".encode()})
    hook.chmod(0o755)
    configure(tmp_path, configured, str(hook.parent if configured == "core.hooksPath" else hook.parents[1]))
    git(tmp_path, "clone", "--quiet", repository.as_uri(), "plain")
    assert marker.exists(), "the hook would run, were it not for the precautions"
    marker.unlink()
    assert read(repository)[0] == {"a.md": "x"}
    assert not marker.exists()


def test_a_transport_that_runs_a_command_is_refused(tmp_path: Path) -> None:
    link = f"ext::sh -c 'touch {tmp_path}/command-ran'"
    configure(tmp_path, "protocol.ext.allow", "always")
    assert not repositories(tmp_path).handles(link)
    assert "not allowed" in refusal(link)
    assert not (tmp_path / "command-ran").exists()


def test_a_link_that_looks_like_an_option_is_a_link(tmp_path: Path) -> None:
    assert refusal(f"--upload-pack=touch {tmp_path}/command-ran").startswith("git could not clone it")
    assert not (tmp_path / "command-ran").exists()


@pytest.mark.parametrize(
    "link",
    [
        "https://user:s3cret@127.0.0.1:PORT/x.git",
        "http://s3cret@127.0.0.1:PORT/x.git",
        "https://user:pass@s3cret@127.0.0.1:PORT/x.git",
        "https://user:s3cret@127.0.0.1:99999/x.git",
        "https://user:s3cret@[broken/x.git",
        "ssh://user:s3cret@127.0.0.1:PORT/x.git",
    ],
)
def test_credentials_in_a_link_never_reach_an_error_a_report_or_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, link: str
) -> None:
    link = link.replace("PORT", str(closed_port()))
    caplog.set_level(logging.DEBUG)
    crawlers: list[Crawler] = [
        RepositoryCrawler(repositories(tmp_path)),
        MarkdownFolderCrawler(MarkdownFolders(ROOMY, tmp_path)),
    ]
    report = crawl_links([link], ADA, crawlers, MemoryDocumentStore(), SilentProgress())
    assert report.everything_failed
    shown = report.model_dump_json() + str(report.metadata()) + caplog.text
    assert "127.0.0.1" in shown or "broken" in shown
    assert "s3cret" not in shown


def test_credentials_never_reach_what_is_said_by_the_clone_itself() -> None:
    assert "s3cret" not in refusal(f"https://user:s3cret@127.0.0.1:{closed_port()}/x.git")


def test_credentials_are_used_for_the_clone_and_stand_in_no_document(tmp_path: Path) -> None:
    repository = commit(tmp_path / "engine", {"src/mill.py": b"x"})
    link = "https://user:s3cret@git.example/ada/engine.git"
    configure(tmp_path, f"url.{repository.as_uri()}.insteadOf", link)
    [document] = crawled(link)
    assert document.link == "https://git.example/ada/engine/src/mill.py"
    assert document.source == "https://git.example/ada/engine"
    assert "s3cret" not in document.model_dump_json()


@pytest.mark.parametrize(
    ("link", "source", "file", "platform"),
    [
        ("https://github.com/ada/engine", "https://github.com/ada/engine", "/blob/HEAD", "github"),
        ("https://GitHub.com/ada/engine.git/", "https://github.com/ada/engine", "/blob/HEAD", "github"),
        ("https://www.github.com/ada/engine", "https://github.com/ada/engine", "/blob/HEAD", "github"),
        ("https://gitlab.com/ada/engine", "https://gitlab.com/ada/engine", "/-/blob/HEAD", "gitlab"),
        ("https://git.example/x/engine.git", "https://git.example/x/engine", "", "git.example"),
    ],
)
def test_a_repositorys_files_are_linked_as_their_host_shows_them(
    tmp_path: Path, link: str, source: str, file: str, platform: str
) -> None:
    repository = commit(tmp_path / "local", {"src/mill.py": b"turn()", "100% #1?.md": b"x"})
    configure(tmp_path, f"url.{repository.as_uri()}.insteadOf", link)
    strange, code = crawled(link)
    assert code.link == f"{source}{file}/src/mill.py"
    assert strange.link == f"{source}{file}/100%25%20%231%3F.md"
    assert (code.title, code.content) == ("engine/src/mill.py", "turn()")
    assert code.source == strange.source == source
    assert (code.category, code.platform, code.author_id) == (DataCategory.REPOSITORIES, platform, ADA.id)


def test_a_local_repositorys_files_are_linked_by_their_path(tmp_path: Path) -> None:
    repository = commit(tmp_path / "my engine", {"a b.md": b"x"})
    [document] = crawled(str(repository))
    assert document.title == "my engine/a b.md"
    assert document.link == f"{repository.as_uri()}/a%20b.md"
    assert (document.source, document.platform) == (repository.as_uri(), "git")


def test_what_was_left_out_is_known_when_the_documents_are_read() -> None:
    class Tree:
        def handles(self, link: str) -> bool:
            return link == "a tree"

        @contextmanager
        def open(self, link: str) -> Iterator[FileTree]:
            skipped: dict[str, int] = {}

            def files() -> Iterator[SourceFile]:
                yield SourceFile("a.py", "x")
                skipped["binary"] = 2

            yield FileTree("engine", "https://github.com/ada/engine", files(), skipped)

    crawler = RepositoryCrawler(Tree())
    assert crawler.matches("a tree")
    assert not crawler.matches("another")
    with crawler.crawl("a tree", ADA) as crawl:
        assert [document.title for document in crawl.documents] == ["engine/a.py"]
        assert crawl.skipped == {"binary": 2}


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://github.com/ada/engine", True),
        ("https://github.com/ada/engine/", True),
        ("https://www.github.com/ada/engine", True),
        ("http://GitHub.com/ada/engine.git", True),
        ("https://github.com/ada", False),
        ("https://github.com/", False),
        ("https://github.com", False),
        ("https://github.com/ada/engine/blob/main/README.md", False),
        ("https://gist.github.com/ada/0123456789abcdef", False),
        ("https://gitlab.com/ada/engine", True),
        ("https://gitlab.com/group/subgroup/engine.git", True),
        ("https://codeberg.org/ada/engine", True),
        ("https://bitbucket.org/ada/engine", True),
        ("https://git.example/anything/at/all.git", True),
        ("https://example.com/ada/engine", False),
        ("https://notgithub.com/ada/engine", False),
        ("https://github.com.example/ada/engine", False),
        ("LOCAL", True),
        ("LOCAL_URL", True),
        ("engine", True),
        ("plain", False),
        ("missing", False),
        ("", False),
    ],
)
def test_a_repository_is_known_by_the_form_of_its_link(tmp_path: Path, link: str, expected: bool) -> None:
    for name in ("engine/.git", "my engine/.git", "plain"):
        (tmp_path / name).mkdir(parents=True)
    local = tmp_path / "my engine"
    assert (
        repositories(tmp_path).handles({"LOCAL": str(local), "LOCAL_URL": local.as_uri()}.get(link, link)) is expected
    )


@pytest.mark.parametrize(
    "link",
    [
        "",
        " ",
        "http://[broken",
        "https://[broken/x.git",
        "~nobody-of-this-name/notes",
        "a\0b",
        "engine:x",
        pytest.param("x" * 5000, id="long"),
    ],
)
def test_a_link_that_makes_no_sense_does_not_stop_the_others(tmp_path: Path, link: str) -> None:
    commit(tmp_path / "engine", {"a.md": b"x"})
    fetcher = HttpPageFetcher(10, 0.001)
    crawlers: list[Crawler] = [
        RepositoryCrawler(repositories(tmp_path)),
        MarkdownFolderCrawler(MarkdownFolders(ROOMY, tmp_path)),
        ArticleCrawler(fetcher, TrafilaturaExtractor()),
    ]
    report = crawl_links([link, "engine"], ADA, crawlers, MemoryDocumentStore(), SilentProgress())
    fetcher.close()
    assert list(report.failures) == [link]
    assert report.documents.new == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=404), "not found"),
        (Reply(status=401, headers={"WWW-Authenticate": "Basic"}), "Authentication failed"),
    ],
)
def test_a_server_without_the_repository_is_told_and_no_password_is_asked_for(reply: Reply, reason: str) -> None:
    with open_site() as site:
        link = site.serve("/x.git/info/refs?service=git-upload-pack", reply).partition("/info")[0]
        assert reason in refusal(link)
        assert site.requests.total() >= 1


def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with open_site() as site:
        link = site.serve("/x.git/info/refs?service=git-upload-pack", Reply(hangs=True)).partition("/info")[0]
        assert refusal(link, timeout_seconds=0.5) == "git did not finish within 0.5 s"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_machine_without_git_is_told_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CrawlError, match="install it"), repositories(tmp_path).open("engine"):
        pass
