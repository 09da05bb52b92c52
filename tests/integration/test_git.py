"""Git repositories, by the real git, local and behind a server: what is fetched, refused, told and left behind."""

import base64
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from llm_engineering.application.crawlers.files import RepositoryCrawler
from llm_engineering.application.etl import crawl_links
from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, MoodSwarmError, SourceMissingError
from llm_engineering.domain.reports import WriteCounts
from llm_engineering.domain.sources import FileTree, SourceState
from llm_engineering.infrastructure.files.tree import FileLimits
from llm_engineering.infrastructure.web.git import repositories as git_module
from llm_engineering.infrastructure.web.git.links import RemoteLink
from llm_engineering.infrastructure.web.git.repositories import GitRepositories
from llm_engineering.infrastructure.web.http.client import HttpPolicy, PoliteClient
from llm_engineering.infrastructure.web.http.guard import AddressGuard
from tests.fake_stores import MemoryDocumentStore
from tests.fakes import ADA, SilentProgress
from tests.integration.git_server import GitServer, open_git_server
from tests.integration.site import Reply, closed_port, open_site

MAX_BYTES = 1000
MIB = 2**20
ROOMY = FileLimits(MAX_BYTES, 100)
TOKEN = "s3cret-t0ken"
HEADER = f"Basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Git as it is without the developer's configuration, and temporary files of its own."""
    (tmp_path / "gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n"
        '[protocol "ext"]\n\tallow = always\n',
        encoding="utf-8",
    )
    (tmp_path / "temporary").mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "served").mkdir()
    with open_git_server(tmp_path / "served") as server:
        yield server


Build = Callable[..., GitRepositories]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Make what is tested, as the composition root does; local repositories may lie in `tmp_path`."""
    clients = []

    def make(limits: FileLimits = ROOMY, hosts: tuple[str, ...] = ("127.0.0.1",), **more: object) -> GitRepositories:
        guard = AddressGuard(hosts)
        clients.append(PoliteClient(HttpPolicy(max_attempts=1, timeout_seconds=5), guard))
        options = {"timeout_seconds": 60, "max_repository_bytes": 50 * MIB, "allowed_paths": [tmp_path]} | more
        return GitRepositories(limits, clients[-1], guard, tmp_path, **options)  # type: ignore[arg-type]

    yield make
    for client in clients:
        client.close()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def commit(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """Commit all that is in the folder, with these files, as a repository; returns the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    write(folder, files or {})
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A commit")
    return folder


def served(server: GitServer, files: dict[str, bytes], name: str = "engine.git") -> str:
    """A repository with these files behind the server; its link."""
    work = commit(server.root.parent / "work" / name, files)
    git(work, "clone", "--quiet", "--bare", str(work), str(server.root / name))
    return f"{server.url}/{name}"


def push(server: GitServer, files: dict[str, bytes], name: str = "engine.git", branch: str = "main") -> str:
    """A new commit behind the server; its hash."""
    work = server.root.parent / "work" / name
    if branch != "main":
        git(work, "checkout", "--quiet", "-b", branch)
    commit(work, files)
    git(work, "push", "--quiet", str(server.root / name), branch)
    return git(work, "rev-parse", "HEAD")


def known(tree: FileTree) -> SourceState:
    return SourceState(link=tree.link, source=tree.link, author_id=uuid4(), revision=tree.revision)


def read(
    repositories: GitRepositories, link: str | Path, state: SourceState | None = None
) -> tuple[dict[str, str], FileTree]:
    """The texts by path, and the tree."""
    with repositories.open(str(link), state) as tree:
        texts = {file.path: file.text for file in tree.files}
    return texts, tree


def refusal(repositories: GitRepositories, link: str | Path) -> str:
    with pytest.raises(MoodSwarmError) as caught:
        read(repositories, link)
    return str(caught.value)


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left_behind(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "temporary").iterdir())


# Local repositories


