"""Which links are repositories', what each names, and what a Git server's answer says."""

import pytest

from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.infrastructure.web.git.links import remote_link
from llm_engineering.infrastructure.web.git.refs import References, parse_references

A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/ada/engine",
        "https://github.com/ada/engine/",
        "https://www.github.com/Ada/Engine",
        "http://GitHub.com/ada/engine.git",
        "https://github.com/ada/engine?tab=readme-ov-file#readme",
        "https://token@github.com/ada/engine",
        "git@github.com:ada/engine.git",
        "git@github.com:ada/engine",
        "ssh://git@github.com/ada/engine.git",
        "ssh://git@github.com:22/ada/engine.git",
        " https://github.com/ada/engine ",
    ],
)
def test_each_spelling_of_a_repository_is_the_same_source_and_read_by_https(link: str) -> None:
    remote = remote_link(link)
    assert remote is not None
    assert remote.source == "https://github.com/ada/engine"
    assert remote.url == "https://github.com/ada/engine.git"
    assert remote.name.lower() == "engine"
    assert (remote.view, remote.reference) == ("", "")


@pytest.mark.parametrize(
    ("link", "source", "view", "reference"),
    [
        ("https://github.com/ada/engine/tree/main", "https://github.com/ada/engine/tree/main",
         "https://github.com/ada/engine/blob", "main"),
        ("https://github.com/Ada/engine/tree/feat/X/docs/", "https://github.com/ada/engine/tree/feat/X/docs",
         "https://github.com/ada/engine/blob", "feat/X/docs"),
        ("https://github.com/ada/engine/blob/main/a%20b.md", "https://github.com/ada/engine/blob/main/a%20b.md",
         "https://github.com/ada/engine/blob", "main/a b.md"),
        ("https://gitlab.com/g/sub/engine/-/tree/main/docs", "https://gitlab.com/g/sub/engine/-/tree/main/docs",
         "https://gitlab.com/g/sub/engine/-/blob", "main/docs"),
        ("https://codeberg.org/ada/engine/src/branch/main/docs", "https://codeberg.org/ada/engine/src/branch/main/docs",
         "https://codeberg.org/ada/engine/src/branch", "main/docs"),
        ("https://bitbucket.org/ada/engine/src/main/", "https://bitbucket.org/ada/engine/src/main",
         "https://bitbucket.org/ada/engine/src", "main"),
    ],
)  # fmt: skip
def test_a_branch_a_folder_and_a_file_can_be_named(link: str, source: str, view: str, reference: str) -> None:
    remote = remote_link(link)
    assert remote is not None
    assert (remote.source, remote.view, remote.reference) == (source, view, reference)


@pytest.mark.parametrize(
    ("link", "url", "source", "credentials"),
    [
        ("https://gitlab.com/group/sub/engine.git", "https://gitlab.com/group/sub/engine.git",
         "https://gitlab.com/group/sub/engine", ""),
        ("http://Git.Example:8080/Any/thing.git/", "http://git.example:8080/Any/thing.git",
         "http://git.example:8080/Any/thing", ""),
        ("https://ada:p%40ss@git.example/x.git?y=z", "https://git.example/x.git", "https://git.example/x", "ada:p@ss"),
    ],
)  # fmt: skip
def test_other_hosts_repositories_end_in_git(link: str, url: str, source: str, credentials: str) -> None:
    remote = remote_link(link)
    assert remote is not None
    assert (remote.url, remote.source, remote.credentials) == (url, source, credentials)


