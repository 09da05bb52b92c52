"""Which links may be asked for. Names are looked up in a table here, addresses are those of the IANA registries."""

import socket
from typing import Any

import pytest

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, SettingsError
from llm_engineering.infrastructure.web.http.guard import AddressGuard, UnknownHostError

NAMES = {
    "public.example": ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"],
    "inside.example": ["10.0.0.5"],
    "half.example": ["93.184.216.34", "127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "xn--strae-oqa.example": ["93.184.216.34"],
}


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, *args: Any, **options: Any) -> list[Any]:
        if host not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in NAMES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "url",
    [
        "https://public.example/a?b=c",
        "HTTP://PUBLIC.EXAMPLE:8080",
        "https://public.example./",
        "https://straße.example/",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::808:808]/",
    ],
)
def test_a_public_address_may_be_asked(url: str) -> None:
    AddressGuard().check(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.255.255.254", "10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.127.255.255", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "192.88.99.1",
        "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[fe80::1]", "[fc00::1]",
        "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[2001::1]", "[5f00::1]",
        "[2002:7f00:1::1]", "[2002:a00:5::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
        "[100::1]",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_with_the_setting_that_would_allow_it(host: str) -> None:
    with pytest.raises(ForbiddenLinkError, match=r"not a public address.*add .* to CRAWL_ALLOWED_HOSTS"):
        AddressGuard().check(f"http://{host}/")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "0177.1", "127.1", "127.0.1", "0x7f.0.0.0x1", "1.1.1.1.1", "0"]
)
def test_an_address_in_disguise_is_refused_even_if_the_address_is_allowed(host: str) -> None:
    with pytest.raises(ForbiddenLinkError, match="disguised IP address"):
        AddressGuard(["127.0.0.0/8", "0.0.0.0/0"]).check(f"http://{host}/")


@pytest.mark.parametrize("name", ["inside.example", "half.example", "metadata.example"])
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(name: str) -> None:
    with pytest.raises(ForbiddenLinkError, match=rf"{name} is at (10|127|169)\..*CRAWL_ALLOWED_HOSTS"):
        AddressGuard().check(f"https://{name}/")


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("127.0.0.0/8", "http://127.3.2.1/"),
        ("10.0.0.0/8", "http://inside.example/"),
        ("Inside.Example", "http://inside.example/"),
        (" 10.0.0.5 ", "http://inside.example/"),
        ("::1", "http://[::1]/"),
        ("[::1]", "http://[::1]/"),
        ("fd00::/8", "http://[fd12::1]/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
    ],
)
def test_what_the_setting_names_may_be_asked(allowed: str, url: str) -> None:
    AddressGuard([allowed]).check(url)


def test_what_is_allowed_allows_nothing_else() -> None:
    guard = AddressGuard(["inside.example", "127.0.0.1"])
    for url in ("http://10.0.0.5/", "http://127.0.0.2/", "http://not.inside.example/"):
        with pytest.raises(CrawlError):
            guard.check(url)


@pytest.mark.parametrize(
    "entry", ["", "http://localhost", "10.0.0.5/8", "10.0.0.0/99", "*.example.com", "a b", "2130706433", "host:80", "é"]
)
def test_an_entry_that_is_neither_host_nor_network_is_told_with_an_example(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"^CRAWL_ALLOWED_HOSTS: .*Write for example: localhost,10\.0\.0\.5"):
        AddressGuard([entry])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://public.example/", "gopher://127.0.0.1:70/", "docs", ""])
def test_other_schemes_than_http_and_https_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenLinkError, match="only http and https"):
        AddressGuard(["127.0.0.1"]).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///path",
        "http://public.example\\@127.0.0.1/",
        "http://127.0.0.1\\@public.example/",
        "http://public%2eexample/",
        "http://127.0.0%2e1/",
        "http://0177.0.0.1/",
        "http://pub lic.example/",
        "http://public.example\n/",
        "http://public.example:99999/",
        "http://[::1/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 130}example/",
        "http://..example/",
    ],
)
def test_a_link_of_which_clients_could_read_different_hosts_is_not_valid(url: str) -> None:
    with pytest.raises(CrawlError, match="not a valid link"):
        AddressGuard(["127.0.0.1"]).check(url)


def test_other_digits_and_dots_do_not_hide_an_address() -> None:
    for url in ("http://１２７.0.0.1/", "http://127。0。0。1/"):
        with pytest.raises(CrawlError):
            AddressGuard().check(url)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UnknownHostError, match=r"^the address of nowhere\.example cannot be found"):
        AddressGuard().check("https://nowhere.example/")


def test_who_connects_gets_the_addresses_that_were_checked() -> None:
    assert AddressGuard().addresses("public.example") == ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
    assert AddressGuard(["10.0.0.5"]).addresses("INSIDE.example.") == ("10.0.0.5",)


def test_a_password_in_a_link_is_not_told() -> None:
    for url in ("http://ada:s3cret@10.0.0.5/", "http://ada:s3cret@pub%2eexample/", "http://ada:s3cret@[::1/"):
        with pytest.raises(CrawlError) as caught:
            AddressGuard().check(url)
        assert "s3cret" not in str(caught.value)