@pytest.mark.parametrize("as_url", [False, True])
def test_text_is_read_to_the_character_by_path_and_by_url(tmp_path: Path, build: Build, as_url: bool) -> None:
    files = {
        "a file.txt": b"tab\there  \r\nblank before the end  \n\n\n",
        "unix.txt": b"a\nb\n",
        "ünï/cödé.py": "print('π 🦊')\nno line end".encode(),
        "deep/er/.hidden": b" x\x0b\x0cy",
        "LICENSE": b"All of it.\n",
    }
    repository = commit(tmp_path / "my engine", files)
    texts, tree = read(build(), repository.as_uri() if as_url else repository)
    assert texts == {path: content.decode() for path, content in files.items()}
    assert tree.bytes_read == sum(map(len, files.values()))
    assert (tree.name, tree.link, tree.skipped, tree.failed) == ("my engine", repository.as_uri(), {}, {})


def test_what_is_checked_out_is_read_as_it_was_committed_and_the_repository_stays(tmp_path: Path, build: Build) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    commit(repository, {"a.md": b"second", "b.md": b"second"})
    git(repository, "checkout", "--quiet", "-b", "draft")
    commit(repository, {"a.md": b"draft"})
    write(repository, {"a.md": b"not committed", "new.md": b"not tracked"})
    before = snapshot(repository)
    assert read(build(), repository)[0] == {"a.md": "draft", "b.md": "second"}
    assert snapshot(repository) == before


def test_detached_shallow_bare_and_linked_repositories_can_be_read(tmp_path: Path, build: Build) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first"})
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "other")
    git(tmp_path, "clone", "--quiet", "--bare", repository.as_uri(), "bare.git")
    git(tmp_path, "clone", "--quiet", "--shared", str(repository), "shared")
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "sha256")
    commit(tmp_path / "sha256", {"a.md": b"first"})
    commit(repository, {"a.md": b"second"})
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "shallow")
    git(repository, "checkout", "--quiet", "--detach", "HEAD~1")
    expected = dict.fromkeys(("engine", "tree", "bare.git", "shared", "sha256"), "first") | {"shallow": "second"}
    for name, text in expected.items():
        assert build().handles(name)
        assert read(build(), name)[0] == {"a.md": text}, name


def test_a_repository_without_files_or_commits_is_refused(tmp_path: Path, build: Build) -> None:
    commit(tmp_path / "without_files")
    git(tmp_path, "init", "--quiet", "without_commits")
    for name in ("without_files", "without_commits"):
        with pytest.raises(SourceMissingError, match="the repository has no files"):
            read(build(), name)


def test_a_local_repository_that_is_gone_is_missing(tmp_path: Path, build: Build) -> None:
    with pytest.raises(SourceMissingError, match="there is no"):
        read(build(), tmp_path / "gone")


def test_a_folder_with_a_broken_repository_does_not_stand_for_the_one_around_it(tmp_path: Path, build: Build) -> None:
    commit(tmp_path / "outer", {"secret.md": b"s3cret"})
    (tmp_path / "outer" / "inner" / ".git").mkdir(parents=True)
    assert "not a git repository" in refusal(build(), tmp_path / "outer" / "inner")


@pytest.mark.parametrize("kind", ["path", "symbolic link", "file url", "gitfile", "alternates"])
def test_a_local_repository_outside_of_the_allowed_folders_is_not_read(tmp_path: Path, build: Build, kind: str) -> None:
    outside = commit(tmp_path / "outside", {"a.md": b"s3cret"})
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    link = str(outside)
    if kind == "file url":
        link = outside.as_uri()
    elif kind == "symbolic link":
        (allowed / "link").symlink_to(outside)
        link = str(allowed / "link")
    elif kind == "gitfile":
        write(allowed, {"inside/.git": f"gitdir: {outside}/.git\n".encode()})
        link = str(allowed / "inside")
    elif kind == "alternates":
        git(allowed, "clone", "--quiet", "--shared", str(outside), "inside")
        link = str(allowed / "inside")
    for permitted in ([allowed], []):
        repositories = build(allowed_paths=permitted)
        assert repositories.handles(link)
        with pytest.raises(ForbiddenLinkError, match="CRAWL_ALLOWED_PATHS"):
            read(repositories, link)


