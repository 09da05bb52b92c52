"""What a Git server is asked before git is, with which credentials, and at which address git asks it then."""

import base64
from collections.abc import Mapping

import pytest

from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.infrastructure.web.git.links import RemoteLink, remote_link
from llm_engineering.infrastructure.web.git.refs import References
from llm_engineering.infrastructure.web.git.remote import GitRemotes, Origin
from llm_engineering.infrastructure.web.http.answers import HttpResponse, HttpStatusError

COMMIT = "a" * 40
REFERENCES = f"{COMMIT}\trefs/heads/main\n".encode()
SERVICE = "/info/refs?service=git-upload-pack"


class Client:
    """Answers by URL: a body, a status, or another URL's body."""

    def __init__(self, answers: Mapping[str, bytes | int | str]) -> None:
        self.answers = answers
        self.asked: dict[str, str | None] = {}

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None, robots: bool = True
    ) -> HttpResponse:
        self.asked[url] = (headers or {}).get("Authorization")
        answer = self.answers.get(url, 404)
        if isinstance(answer, str):
            return self.get(answer)
        if answer == 404:
            raise SourceMissingError("the server answered 404")
        if isinstance(answer, int):
            raise HttpStatusError(answer, {})
        return HttpResponse(url, 200, {}, answer, len(answer))


class Addresses:
    def addresses(self, host: str) -> tuple[str, ...]:
        return ("192.0.2.1", "2001:db8::1")


def remotes(client: Client, tokens: Mapping[str, str] | None = None) -> GitRemotes:
    return GitRemotes(client, Addresses(), tokens or {}, 2)


def link(text: str) -> RemoteLink:
    remote = remote_link(text)
    assert remote is not None
    return remote


def origin(url: str) -> Origin:
    return Origin(url, References(), 0)


def basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


@pytest.mark.parametrize(("page", "kind"), [(404, SourceMissingError), (b"", CrawlError), (500, CrawlError)])
def test_a_host_that_answers_401_to_everything_is_asked_for_the_repositorys_page(
    page: int | bytes, kind: type[CrawlError]
) -> None:
    root = "https://github.com/ada/engine"
    client = Client({f"{root}.git{SERVICE}": 401, root: page})
    with pytest.raises(CrawlError, match="GIT_TOKENS") as caught:
        remotes(client).ask(link(root))
    assert type(caught.value) is kind


def test_with_a_token_a_refusal_says_nothing_of_the_repository_being_there() -> None:
    root = "https://github.com/ada/engine"
    client = Client({f"{root}.git{SERVICE}": 401, root: 404})
    with pytest.raises(CrawlError, match="does not accept the token") as caught:
        remotes(client, {"github.com": "s3cret"}).ask(link(root))
    assert type(caught.value) is CrawlError
    assert root not in client.asked


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("https://github.com/a/b", {"github.com": "t"}, "x-access-token:t"),
        ("https://github.com/a/b", {"GitHub.com": "ada:t"}, "ada:t"),
        ("https://gitlab.com/a/b", {"gitlab.com": "t"}, "oauth2:t"),
        ("https://bitbucket.org/a/b", {"bitbucket.org": "t"}, "x-token-auth:t"),
        ("https://ada:own@git.example/b.git", {"git.example": "t"}, "ada:own"),
        ("https://git@github.com/a/b", {"github.com": "t"}, "x-access-token:t"),
        ("http://127.0.0.1:1/b.git", {"127.0.0.1": "t"}, "x-access-token:t"),
        ("http://git.example/b.git", {"git.example": "t"}, None),
        ("http://ada:own@git.example/b.git", {}, None),
        ("https://sub.github.com/b.git", {"github.com": "t"}, None),
        ("https://github.com.example/b.git", {"github.com": "t"}, None),
    ],
)
def test_credentials_go_to_their_own_host_and_never_unprotected(
    text: str, tokens: dict[str, str], expected: str | None
) -> None:
    remote = link(text)
    client = Client({remote.url + SERVICE: REFERENCES, f"{remote.url}/HEAD": b"ref: refs/heads/main\n"})
    found = remotes(client, tokens).ask(remote)
    header = basic(expected) if expected else None
    assert set(client.asked.values()) == {header}
    assert found.references.commits == {"HEAD": COMMIT, "refs/heads/main": COMMIT}
    values = remotes(client, tokens).environment(remote, found)
    assert values.get("GIT_CONFIG_VALUE_0") == (f"Authorization: {header}" if header else None)
    assert values["GIT_ALLOW_PROTOCOL"] == text.partition(":")[0]


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://github.com/x/y.git", True),
        ("https://github.com:8443/a/b.git", False),
        ("http://github.com/a/b.git", False),
        ("https://evil.example/a/b.git", False),
    ],
)
def test_git_gets_the_token_only_where_the_repository_stayed_on_its_server(url: str, sent: bool) -> None:
    values = remotes(Client({}), {"github.com": "t"}).environment(link("https://github.com/a/b"), origin(url))
    assert ("GIT_CONFIG_COUNT" in values) is sent


def test_a_repository_is_read_where_it_was_redirected_to() -> None:
    moved = "https://git.example/new.git"
    client = Client(
        {
            f"https://git.example/old.git{SERVICE}": moved + SERVICE,
            moved + SERVICE: REFERENCES,
            f"{moved}/HEAD": COMMIT.encode(),
        }
    )
    assert remotes(client).ask(link("https://git.example/old.git")).url == moved


def test_a_redirect_to_a_page_is_no_repository() -> None:
    page = "https://git.example/login?s=1"
    client = Client({f"https://git.example/old.git{SERVICE}": page, page: b""})
    with pytest.raises(CrawlError, match="redirects"):
        remotes(client).ask(link("https://git.example/old.git"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/a/b.git", "github.com:443:192.0.2.1,[2001:db8::1]"),
        ("http://git.example:8080/b.git", "git.example:8080:192.0.2.1,[2001:db8::1]"),
        ("http://192.0.2.1/b.git", ""),
    ],
)
def test_git_is_told_the_addresses_that_were_checked(url: str, expected: str) -> None:
    assert remotes(Client({})).pinned(origin(url)) == expected