@pytest.mark.parametrize(
    "link",
    [
        "", "engine", "/home/ada/engine", "C:/engine", "file:///engine.git", "host:engine.git", "git@git.example:x.git",
        "ssh://git@git.example/x.git", "git://github.com/ada/engine.git", "ext::sh -c x", "fd::7",
        "--upload-pack=x", "-chttps://github.com/a/b", "https://", "https:///x.git", "https://[broken/x.git",
        "https://x:99999/x.git", "https://git.example/a\nb.git", "https://git.example/a\\b.git", "https://git.example/.git\0",
        "https://github.com", "https://github.com/ada", "https://github.com/ada/engine/issues/1",
        "https://github.com/ada/engine/tree", "https://github.com/ada/engine/wiki", "https://github.com/features/actions",
        "https://github.com/orgs/ada/repositories", "https://github.com/topics/python", "https://github.com/ada/..",
        "https://github.com/ada/a%2Fb", "https://gist.github.com/ada/0123456789abcdef", "https://example.com/ada/engine",
        "https://notgithub.com/ada/engine", "https://github.com.example/ada/engine",
        "https://gitlab.com/ada/engine/-/issues", "https://gitlab.com/explore/projects",
    ],
)  # fmt: skip
def test_what_is_no_repository_is_left_to_others(link: str) -> None:
    assert remote_link(link) is None


def packet(line: str) -> bytes:
    return f"{len(line) + 4:04x}{line}".encode()


def advertisement(*lines: str) -> bytes:
    return packet("# service=git-upload-pack\n") + b"0000" + b"".join(map(packet, lines)) + b"0000"


def test_the_references_of_a_smart_server_are_read() -> None:
    body = advertisement(
        f"{A} HEAD\0multi_ack symref=HEAD:refs/heads/main\n", f"{A} refs/heads/main\n", f"{B} refs/heads/dev\n"
    )
    references = parse_references(body)
    assert references.smart
    assert references.commits == {"HEAD": A, "refs/heads/main": A, "refs/heads/dev": B}


def test_an_empty_repository_has_no_references() -> None:
    assert parse_references(advertisement(f"{'0' * 40} capabilities^{{}}\0multi_ack\n")).commits == {}
    with pytest.raises(CrawlError, match="no files"):
        References().resolve("")


def test_the_references_of_a_plain_file_server_are_read() -> None:
    references = parse_references(f"{A}\trefs/heads/main\n{B}\trefs/tags/v1\n".encode())
    assert not references.smart
    assert references.commits == {"refs/heads/main": A, "refs/tags/v1": B}


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html>", b"{}", b"001e# service=git-upload-pack\n-001", b"001e# service=git-upload-pack\n00ff"]
)
def test_an_answer_that_is_no_git_servers_is_refused(body: bytes) -> None:
    with pytest.raises(CrawlError):
        parse_references(body)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("", ("HEAD", A, "")),
        ("main", ("main", A, "")),
        ("main/docs/a.md", ("main", A, "docs/a.md")),
        ("feat", ("feat", A, "")),
        ("feat/x/docs", ("feat/x", B, "docs")),
        ("v1", ("v1", C, "")),
        ("HEAD/docs", ("HEAD", A, "docs")),
        (f"{'d' * 40}/docs", ("d" * 40, "d" * 40, "docs")),
    ],
)
def test_the_longest_branch_that_is_there_counts(reference: str, expected: tuple[str, str, str]) -> None:
    commits = {"HEAD": A, "refs/heads/main": A, "refs/heads/feat": A, "refs/heads/feat/x": B, "refs/tags/v1": C}
    assert References(commits).resolve(reference) == expected


def test_a_branch_that_is_not_there_is_missing_and_a_short_hash_is_explained() -> None:
    references = References({"HEAD": A, "refs/heads/main": A})
    with pytest.raises(SourceMissingError, match="'gone'"):
        references.resolve("gone/docs")
    with pytest.raises(CrawlError, match="whole hash"):
        references.resolve("abcdef0/docs")


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ({"refs/heads/main": A, "refs/heads/x": B}, A),
        ({"refs/heads/master": A, "refs/heads/x": B}, A),
        ({"refs/heads/x": B, "refs/pull/1/head": A}, B),
    ],
)
def test_a_head_that_leads_nowhere_means_the_main_or_the_only_branch(commits: dict[str, str], expected: str) -> None:
    assert References(commits).resolve("")[1] == expected