@pytest.mark.parametrize("kind", ["second store", "seventh store", "quoted", "dots", "symbolic link"])
def test_stores_of_objects_that_lead_elsewhere_step_by_step_are_found(tmp_path: Path, build: Build, kind: str) -> None:
    outside = commit(tmp_path / "outside", {"a.md": b"s3cret"}) / ".git" / "objects"
    allowed = tmp_path / "allowed"
    repository = commit(allowed / "inside", {"a.md": b"x"})
    store = repository / ".git" / "objects"
    for number in range({"second store": 1, "seventh store": 5}.get(kind, 0)):
        following = allowed / f"store{number}"
        write(store, {"info/alternates": f"# a comment\n{following}\n".encode()})
        store = following
    (allowed / "a" / "b").mkdir(parents=True)
    (allowed / "link").symlink_to(allowed / "a" / "b")
    (store / "info").mkdir(exist_ok=True, parents=True)
    named = {"quoted": f'"{outside}"', "dots": f"{allowed}/link/../../outside/.git/objects"}.get(kind, str(outside))
    if kind == "symbolic link":
        write(tmp_path, {"list": b"/\n"})
        (store / "info" / "alternates").symlink_to(tmp_path / "list")
    else:
        write(store, {"info/alternates": f"{named}\n".encode()})
    with pytest.raises(CrawlError, match="in quotes" if kind == "quoted" else "CRAWL_ALLOWED_PATHS"):
        read(build(allowed_paths=[allowed]), repository)


@pytest.mark.parametrize("text", ["[include]\n\tpath = {}", '[core] [INCLUDEIF "gitdir:/**"] path = {}'])
@pytest.mark.parametrize("place", ["engine/.git/config", "engine/.git/config.worktree", "tree", "symbolic link"])
def test_a_local_configuration_that_includes_files_is_refused_before_git_opens_them(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch, place: str, text: str
) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"x"})
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "other")
    config = tmp_path / (place if place.startswith("engine") else "engine/.git/config")
    if place == "symbolic link":
        config.rename(tmp_path / "config")
        config.symlink_to(tmp_path / "config")
    with config.open("a") as file:
        file.write(text.format("/etc/shadow\n"))
    monkeypatch.setattr(git_module, "Git", None)  # not even started
    with pytest.raises(ForbiddenLinkError, match=r"\[include\]"):
        read(build(), tmp_path / ("tree" if place == "tree" else "engine"))


def test_a_configuration_that_lies_outside_of_the_allowed_folders_is_not_read(tmp_path: Path, build: Build) -> None:
    repository = commit(tmp_path / "allowed" / "engine", {"a.md": b"x"})
    config = repository / ".git" / "config"
    config.rename(tmp_path / "config")
    config.symlink_to(tmp_path / "config")
    with pytest.raises(ForbiddenLinkError, match="CRAWL_ALLOWED_PATHS"):
        read(build(allowed_paths=[tmp_path / "allowed"]), repository)


@pytest.mark.skipif(os.geteuid() != 0, reason="the superuser's rights are laid down for a moment")
def test_a_folder_that_may_not_be_entered_is_taken_for_no_repository(tmp_path: Path, build: Build) -> None:
    commit(tmp_path / "engine", {"a.md": b"x"})
    repositories = build()
    os.seteuid(65534)
    try:
        assert not repositories.handles(str(tmp_path / "engine"))  # the folders above are the superuser's own
    finally:
        os.seteuid(0)


def test_what_a_killed_process_left_a_day_ago_is_removed(tmp_path: Path, build: Build) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"x"})
    for name in ("moodswarm-git-old", "moodswarm-git-new"):
        write(tmp_path / "temporary" / name, {"repository/HEAD": b"x"})
    os.utime(tmp_path / "temporary" / "moodswarm-git-old", (time.time() - 25 * 3600,) * 2)
    read(build(), repository)
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == ["moodswarm-git-new"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files to another user")
def test_a_repository_of_another_user_can_be_read_once_its_folder_is_allowed(tmp_path: Path, build: Build) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"x"})
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 65534, 65534)
    assert subprocess.run(["git", "log"], cwd=repository, capture_output=True).returncode, "git would refuse it"
    assert read(build(), repository)[0] == {"a.md": "x"}


def test_an_unmoved_local_repository_is_not_read_again_until_limits_or_patterns_change(
    tmp_path: Path, build: Build
) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"first", "b.md": b"x"})
    _, tree = read(build(), repository)
    texts, again = read(build(), repository, known(tree))
    assert (texts, again.unchanged, again.revision) == ({}, True, tree.revision)
    others = FileLimits(MAX_BYTES, 100, exclude=("b.*",))
    texts, other = read(build(others), repository, known(tree))
    assert (texts, other.unchanged) == ({"a.md": "first"}, False)
    commit(repository, {"a.md": b"second"})
    texts, moved = read(build(), repository, known(tree))
    assert (texts, moved.unchanged) == ({"a.md": "second", "b.md": "x"}, False)


