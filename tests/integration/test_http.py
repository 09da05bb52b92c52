"""The HTTP client against a real site that misbehaves on purpose."""

import gzip
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pybreaker
import pytest

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, NotAnArticleError, SourceMissingError
from llm_engineering.infrastructure.web.http.client import HttpPolicy, HttpStatusError, PoliteClient
from llm_engineering.infrastructure.web.http.guard import AddressGuard
from tests.integration.site import Reply, Site, closed_port, open_site

KIB = 1024
PAGE = Reply(b"<html>page</html>")
ALLOWED = ("127.0.0.0/8", "localhost")
RENAMED = ("one.test", "two.test", "three.test")
LOOK_UP = socket.getaddrinfo


class Pauses:
    """A clock that jumps over pauses, and remembers them."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)

    def clock(self) -> float:
        return time.monotonic() + sum(self.taken)


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def client_of(pauses: Pauses) -> Iterator[Callable[..., PoliteClient]]:
    """Clients of a policy; they may ask loopback addresses, and do not really pause."""
    clients: list[PoliteClient] = []

    def build(*allowed: str, **policy: Any) -> PoliteClient:
        settings = {"timeout_seconds": 10, "backoff_seconds": 1, "respect_robots": False, **policy}
        guard = AddressGuard(allowed or ALLOWED)
        clients.append(PoliteClient(HttpPolicy(**settings), guard, sleep=pauses.sleep, clock=pauses.clock))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


@pytest.fixture
def client(client_of: Callable[..., PoliteClient]) -> PoliteClient:
    return client_of()


@pytest.fixture
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three more names for this machine."""

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        return LOOK_UP("127.0.0.1" if host in RENAMED else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def refusal(client: PoliteClient, url: str, kind: type[CrawlError] = CrawlError, **options: Any) -> str:
    with pytest.raises(CrawlError) as caught:
        client.get(url, **options)
    assert type(caught.value) is kind or kind is CrawlError
    return str(caught.value)


def robots(*lines: str) -> Reply:
    return Reply("\n".join(lines).encode(), content_type="text/plain")


# What is asked


def test_an_answer_has_its_url_headers_in_lower_case_and_what_came_over_the_wire(
    site: Site, client: PoliteClient
) -> None:
    packed = gzip.compress(b"word " * 1000)
    headers = {"Content-Encoding": "gzip", "X-Odd": "1"}
    answer = client.get(site.serve("/page", Reply(packed, headers=headers)) + "#part")
    assert (answer.url, answer.status, answer.body) == (f"{site.url}/page", 200, b"word " * 1000)
    assert (answer.bytes_read, answer.headers["x-odd"]) == (len(packed), "1")


def test_the_server_is_told_who_reads_and_what_can_be_unpacked(site: Site, client: PoliteClient) -> None:
    client.get(site.serve("/page", PAGE), headers={"Accept": "text/html"})
    [headers] = site.headers["/page"]
    assert headers["user-agent"].startswith("MoodSwarm/")
    assert (headers["accept"], headers["accept-encoding"]) == ("text/html", "gzip, deflate")


def test_a_proxy_of_the_environment_is_not_used(
    site: Site, client: PoliteClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert client.get(site.serve("/page", PAGE)).body == PAGE.body


@pytest.mark.parametrize("status", [200, 203, 304])
def test_a_page_and_an_unchanged_page_are_returned(site: Site, client: PoliteClient, status: int) -> None:
    assert client.get(site.serve("/page", Reply(b"", status))).status == status


@pytest.mark.parametrize(("status", "permanent"), [(404, False), (410, True)])
def test_a_missing_source_is_told_and_whether_for_good(
    site: Site, client: PoliteClient, status: int, permanent: bool
) -> None:
    with pytest.raises(SourceMissingError, match=rf"^the server answered {status}$") as caught:
        client.get(site.serve("/page", Reply(b"gone", status)))
    assert caught.value.permanent is permanent
    assert site.requests["/page"] == 1


@pytest.mark.parametrize("status", [202, 204, 206, 300, 400, 401, 403, 418, 451, 999])
def test_a_status_that_will_not_pass_is_told_at_once(site: Site, client: PoliteClient, status: int) -> None:
    with pytest.raises(HttpStatusError, match=rf"^the server answered {status}$") as caught:
        client.get(site.serve("/page", Reply(b"", status, headers={"X-Left": "0"})))
    assert (caught.value.status, caught.value.headers["x-left"]) == (status, "0")
    assert site.requests["/page"] == 1


# Trying again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 520])
def test_a_status_that_may_pass_is_met_with_three_tries_and_growing_pauses(
    site: Site, client: PoliteClient, pauses: Pauses, status: int
) -> None:
    assert refusal(client, site.serve("/page", Reply(b"", status)), HttpStatusError) == f"the server answered {status}"
    assert site.requests["/page"] == 3
    first, second = pauses.taken
    assert 1 <= first <= 2 <= second <= 3  # 1 s and 2 s, each with up to 1 s of jitter


def test_a_server_that_recovers_at_the_third_try_is_read(site: Site, client: PoliteClient) -> None:
    assert client.get(site.serve("/page", Reply(status=500), Reply(status=429), PAGE)).body == PAGE.body
    assert site.requests["/page"] == 3


def test_retry_after_in_seconds_is_waited_for_by_everybody_who_asks_that_host(
    site: Site, client: PoliteClient, pauses: Pauses
) -> None:
    busy = site.serve("/busy", Reply(status=429, headers={"Retry-After": "40"}), PAGE)
    assert client.get(busy).body == PAGE.body
    [pause] = pauses.taken
    assert 40 <= pause <= 41
    site.serve("/busy", Reply(status=503, headers={"Retry-After": "30"}))
    impatient = client.policy.max_attempts
    assert "asks to come back in 30 s" in refusal(client, busy)
    taken = len(pauses.taken)
    client.get(site.serve("/other", PAGE))
    assert [29 < pause <= 30 for pause in pauses.taken[taken:]] == [True]
    assert site.requests["/busy"] == 2 + impatient


def test_retry_after_as_a_date_is_waited_for(site: Site, client: PoliteClient, pauses: Pauses) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    client.get(site.serve("/page", Reply(status=503, headers={"Retry-After": date}), PAGE))
    [pause] = pauses.taken
    assert 30 < pause <= 61


@pytest.mark.parametrize("asked", ["3600", "9" * 400, "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_wait_that_is_longer_than_the_budget_is_not_begun(
    site: Site, client: PoliteClient, pauses: Pauses, asked: str
) -> None:
    url = site.serve("/page", Reply(status=429, headers={"Retry-After": asked}))
    assert refusal(client, url).startswith("the server answered 429 and asks to come back in")
    assert "asks to be left alone" in refusal(client, site.serve("/other", PAGE))
    assert (site.requests["/page"], site.requests["/other"], pauses.taken) == (1, 0, [])


@pytest.mark.parametrize("asked", ["", "soon", "-5", "1e9", "٣", "Fri, 99 Foo 2100 23:59:59 GMT"])
def test_a_wish_that_nobody_understands_is_passed_over(
    site: Site, client: PoliteClient, pauses: Pauses, asked: str
) -> None:
    headers = {"Retry-After": asked.encode().decode("latin-1")}
    client.get(site.serve("/page", Reply(status=429, headers=headers), PAGE))
    [pause] = pauses.taken
    assert pause <= 2


def test_tries_end_with_the_budget(site: Site, client_of: Callable[..., PoliteClient], pauses: Pauses) -> None:
    client = client_of(max_attempts=20, backoff_seconds=4, budget_seconds=30, breaker_failures=99)
    refusal(client, site.serve("/page", Reply(status=500)), HttpStatusError)
    assert sum(pauses.taken) < 30
    assert site.requests["/page"] == 1 + len(pauses.taken) <= 4  # 4 + 8 + 16 s is the least that three pauses take


def test_an_answer_that_breaks_off_is_asked_for_again(site: Site, client: PoliteClient) -> None:
    broken = Reply(b"<html>", headers={"Content-Length": "1000"})
    assert client.get(site.serve("/page", broken, PAGE)).body == PAGE.body
    assert "the connection failed" in refusal(client, site.serve("/broken", broken))
    assert site.requests["/broken"] == 3


def test_half_of_a_packed_answer_is_not_taken_for_the_whole(site: Site, client: PoliteClient) -> None:
    packed = gzip.compress(b"word " * 1000)
    headers = {"Content-Encoding": "gzip"}
    url = site.serve("/page", Reply(packed[:-20], headers=headers), Reply(packed, headers=headers))
    assert client.get(url).body == b"word " * 1000


def test_a_server_that_does_not_answer_is_asked_again_and_then_given_up(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of(timeout_seconds=0.5)
    assert client.get(site.serve("/slow", Reply(hangs=True), PAGE)).body == PAGE.body
    assert refusal(client, site.serve("/never", Reply(hangs=True))).startswith("no answer in time")


def test_a_closed_port_and_an_unknown_host_are_told(client: PoliteClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(client, f"http://127.0.0.1:{closed_port()}/").startswith("the connection failed (ConnectError")

    def unknown(*args: Any, **options: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "nowhere.example cannot be found" in refusal(client, "http://nowhere.example/")


def test_an_interrupt_is_not_an_answer(site: Site, client: PoliteClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    url = site.serve("/page", PAGE)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.get(url.replace("127.0.0.1", "localhost"))
    assert client.get(url).body == PAGE.body


def test_closing_the_client_ends_its_pauses(site: Site) -> None:
    client = PoliteClient(
        HttpPolicy(backoff_seconds=1000, budget_seconds=9000, respect_robots=False), AddressGuard(ALLOWED)
    )
    url = site.serve("/page", Reply(status=500))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refusal, client, url)
        while not site.requests["/page"] and not waiting.done():
            time.sleep(0.01)
        client.close()
        assert waiting.result(timeout=30) in ("the crawl was ended", "the server answered 500")


# Redirects


def test_five_redirects_are_followed_and_a_loop_is_not(site: Site, client: PoliteClient) -> None:
    for step in range(5):
        site.serve(f"/step{step}", Reply(status=302, headers={"Location": f"/step{step + 1}"}))
    last = site.serve("/step5", PAGE)
    assert client.get(f"{site.url}/step0").url == last
    loop = site.serve("/loop", Reply(status=302, headers={"Location": "/loop"}))
    assert refusal(client, loop) == "more than 5 redirects"
    assert site.requests["/loop"] == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is not a public address"),
        ("//169.254.169.254/", "169.254.169.254 is not a public address"),
        ("http://10.0.0.1:PORT/secret", "10.0.0.1 is not a public address"),
        ("http://127.0.0.1:PORT/secret", "127.0.0.1 is not a public address"),
        ("http://[::ffff:127.0.0.1]:PORT/secret", "is not a public address"),
        ("http://2130706433:PORT/secret", "disguised IP address"),
        ("file:///etc/passwd", "only http and https"),
        ("gopher://localhost/", "only http and https"),
        ("javascript:alert(1)", "only http and https"),
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_refused_before_anything_is_sent(
    site: Site, client_of: Callable[..., PoliteClient], location: str, reason: str
) -> None:
    client = client_of("localhost")
    site.serve("/secret", PAGE)
    headers = {"Location": location.replace("PORT", str(site.port))}
    site.serve("/page", Reply(status=302, headers=headers))
    assert reason in refusal(client, site.at("localhost", "/page"), ForbiddenLinkError)
    assert (site.requests["/page"], site.requests["/secret"]) == (1, 0)


@pytest.mark.parametrize("location", ["", "http://[::1", "http://exa mple.com/"])
def test_a_redirect_to_nowhere_is_told(site: Site, client: PoliteClient, location: str) -> None:
    refusal(client, site.serve("/page", Reply(status=302, headers={"Location": location})))
    assert site.requests["/page"] == 1


def test_what_was_told_to_one_server_is_not_told_to_the_next(site: Site, client: PoliteClient) -> None:
    with open_site() as other:
        target = other.serve("/target", PAGE)
        site.serve("/next", Reply(status=307, headers={"Location": target}))
        url = site.serve("/page", Reply(status=301, headers={"Location": "/next"}))
        told = {"Accept": "text/html", "Authorization": "Bearer s3cret", "If-None-Match": '"v1"'}
        answer = client.get(url, headers=told)
        client.get(url.replace("://", "://ada:s3cret@"))
    assert answer.url == target
    assert [headers["authorization"][:6] for headers in site.headers["/next"]] == ["Bearer", "Basic "]
    for headers in other.headers["/target"]:
        assert {"authorization", "if-none-match"} & headers.keys() == set()
        assert headers["user-agent"].startswith("MoodSwarm/")
    assert [headers["accept"] for headers in other.headers["/target"]] == ["text/html", "*/*"]


def test_a_site_that_wants_its_cookie_back_gets_it_on_the_way_and_never_again(site: Site, client: PoliteClient) -> None:
    headers = {"Location": "/page?seen", "Set-Cookie": "seen=1; Path=/"}
    url = site.serve("/page", Reply(status=302, headers=headers))
    site.serve("/page?seen", PAGE)
    client.get(url)
    client.get(url)
    assert [headers.get("cookie") for headers in site.headers["/page?seen"]] == ["seen=1", "seen=1"]
    assert [headers.get("cookie") for headers in site.headers["/page"]] == [None, None]


def test_a_password_in_a_link_stands_in_no_message_and_no_answer(site: Site, client: PoliteClient) -> None:
    link = f"http://ada:s3cret@127.0.0.1:{site.port}"
    site.serve("/page", PAGE)
    assert client.get(f"{link}/page").url == f"{site.url}/page"
    site.serve("/moved", Reply(status=302, headers={"Location": f"{link}/page"}))
    assert client.get(f"{site.url}/moved").url == f"{site.url}/page"
    site.serve("/file", Reply(status=302, headers={"Location": "file://ada:s3cret@host/x"}))
    site.serve("/bad", Reply(status=302, headers={"Location": "http://ada:s3cret@[::1/"}))
    site.serve("/inside", Reply(status=302, headers={"Location": "http://ada:s3cret@10.0.0.1/"}))
    urls = [f"{link}{path}" for path in ("/none", "/file", "/bad", "/inside")]
    urls += [f"http://ada:s3cret@127.0.0.1:{closed_port()}/", "http://ada:s3cret@pub%2eexample/"]
    assert [reason for reason in (refusal(client, url) for url in urls) if "s3cret" in reason] == []


# Addresses


def test_a_name_that_leads_elsewhere_when_asked_again_does_not_get_past_the_guard(
    site: Site, client_of: Callable[..., PoliteClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["127.0.0.2"])  # which is allowed; nobody listens there

    def rebinding(host: str, *args: Any, **options: Any) -> Any:
        return LOOK_UP(next(answers, "127.0.0.1") if host == "turncoat.example" else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    site.serve("/page", PAGE)
    url = site.at("turncoat.example", "/page")
    assert "turncoat.example is at 127.0.0.1" in refusal(client_of("127.0.0.2"), url, ForbiddenLinkError)
    assert site.requests == {}


def test_the_connection_goes_to_the_address_that_was_checked(
    site: Site, client_of: Callable[..., PoliteClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def once(host: str, *args: Any, **options: Any) -> Any:
        looked_up.append(host)
        return LOOK_UP("127.0.0.1" if host == "one.test" else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    site.serve("/page", PAGE)
    assert client_of("127.0.0.1").get(site.at("one.test", "/page")).body == PAGE.body
    assert looked_up.count("one.test") == 1


def test_a_certificate_is_checked_against_the_name_and_not_against_the_address(
    client_of: Callable[..., PoliteClient], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_site(certificate) as site:
        site.serve("/page", PAGE)
        url = f"https://localhost:{site.port}/page"
        assert "certificate is not valid (self-signed" in refusal(client_of(), url)
        monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: ssl.create_default_context(cafile=certificate))
        assert client_of().get(url).body == PAGE.body
        assert "certificate is not valid (IP address mismatch" in refusal(
            client_of(), url.replace("localhost", "127.0.0.1")
        )
        assert site.requests["/page"] == 1


# Sizes


def test_a_body_of_the_limit_is_taken_and_a_larger_one_refused(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of(max_bytes=512 * KIB)
    assert len(client.get(site.serve("/most", Reply(b"x" * 512 * KIB))).body) == 512 * KIB
    reason = "larger than 0.5 MiB, the limit (CRAWL_MAX_PAGE_MIB)"
    assert refusal(client, site.serve("/more", Reply(b"x" * (512 * KIB + 1)))) == reason
    assert refusal(client, site.serve("/tail", Reply(b"x" * KIB, endless=True))) == reason
    assert len(client.get(f"{site.url}/more", max_bytes=513 * KIB).body) == 512 * KIB + 1
    assert site.requests["/tail"] == 1


@pytest.mark.parametrize("drips", [False, True], ids=["at once", "byte by byte"])
def test_gzip_of_several_members_is_unpacked_to_the_end(site: Site, client: PoliteClient, drips: bool) -> None:
    packed = gzip.compress(b"one, ") + gzip.compress(b"two, ") + gzip.compress(b"three") + b"\0\0 padding"
    url = site.serve("/page", Reply(packed, headers={"Content-Encoding": "gzip"}, drips=drips))
    assert client.get(url).body == b"one, two, three"


@pytest.mark.parametrize(
    ("packed", "told"),
    [
        (gzip.compress(b"one") + gzip.compress(b"two")[:-4], "is not whole"),
        (gzip.compress(b"one") + gzip.compress(bytes(3 * KIB)), "larger than"),
        (gzip.compress(b"") * 1001, "more than 1,000 pieces"),
    ],
    ids=["broken off", "a bomb", "many"],
)
def test_later_members_of_gzip_are_bounded_too(site: Site, client: PoliteClient, packed: bytes, told: str) -> None:
    url = site.serve("/page", Reply(packed, headers={"Content-Encoding": "gzip"}))
    limit = 2 * KIB if told == "larger than" else 64 * KIB
    assert told in refusal(client, url, max_bytes=limit)


@pytest.mark.parametrize(("encoding", "bits"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_packed_body_is_unpacked(site: Site, client: PoliteClient, encoding: str, bits: int) -> None:
    packer = zlib.compressobj(wbits=bits)
    packed = packer.compress(b"naive words " * 5000) + packer.flush()
    headers = {"Content-Encoding": encoding}
    assert client.get(site.serve("/page", Reply(packed, headers=headers))).body == b"naive words " * 5000
    assert client.get(site.serve("/drip", Reply(packed, headers=headers, drips=True))).body == b"naive words " * 5000


def test_a_bomb_is_not_unpacked_beyond_the_limit(site: Site, client_of: Callable[..., PoliteClient]) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(KIB * KIB)) for _ in range(300)) + packer.flush()
    url = site.serve("/bomb", Reply(bomb, headers={"Content-Encoding": "gzip"}))
    client = client_of(max_bytes=KIB * KIB)
    tracemalloc.start()
    try:
        assert refusal(client, url).startswith("larger than 1 MiB")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bomb) < KIB * KIB  # it would pass, packed
    assert peak < 16 * KIB * KIB


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("br", "packed as 'br', which was not asked for"),
        ("gzip, gzip", "packed as 'gzip, gzip'"),
        ("gzip", "calls itself gzip and is not"),
        ("deflate", "calls itself deflate and is not"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_told(site: Site, client: PoliteClient, encoding: str, reason: str) -> None:
    reply = Reply(b"\xff\xffno packed body", headers={"Content-Encoding": encoding})
    assert reason in refusal(client, site.serve("/page", reply))
    assert site.requests["/page"] == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"x" * 100_000, drips=True, pause=0.02),
        Reply(b"x", endless=True, pause=0.02),
        Reply(b"", headers={"X-Long": "x" * 100_000}, drips=True, pause=0.02),
    ],
    ids=["body", "endless", "head"],
)
def test_an_answer_that_drips_ends_with_the_budget(
    site: Site, client_of: Callable[..., PoliteClient], reply: Reply
) -> None:
    client = client_of(budget_seconds=0.5)
    assert refusal(client, site.serve("/page", reply)) == "not finished within 0.5 s"
    assert site.requests["/page"] == 1


# Walls


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"", 403, headers={"cf-mitigated": "challenge"}),
        Reply(b"", 503, headers={"CF-Mitigated": "Challenge"}),
        Reply(b"<title>Just a moment...</title>", 403, headers={"Server": "cloudflare"}),
        Reply(b"<script src='/cdn-cgi/challenge-platform/x'>" * 9999, 503, headers={"Server": "cloudflare"}),
    ],
)
def test_a_bot_wall_is_known_and_not_tried_again(site: Site, client: PoliteClient, reply: Reply) -> None:
    reason = refusal(client, site.serve("/page", reply), NotAnArticleError)
    assert reason == "a bot wall (Cloudflare) answered instead of the page"
    assert site.requests["/page"] == 1


def test_a_site_behind_cloudflare_that_is_down_is_no_wall(site: Site, client: PoliteClient) -> None:
    url = site.serve("/page", Reply(b"<title>Down</title>", 503, headers={"Server": "cloudflare"}), PAGE)
    assert client.get(url).body == PAGE.body


# robots.txt


def test_what_robots_txt_disallows_is_not_asked_for(site: Site, client_of: Callable[..., PoliteClient]) -> None:
    client = client_of(respect_robots=True)
    lines = ("User-agent: *", "Disallow: /", "User-agent: MoodSwarm", "Disallow: /private", "Allow: /private/open")
    site.serve("/robots.txt", robots(*lines))
    for path in ("/page", "/private", "/private/open"):
        site.serve(path, PAGE)
    reason = refusal(client, f"{site.url}/private", ForbiddenLinkError)
    assert reason.startswith("robots.txt of 127.0.0.1 disallows it.")
    assert "CRAWL_RESPECT_ROBOTS" in reason
    assert client.get(f"{site.url}/page").body == client.get(f"{site.url}/private/open").body == PAGE.body
    assert client.get(f"{site.url}/private", robots=False).body == PAGE.body
    assert (site.requests["/robots.txt"], site.requests["/private"]) == (1, 1)


def test_a_browser_may_ask_beforehand_if_a_page_may_be_opened(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of("127.0.0.1", respect_robots=True)
    site.serve("/robots.txt", robots("User-agent: *", "Disallow: /private"))
    client.check_robots(f"{site.url}/page")
    for url in (f"{site.url}/private", site.url.replace("127.0.0.1", "127.0.0.2"), "file:///etc/passwd"):
        with pytest.raises(ForbiddenLinkError):
            client.check_robots(url)
    client_of("127.0.0.1", respect_robots=False).check_robots(f"{site.url}/private")
    assert site.requests == {"/robots.txt": 1}


def test_robots_txt_is_not_read_when_it_is_not_to_be_respected(site: Site, client: PoliteClient) -> None:
    client.get(site.serve("/page", PAGE))
    assert site.requests["/robots.txt"] == 0


def test_a_page_that_is_redirected_to_is_looked_up_too(site: Site, client_of: Callable[..., PoliteClient]) -> None:
    site.serve("/robots.txt", robots("User-agent: *", "Disallow: /hidden"))
    site.serve("/hidden", PAGE)
    url = site.serve("/page", Reply(status=302, headers={"Location": "/hidden"}))
    assert "disallows" in refusal(client_of(respect_robots=True), url, ForbiddenLinkError)
    assert site.requests["/hidden"] == 0


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(status=410),
        Reply(status=401),
        Reply(status=403),
        Reply(b"", 403, headers={"cf-mitigated": "challenge"}),
        Reply(b"<!doctype html><html><body>Disallow: / is what we do not say</body></html>"),
        Reply(b"\x00\xff\xfe not a text"),
        Reply(b""),
        Reply(b"\xef\xbb\xbfUser-agent: *\r\nDisallow:\r\n"),
        Reply(b"User-agent: SomeoneElse\nDisallow: /\n"),
    ],
)
def test_a_site_without_rules_for_us_may_be_read(
    site: Site, client_of: Callable[..., PoliteClient], reply: Reply
) -> None:
    site.serve("/robots.txt", reply)
    assert client_of(respect_robots=True).get(site.serve("/page", PAGE)).body == PAGE.body


def test_while_robots_txt_cannot_be_read_nothing_is(
    site: Site, client_of: Callable[..., PoliteClient], pauses: Pauses
) -> None:
    client = client_of(respect_robots=True, breaker_reset_seconds=30)
    site.serve("/robots.txt", *[Reply(status=503)] * 3, robots("User-agent: *", "Allow: /"))
    url = site.serve("/page", PAGE)
    reason = f"nothing may be fetched there, for robots.txt of 127.0.0.1:{site.port} could not be read: "
    for _ in range(3):
        assert refusal(client, url) == f"{reason}the server answered 503"
    assert (site.requests["/robots.txt"], site.requests["/page"]) == (3, 0)
    pauses.sleep(30)
    assert client.get(url).body == PAGE.body


def test_robots_txt_may_be_behind_redirects_and_is_read_up_to_500_kib(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    rules = b"User-agent: *\nDisallow: /early\n" + b"#" * 500 * KIB + b"\nDisallow: /late\n"
    site.serve("/robots.txt", Reply(status=301, headers={"Location": "/rules"}))
    site.serve("/rules", Reply(rules, endless=True))
    client = client_of(respect_robots=True)
    assert client.get(site.serve("/late", PAGE)).body == PAGE.body
    refusal(client, f"{site.url}/early", ForbiddenLinkError)


def test_a_robots_txt_with_thousands_of_robots_and_rules_is_read_all_the_same(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    names = "".join(f"User-agent: robot{number}\n" for number in range(10_000))
    rules = "".join(f"Disallow: /{number}\n" for number in range(10_000))
    ours = "User-agent: moodswarm # us\nDisallow: /hidden\n"
    site.serve("/robots.txt", Reply(f"{names}{rules}{ours}".encode()))
    client = client_of(respect_robots=True)
    assert client.get(site.serve("/77", PAGE)).body == PAGE.body
    refusal(client, f"{site.url}/hidden", ForbiddenLinkError)


def test_many_first_requests_of_a_host_read_robots_txt_once(site: Site, client_of: Callable[..., PoliteClient]) -> None:
    client = client_of(respect_robots=True)
    site.serve("/robots.txt", Reply(b"User-agent: *\nDisallow: /x", pause=0.1))
    url = site.serve("/page", PAGE)
    with ThreadPoolExecutor(8) as pool:
        assert {answer.body for answer in pool.map(client.get, [url] * 8)} == {PAGE.body}
    assert (site.order[0], site.requests["/robots.txt"]) == ("/robots.txt", 1)


@pytest.mark.parametrize(("wish", "pause"), [("7", 7), ("86400", 10), ("inf", 0), ("nan", 0), ("-3", 0), ("x", 0)])
def test_a_wish_for_pauses_between_requests_is_followed_within_reason(
    site: Site, client_of: Callable[..., PoliteClient], pauses: Pauses, wish: str, pause: float
) -> None:
    client = client_of(respect_robots=True)
    site.serve("/robots.txt", robots("User-agent: *", f"Crawl-delay: {wish}"))
    url = site.serve("/page", PAGE)
    for _ in range(3):
        client.get(url)
    assert len(pauses.taken) == (2 if pause else 0)
    assert all(pause - 1 < taken <= pause for taken in pauses.taken)


# Many at once


@pytest.mark.usefixtures("_names")
def test_two_requests_a_host_go_on_at_once_and_several_hosts_side_by_side(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of(requests_per_host=2)
    # Each request waits until six are there, so that fewer than two a host at a time would never end.
    site.serve("/page", Reply(b"page", meets=threading.Barrier(6, timeout=20)))
    urls = [site.at(name, "/page") for name in RENAMED for _ in range(4)]
    with ThreadPoolExecutor(12) as pool:
        assert [answer.body for answer in pool.map(client.get, urls)] == [b"page"] * 12
    assert site.most_at_once == dict.fromkeys(RENAMED, 2)


def test_waiting_for_a_turn_does_not_count_for_the_budget(site: Site, client_of: Callable[..., PoliteClient]) -> None:
    client = client_of(requests_per_host=1, budget_seconds=2.5)
    url = site.serve("/page", Reply(b"page", pause=0.25))
    with ThreadPoolExecutor(6) as pool:
        assert [answer.body for answer in pool.map(client.get, [url] * 6)] == [b"page"] * 6
    assert site.most_at_once["127.0.0.1"] == 1


# The circuit breaker


class _Later(datetime):
    """The breaker's clock."""

    ahead = timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + cls.ahead


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> type[_Later]:
    class Later(_Later):
        """One for this test."""

    monkeypatch.setattr(pybreaker, "datetime", Later)
    monkeypatch.setattr("llm_engineering.infrastructure.web.http.hosts.datetime", Later)
    return Later


@pytest.mark.usefixtures("_names")
def test_a_host_that_fails_again_and_again_is_given_up_and_the_others_are_not(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of(breaker_failures=4, breaker_reset_seconds=60)
    site.serve("/down", Reply(status=500))
    site.serve("/up", PAGE)
    down = site.at("one.test", "/down")
    for _ in range(4):
        assert refusal(client, down) == "the server answered 500"
    given_up = "one.test was given up for 60 s after 4 failed links in a row; the last: the server answered 500"
    assert refusal(client, down) == given_up
    assert refusal(client, site.at("one.test", "/up")) == given_up
    assert client.get(site.at("two.test", "/up")).body == PAGE.body
    assert (site.requests["/down"], site.requests["/up"]) == (12, 1)  # 4 links, 3 tries each


def test_time_outs_and_broken_connections_count_too(client_of: Callable[..., PoliteClient]) -> None:
    client = client_of(breaker_failures=3)
    url = f"http://127.0.0.1:{closed_port()}/"
    for _ in range(3):
        assert "ConnectError" in refusal(client, url)
    assert "was given up" in refusal(client, url)


def test_broken_pages_do_not_give_up_a_host_that_answers_others(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of(breaker_failures=2)
    site.serve("/broken", Reply(status=500))
    assert client.get(site.serve("/up", PAGE)).body == PAGE.body
    for _ in range(5):
        assert refusal(client, f"{site.url}/broken") == "the server answered 500"
    assert client.get(f"{site.url}/up").body == PAGE.body


def test_a_host_that_answered_only_long_ago_is_given_up(
    site: Site, client_of: Callable[..., PoliteClient], pauses: Pauses
) -> None:
    client = client_of(breaker_failures=2, breaker_reset_seconds=60)
    client.get(site.serve("/page", PAGE, Reply(status=500)))
    pauses.sleep(61)
    for _ in range(2):
        assert refusal(client, f"{site.url}/page") == "the server answered 500"
    assert "given up" in refusal(client, f"{site.url}/page")


def test_a_host_that_no_longer_answers_is_given_up_however_well_it_did_before(
    site: Site, client_of: Callable[..., PoliteClient]
) -> None:
    client = client_of(breaker_failures=2)
    client.get(site.serve("/page", PAGE, Reply(b"", headers={"Content-Length": "9"})))
    for _ in range(2):
        assert "connection failed" in refusal(client, f"{site.url}/page")
    assert "given up" in refusal(client, f"{site.url}/page")


@pytest.mark.parametrize(
    "reply", [Reply(status=404), Reply(status=429), Reply(b"x", headers={"Content-Encoding": "br"})]
)
def test_an_answer_that_is_not_the_hosts_fault_does_not_count(
    site: Site, client_of: Callable[..., PoliteClient], reply: Reply
) -> None:
    client = client_of(breaker_failures=2)
    url = site.serve("/page", reply)
    for _ in range(4):
        assert "given up" not in refusal(client, url)


def test_a_success_in_between_begins_the_count_anew(site: Site, client_of: Callable[..., PoliteClient]) -> None:
    client = client_of(breaker_failures=3, max_attempts=2)
    flaky = site.serve("/page", *[Reply(status=500), PAGE] * 5)
    assert [client.get(flaky).status for _ in range(5)] == [200] * 5


def test_after_a_while_one_request_finds_out_if_the_host_is_back(
    site: Site, client_of: Callable[..., PoliteClient], later: type[_Later]
) -> None:
    client = client_of(breaker_failures=2, max_attempts=1, requests_per_host=8)
    url = site.serve(
        "/page", *[Reply(status=500)] * 3, Reply(b"page", meets=(barrier := threading.Barrier(2, timeout=20)))
    )
    refusal(client, url)
    refusal(client, url)
    assert "given up" in refusal(client, url)
    later.ahead = timedelta(seconds=61)
    assert refusal(client, url) == "the server answered 500"  # the trial
    assert "given up" in refusal(client, url)
    assert site.requests["/page"] == 3
    later.ahead = timedelta(seconds=122)
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(client.get, url)
        while site.requests["/page"] < 4 and not trial.done():
            time.sleep(0.01)
        assert "given up" in refusal(client, url)  # while the trial goes on
        barrier.wait()
        assert trial.result().body == b"page"
    site.serve("/page", PAGE)
    with ThreadPoolExecutor(4) as pool:
        assert [answer.status for answer in pool.map(client.get, [url] * 4)] == [200] * 4


def test_an_interrupted_trial_leaves_the_way_free_for_the_next(
    site: Site, client_of: Callable[..., PoliteClient], later: type[_Later], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(breaker_failures=1, max_attempts=1)
    url = site.serve("/page", Reply(status=500), PAGE).replace("127.0.0.1", "localhost")
    refusal(client, url)
    later.ahead = timedelta(seconds=61)

    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.get(url)
    assert client.get(url).body == PAGE.body


def test_a_request_that_comes_while_the_client_is_closed_is_refused(site: Site) -> None:
    with closing(PoliteClient(HttpPolicy(respect_robots=False), AddressGuard(ALLOWED))) as client:
        url = site.serve("/page", PAGE)
    assert refusal(client, url) == "the crawl was ended"
