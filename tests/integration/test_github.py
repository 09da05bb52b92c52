"""GitHub's users, by an API on a loopback port: pages, limits, answers in another form, and where a token goes."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.infrastructure.web.git.github import GitHubUsers
from llm_engineering.infrastructure.web.http.client import HttpPolicy, PoliteClient
from llm_engineering.infrastructure.web.http.guard import AddressGuard
from tests.integration.site import Reply, Site, open_site

FIRST = "/users/ada/repos?per_page=100&type=owner&sort=pushed"
TOKEN = "s3cret-t0ken"


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


@pytest.fixture
def client() -> Iterator[PoliteClient]:
    client = PoliteClient(
        HttpPolicy(max_attempts=2, backoff_seconds=0.01, timeout_seconds=5), AddressGuard(["127.0.0.1"])
    )
    yield client
    client.close()


def repository(name: str, **more: object) -> dict[str, object]:
    """As the API tells of one, with some of the fields that are not read."""
    return {
        "id": 1, "name": name, "full_name": f"Ada/{name}", "private": False, "fork": False, "archived": False,
        "size": 0, "owner": {"login": "Ada", "type": "User"}, "html_url": f"https://github.com/Ada/{name}",
        "pushed_at": "2024-03-05T10:00:00Z",
    } | more  # fmt: skip


def page(*repositories: object, following: str | None = None) -> Reply:
    headers = {"Link": f'<{following}>; rel="next", <{following}&x>; rel="last"'} if following else {}
    return Reply(json.dumps(repositories).encode(), content_type="application/json; charset=utf-8", headers=headers)


def listed(client: PoliteClient, site: Site, token: str | None = None) -> list[str]:
    listing = GitHubUsers(client, site.url, token).repositories("https://github.com/ada")
    assert listing.kind == "user"
    return [item.link for item in listing.links]


def refusal(client: PoliteClient, site: Site, token: str | None = None) -> str:
    with pytest.raises(CrawlError) as caught:
        listed(client, site, token)
    return str(caught.value)


def test_a_users_own_repositories_are_listed_over_all_pages(site: Site, client: PoliteClient) -> None:
    second, third = f"{FIRST}&page=2", f"{FIRST}&page=3"
    site.serve(FIRST, page(repository("engine"), repository("fork", fork=True), following=site.url + second))
    site.serve(second, page(repository("engine"), repository("old", archived=True), following=site.url + third))
    site.serve(third, page(repository("hidden", private=True), repository("new", pushed_at=None)))
    listing = GitHubUsers(client, f"{site.url}/").repositories("https://github.com/ada")
    assert [(item.link, item.published_at) for item in listing.links] == [
        ("https://github.com/Ada/engine", datetime(2024, 3, 5, 10, tzinfo=UTC)),
        ("https://github.com/Ada/old", datetime(2024, 3, 5, 10, tzinfo=UTC)),
        ("https://github.com/Ada/new", None),
    ]


def test_a_user_without_repositories_has_none(site: Site, client: PoliteClient) -> None:
    site.serve(FIRST, page())
    assert listed(client, site) == []


def test_a_user_that_is_not_there_is_missing(site: Site, client: PoliteClient) -> None:
    with pytest.raises(SourceMissingError, match="'ada'"):
        listed(client, site)


def test_the_token_and_the_version_of_the_api_are_sent(site: Site, client: PoliteClient) -> None:
    site.serve(FIRST, page(repository("engine")))
    listed(client, site, TOKEN)
    listed(client, site)
    with_token, without = site.headers[FIRST]
    assert with_token["authorization"] == f"Bearer {TOKEN}"
    assert with_token["x-github-api-version"] == "2022-11-28"
    assert "authorization" not in without


@pytest.mark.parametrize("how", ["next", "redirect", "other port"])
def test_the_token_goes_to_no_other_server(
    site: Site, client: PoliteClient, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with open_site() as other:
        other.serve("/evil", page(repository("evil")))
        target = other.url + "/evil"
        if how == "redirect":
            site.serve(FIRST, Reply(status=302, headers={"Location": target}))
            assert listed(client, site, TOKEN) == ["https://github.com/Ada/evil"]
            assert all("authorization" not in headers for headers in other.headers["/evil"])
        else:
            site.serve(
                FIRST,
                page(repository("engine"), following=target if how == "next" else f"//127.0.0.1:{other.port}/evil"),
            )
            assert "none of its own" in refusal(client, site, TOKEN)
            assert other.requests.total() == 0
    assert TOKEN not in caplog.text


def test_a_list_that_never_ends_is_given_up(site: Site, client: PoliteClient) -> None:
    site.serve(FIRST, page(repository("engine"), following=f"{site.url}/more"))
    site.serve("/more", page(repository("engine"), following=f"{site.url}{FIRST}"))
    assert "more than" in refusal(client, site)
    assert site.requests.total() == 100


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "RESET"}), "30 minutes"),
        (Reply(status=403, headers={"Retry-After": "90"}), "90 s"),
        (Reply(status=429, headers={"Retry-After": "600"}), "10 minutes"),
        (Reply(status=429), "60 s"),
    ],
)
def test_a_limit_says_when_it_ends_and_that_a_token_raises_it(
    site: Site, client: PoliteClient, reply: Reply, words: str
) -> None:
    headers = {name: value.replace("RESET", f"{time.time() + 1800:.0f}") for name, value in reply.headers.items()}
    site.serve(FIRST, Reply(status=reply.status, headers=headers))
    message = refusal(client, site)
    assert words in message
    assert "GIT_TOKENS" in message
    assert "GIT_TOKENS" not in refusal(
        PoliteClient(HttpPolicy(max_attempts=1), AddressGuard(["127.0.0.1"])), site, TOKEN
    )


def test_a_limit_that_ends_soon_is_waited_for(site: Site, client: PoliteClient) -> None:
    site.serve(FIRST, Reply(status=429, headers={"Retry-After": "0"}), page(repository("engine")))
    assert listed(client, site) == ["https://github.com/Ada/engine"]


@pytest.mark.parametrize(("status", "words"), [(401, "GIT_TOKENS"), (403, "answered 403"), (422, "answered 422")])
def test_another_refusal_is_told_without_the_token(site: Site, client: PoliteClient, status: int, words: str) -> None:
    site.serve(FIRST, Reply(status=status))
    message = refusal(client, site, TOKEN)
    assert words in message
    assert TOKEN not in message


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{}", b'{"message": "s3cret"}', b'[{"name": "engine"}]', b"\xff\xfe", b"[" * 100_000,
        json.dumps([repository("engine", pushed_at="yesterday")]).encode(),
        json.dumps([repository("engine", html_url=["https://github.com/ada/engine"])]).encode(),
    ],
)  # fmt: skip
def test_an_answer_in_another_form_is_refused(site: Site, client: PoliteClient, body: bytes) -> None:
    site.serve(FIRST, Reply(body))
    message = refusal(client, site)
    assert "form that is not known" in message
    assert "s3cret" not in message


def test_a_repository_whose_link_is_none_is_left_out(site: Site, client: PoliteClient) -> None:
    site.serve(FIRST, page(repository("engine", html_url="file:///etc/passwd"), repository("mill")))
    assert listed(client, site) == ["https://github.com/Ada/mill"]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://github.com/ada", True),
        ("http://www.GitHub.com/Ada-Lovelace/", True),
        ("https://github.com/ada?tab=repositories", True),
        ("https://github.com/orgs/engines", True),
        ("https://github.com/orgs/engines/repositories", True),
        ("https://github.com/orgs/engines/people", False),
        ("https://github.com", False),
        ("https://github.com/features", False),
        ("https://github.com/Settings", False),
        ("https://github.com/topics", False),
        ("https://github.com/marketplace", False),
        ("https://github.com/orgs", False),
        ("https://github.com/ada/engine", False),
        ("https://github.com/-ada", False),
        ("https://github.com/a%2Fb", False),
        ("https://github.com/../x", False),
        ("https://github.com/" + "a" * 200, False),
        ("https://gist.github.com/ada", False),
        ("https://github.com.example/ada", False),
        ("https://[broken/ada", False),
        ("ftp://github.com/ada", False),
        ("ada", False),
        ("", False),
    ],
)
def test_a_user_is_known_by_the_form_of_the_link(client: PoliteClient, link: str, expected: bool) -> None:
    users = GitHubUsers(client)
    assert users.handles(link) is expected
    if not expected:
        with pytest.raises(CrawlError, match="no user's page"):
            users.repositories(link)