def test_what_a_repository_says_to_run_is_not_run(tmp_path: Path, build: Build) -> None:
    repository = commit(tmp_path / "engine", {"a.md": b"x", ".gitattributes": b"* filter=evil diff=evil\n"})
    script, marker = tmp_path / "script", tmp_path / "script-ran"
    script.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.sshCommand", "filter.evil.smudge", "diff.evil.textconv", "core.pager"):
        git(repository, "config", name, str(script))
    git(tmp_path, "config", "--file", str(tmp_path / "gitconfig"), "core.fsmonitor", str(script))
    assert "a.md" in read(build(), repository)[0]
    assert not marker.exists()


def test_what_gitignore_names_is_what_git_says(tmp_path: Path, build: Build) -> None:
    names = ["a.log", "keep.log", "out/a.md", "src/out/a.md", "src/b.log", "src/keep.log", "src/tmp/x.md", "tmp/y.md",
             "doc/a b.md", "doc/deep/c.txt", "doc/deep/d.txt", "x/build-1/a.md", "x/notes.md", "!odd.md"]  # fmt: skip
    ignores = {
        ".gitignore": b"*.log\n!keep.log\n/out/\n**/tmp/\ndoc/**/c.txt\nx/*\n!x/build-1/\na\\ b.md\n\\!odd.md\n",
        "src/.gitignore": b"keep.log\n!b.log\n!tmp/\n",
        "doc/.gitignore": b"# comment\na b.md   \nd.tx[t]\n",
        "out/.gitignore": b"!*\n",
    }
    repository = commit(tmp_path / "engine", dict.fromkeys(names, b"x") | ignores)
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=repository, capture_output=True, input="\0".join([*names, *ignores]).encode(),
    )  # fmt: skip
    ignored = {name for name in told.stdout.decode().split("\0") if name}
    assert len(ignored) > 5
    assert set(read(build(), repository)[0]) == set(names) - ignored


# Repositories behind a server


def test_a_branch_with_a_slash_and_a_folder_can_be_read(
    server: GitServer, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the known hosts' links name them; the server is this one's, for those cannot be asked here."""
    served(server, {"a.md": b"main", "docs/a.md": b"main"})
    tip = push(server, {"docs/a.md": b"draft", "docs/b.md": b"draft"}, branch="feat/x")
    git(server.root / "engine.git", "tag", "-a", "-m", "One", "v1", "main")
    root = f"{server.url}/engine"
    for reference, below, expected in (
        ("feat/x/docs", "docs/", {"a.md": "draft", "b.md": "draft"}),
        ("feat/x/docs/b.md", "docs/", {"b.md": "draft"}),
        (f"{tip}/docs", "docs/", {"a.md": "draft", "b.md": "draft"}),
        ("v1", "", {"a.md": "main", "docs/a.md": "main"}),
        ("HEAD", "", {"a.md": "main", "docs/a.md": "main"}),
    ):
        remote = RemoteLink(f"{root}.git", f"{root}/tree/{reference}", "engine", f"{root}/blob", reference)
        monkeypatch.setattr(git_module, "remote_link", lambda _, remote=remote: remote)
        with build().open("the link") as tree:
            files = list(tree.files)
        assert {file.path: file.text for file in files} == expected, reference
        branch = reference.partition("/docs")[0]
        assert {file.link for file in files} == {f"{root}/blob/{branch}/{below}{path}" for path in expected}


def test_a_folder_that_the_branch_has_not_is_missing(
    server: GitServer, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(server, {"a.md": b"main"})
    remote = RemoteLink(f"{server.url}/engine.git", "", "engine", "x", "main/docs")
    monkeypatch.setattr(git_module, "remote_link", lambda _: remote)
    with pytest.raises(SourceMissingError, match="'docs'"):
        read(build(), "the link")


def test_one_commit_is_fetched_and_nothing_is_left_of_it(tmp_path: Path, server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"first"})
    tip = push(server, {"a.md": b"second", "src/mill.py": b"turn()"})
    with build().open(link) as tree:
        [folder] = left_behind(tmp_path)
        assert git(folder / "repository", "rev-list", "--count", tip) == "1"
        assert {file.path: file.text for file in tree.files} == {"a.md": "second", "src/mill.py": "turn()"}
    assert (tree.name, tree.link) == ("engine", link.removesuffix(".git"))
    assert (tree.revision or "").startswith(tip)
    assert tree.bytes_read > 0
    assert left_behind(tmp_path) == []
    with pytest.raises(KeyError), build().open(link):
        raise KeyError
    with pytest.raises(KeyboardInterrupt), build().open(link) as tree:
        raise KeyboardInterrupt(next(tree.files).path)
    assert left_behind(tmp_path) == []


def test_an_unmoved_repository_is_not_fetched_again(server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"first"})
    _, tree = read(build(), link)
    fetches = server.fetches()
    assert fetches >= 1
    texts, again = read(build(), link, known(tree))
    assert (texts, again.unchanged, server.fetches()) == ({}, True, fetches)
    assert again.bytes_read > 0
    push(server, {"a.md": b"second"})
    assert read(build(), link, known(tree))[0] == {"a.md": "second"}


def test_large_files_are_not_fetched(server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"x", "film.data": os.urandom(5 * MIB)})
    texts, tree = read(build(), link)
    assert (texts, tree.skipped) == ({"a.md": "x"}, {"too large": 1})
    assert tree.bytes_read < MIB


def test_a_server_that_only_has_plain_files_can_be_read(server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"first"})
    push(server, {"a.md": b"second"})
    git(server.root / "engine.git", "update-server-info")
    server.plain_files = True
    texts, tree = read(build(), link)
    assert texts == {"a.md": "second"}
    assert read(build(), link, known(tree))[1].unchanged


def test_a_repository_larger_than_the_limit_is_given_up(tmp_path: Path, server: GitServer, build: Build) -> None:
    link = served(server, {f"{n}.bin": os.urandom(10_000) for n in range(150)})
    message = refusal(build(max_repository_bytes=MIB), link)
    assert message == "the repository is larger than 1 MiB (MAX_REPOSITORY_MIB)"
    assert left_behind(tmp_path) == []


def test_a_server_that_keeps_git_waiting_is_given_up_and_git_ended(
    tmp_path: Path, server: GitServer, build: Build
) -> None:
    link = served(server, {"a.md": b"x"})
    server.holds.clear()
    assert refusal(build(timeout_seconds=0.5), link) == "git did not finish within 0.5 s (GIT_TIMEOUT_SECONDS)"
    wait_until(lambda: not processes_with(link))
    assert left_behind(tmp_path) == []


def test_closing_ends_what_git_does_for_another_thread(tmp_path: Path, server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"x"})
    server.holds.clear()
    repositories, messages = build(), []
    thread = threading.Thread(target=lambda: messages.append(refusal(repositories, link)))
    thread.start()
    wait_until(lambda: server.fetches() > 0)
    repositories.close()
    thread.join()
    assert messages == ["git was stopped"]
    wait_until(lambda: not processes_with(link))
    assert left_behind(tmp_path) == []


def test_a_host_is_asked_for_few_repositories_at_once(server: GitServer, build: Build) -> None:
    links = [served(server, {"a.md": b"x"}, f"engine{n}.git") for n in range(3)]
    server.holds.clear()
    repositories, texts = build(fetches_per_host=2), []
    threads = [threading.Thread(target=lambda link=link: texts.append(read(repositories, link)[0])) for link in links]
    for thread in threads:
        thread.start()
    wait_until(
        lambda: server.fetches() == 2 and {f"GET /engine{n}.git/info/refs" for n in range(3)} <= {*server.requests}
    )
    wait_until(lambda: len(processes_with("--no-write-fetch-head")) >= 2)
    assert server.fetches() == 2
    server.holds.set()
    for thread in threads:
        thread.join()
    assert texts == [{"a.md": "x"}] * 3


def processes_with(text: str) -> list[str]:
    lines = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if text in line]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_token_opens_a_private_repository_and_is_seen_nowhere(
    tmp_path: Path, server: GitServer, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = served(server, {"a.md": b"private"})
    server.demands = HEADER
    encoded = HEADER.removeprefix("Basic ")
    seen: list[str] = []
    server.holds.clear()
    repositories = build(tokens={"127.0.0.1": TOKEN})
    thread = threading.Thread(target=lambda: seen.append(str(read(repositories, link))))
    thread.start()
    wait_until(lambda: server.fetches() > 0)
    arguments = processes_with(link)
    files = b"".join(snapshot(tmp_path / "temporary").values()).decode(errors="replace")
    server.holds.set()
    thread.join()
    assert arguments, "git was running"
    assert "private" in seen[0]
    assert set(server.authorizations) == {HEADER}
    for text in (*arguments, files, *seen, caplog.text):
        assert TOKEN not in text
        assert encoded not in text


def test_a_token_in_the_link_is_used_and_seen_nowhere(server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"private"})
    server.demands = f"Basic {base64.b64encode(b'ada:s3cret').decode()}"
    texts, tree = read(build(), link.replace("http://", "http://ada:s3cret@"))
    assert (texts, tree.link) == ({"a.md": "private"}, link.removesuffix(".git"))


@pytest.mark.parametrize("tokens", [{}, {"127.0.0.1": "wr0ng-token"}, {"github.com": TOKEN}])
def test_a_private_repository_needs_its_own_hosts_token(
    server: GitServer, build: Build, tokens: dict[str, str]
) -> None:
    link = served(server, {"a.md": b"private"})
    server.demands = HEADER
    message = refusal(build(tokens=tokens), link)
    assert "GIT_TOKENS" in message
    assert "wr0ng" not in message
    assert TOKEN not in message


def test_a_token_does_not_follow_a_redirect_to_another_server(tmp_path: Path, server: GitServer, build: Build) -> None:
    (tmp_path / "other").mkdir()
    with open_git_server(tmp_path / "other") as other:
        served(other, {"a.md": b"public"})
        server.redirects = {"/engine.git": other.url}
        texts, tree = read(build(tokens={"127.0.0.1": TOKEN}), f"{server.url}/engine.git")
    assert texts == {"a.md": "public"}
    assert tree.link == f"{server.url}/engine"
    assert set(server.authorizations) == {HEADER}
    assert set(other.authorizations) == {None}


def test_git_itself_follows_no_redirect(server: GitServer, build: Build) -> None:
    """The client has followed them under the guard's eyes; one that comes later is not."""
    link = served(server, {"a.md": b"x"})

    class Turning(dict[str, str]):
        def items(self) -> object:  # type: ignore[override]
            return {"/": "http://169.254.169.254"}.items() if len(server.requests) > 1 else {}.items()

    server.redirects = Turning()
    assert "git could not read it" in refusal(build(), link)


def test_addresses_that_are_not_public_are_not_asked(server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"x"})
    with pytest.raises(ForbiddenLinkError, match="CRAWL_ALLOWED_HOSTS"):
        read(build(hosts=()), link)
    assert server.requests == []
    server.redirects = {"/engine.git": "http://169.254.169.254"}
    with pytest.raises(ForbiddenLinkError):
        read(build(), link)


def test_git_asks_the_address_that_was_checked_whatever_the_name_leads_to(
    server: GitServer, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(server, {"a.md": b"x"})
    resolve = __import__("socket").getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, *rest, **more: resolve("127.0.0.1" if host == "engine.test" else host, *rest, **more),
    )
    assert read(build(), f"http://engine.test:{server.port}/engine.git")[0] == {"a.md": "x"}


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (Reply(status=404), SourceMissingError, "GIT_TOKENS"),
        (Reply(status=410), SourceMissingError, "GIT_TOKENS"),
        (Reply(status=401), CrawlError, "GIT_TOKENS"),
        (Reply(b"<html>Sign in</html>"), CrawlError, "no Git repository"),
        (Reply(b"001e# service=git-upload-pack\n0000zzzz"), CrawlError, "broken"),
        (Reply(b"001e# service=git-upload-pack\n0000ffff"), CrawlError, "cut off"),
        (Reply(b"001e# service=git-upload-pack\n00000000"), CrawlError, "no files"),
        (Reply(hangs=True), CrawlError, "no answer"),
    ],
)
def test_a_server_without_the_repository_is_told(
    build: Build, tmp_path: Path, reply: Reply, kind: type[CrawlError], reason: str
) -> None:
    with open_site() as site:
        link = site.serve("/x.git/info/refs?service=git-upload-pack", reply).partition("/info")[0]
        guard = AddressGuard(["127.0.0.1"])
        client = PoliteClient(HttpPolicy(max_attempts=1, timeout_seconds=0.5), guard)
        repositories = GitRepositories(ROOMY, client, guard, tmp_path, timeout_seconds=5, max_repository_bytes=MIB)
        with pytest.raises(kind, match=reason):
            read(repositories, link)
        client.close()
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    "link",
    [
        "http://user:s3cret@127.0.0.1:PORT/x.git",
        "http://s3cret@127.0.0.1:PORT/x.git",
        "https://user:pass@s3cret@127.0.0.1:PORT/x.git",
        "https://user:s3cret@127.0.0.1:99999/x.git",
        "https://user:s3cret@[broken/x.git",
        "ssh://user:s3cret@127.0.0.1:PORT/x.git",
    ],
)
def test_credentials_in_a_link_reach_no_message(build: Build, link: str) -> None:
    assert "s3cret" not in refusal(build(), link.replace("PORT", str(closed_port())))


@pytest.mark.parametrize(
    "link",
    [
        "ext::sh -c 'touch MARKER'",
        "--upload-pack=touch MARKER",
        "fd::7",
        "git://127.0.0.1/x.git",
        "https://127.0.0.1/x.git\n--upload-pack=touch MARKER",
        "https://127.0.0.1/a b.git",
        "a\0b",
        "",
    ],
)
def test_links_that_would_make_git_do_something_else_are_refused(tmp_path: Path, build: Build, link: str) -> None:
    marker = tmp_path / "command-ran"
    assert not build().handles(link.replace("MARKER", str(marker)))
    refusal(build(), link.replace("MARKER", str(marker)))
    assert not marker.exists()


def test_trees_that_hold_each_other_many_times_over_do_not_fill_the_memory(tmp_path: Path, build: Build) -> None:
    """Ten names for the same tree, nine levels deep: a thousand million files in a few kilobytes."""
    repository = commit(tmp_path / "bomb")
    blob = git_input(repository, b"x", "hash-object", "-w", "--stdin")
    tree = git_input(repository, "".join(f"100644 blob {blob}\t{'f' * 50}{n}\n" for n in range(10)).encode(), "mktree")
    for _ in range(8):
        lines = "".join(f"040000 tree {tree}\t{'d' * 50}{n}\n" for n in range(10))
        tree = git_input(repository, lines.encode(), "mktree")
    git(repository, "reset", "--quiet", "--soft", git(repository, "commit-tree", "-m", "Bomb", tree))
    assert "more files" in refusal(build(max_repository_bytes=500 * MIB), repository)
    assert left_behind(tmp_path) == []


def git_input(folder: Path, content: bytes, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, input=content)
    return done.stdout.decode().strip()


def test_a_machine_without_git_is_told_to_install_it(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(tmp_path / "engine", {"a.md": b"x"})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install it" in refusal(build(), "engine")


def test_an_interrupted_run_ends_git_and_removes_what_was_fetched(
    tmp_path: Path, server: GitServer, build: Build
) -> None:
    link = served(server, {"a.md": b"x"})
    server.holds.clear()

    def interrupt() -> None:
        wait_until(lambda: server.fetches() > 0)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts what it puts into the background deaf to this signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            read(build(), link)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(lambda: not processes_with(link))  # a process that was killed is in the list for a moment more
    assert left_behind(tmp_path) == []


def test_a_new_commit_updates_only_the_documents_of_the_files_that_it_changed(server: GitServer, build: Build) -> None:
    link = served(server, {"a.md": b"one", "b.md": b"two", "c.md": b"three"})
    store = MemoryDocumentStore()
    crawler = RepositoryCrawler(build())

    def crawl() -> WriteCounts:
        return crawl_links([link], ADA, [crawler], store, SilentProgress()).documents

    assert crawl().new == 3
    fetches = server.fetches()
    assert crawl().new == 0
    assert server.fetches() == fetches, "nothing has moved"
    work = server.root.parent / "work" / "engine.git"
    (work / "c.md").unlink()
    push(server, {"a.md": b"changed", "d.md": b"four"})
    counts = crawl()
    assert (counts.new, counts.changed, counts.unchanged) == (1, 1, 1)
    assert sorted(document.content for document in store.documents.values()) == ["changed", "four", "two"]
