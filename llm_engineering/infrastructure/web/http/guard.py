"""Which addresses may be asked: public ones, and those that an allow-list names."""

import ipaddress
import re
import socket
from collections.abc import Sequence

import httpx

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, SettingsError
from llm_engineering.domain.links import HOST_NAME, NUMERIC_HOST, is_host_name, without_credentials

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Clients disagree on which host stands in `http://one\@two/`.
_BACKSLASH_IN_HOST = re.compile(r"[^/?#]*//[^/?#]*\\")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What Python's table of special addresses does not call private in every version.
_SPECIAL = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))


class UnknownHostError(CrawlError):
    """The name of a host has no address, or no name server answers."""


class AddressGuard:
    """Keeps crawlers away from addresses that are not public.

    Whoever connects must connect to what `addresses` returns, for a name may lead elsewhere when it is asked again.
    """

    def __init__(self, allowed_hosts: Sequence[str] = ()) -> None:
        """`allowed_hosts` need not be public: host names, IP addresses and networks (CIDR).

        Raises:
            SettingsError: one of them is none of these.
        """
        self._names: set[str] = set()
        self._networks: list[_Network] = []
        for entry in allowed_hosts:
            self._allow(entry.strip())

    def check(self, url: str) -> None:
        """Refuse a link that may not be asked for. Looks the host up.

        Raises:
            ForbiddenLinkError: not http or https, or the host is, or may be, at an address that is not public.
            CrawlError: the link is not valid, or its host is unknown.
        """
        self.addresses(host_of_link(url))

    def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of the host, each of which may be asked. Looks the name up at every call.

        Raises:
            ForbiddenLinkError: one of them is not public, and CRAWL_ALLOWED_HOSTS names neither it nor the host.
            UnknownHostError: there are none, or no name server answers.
            CrawlError: the host is not a valid one.
        """
        name = _checked_name(host)
        found = _resolve(name)
        for address in found:
            if name not in self._names and not self._may_be_asked(address):
                raise ForbiddenLinkError(_refusal(name, address))
        return tuple(map(str, found))

    def _may_be_asked(self, address: _Address) -> bool:
        forms = (address, _embedded(address) or address)
        return _is_public(address) or any(form in network for network in self._networks for form in forms)

    def _allow(self, entry: str) -> None:
        try:
            self._networks.append(ipaddress.ip_network(entry.strip("[]")))
        except ValueError as error:
            name = entry.lower().rstrip(".")
            if not is_host_name(name):
                raise SettingsError(
                    f"CRAWL_ALLOWED_HOSTS: {without_credentials(entry)!r} is no host name, IP address or network. "
                    "Write for example: localhost,10.0.0.5,10.1.0.0/16"
                ) from error
            self._names.add(name)


def host_of_link(url: str) -> str:
    """The host of an http or https link, as the HTTP client reads it.

    Raises:
        ForbiddenLinkError: another scheme.
        CrawlError: not a valid link.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise _invalid(url) from error
    if parsed.scheme not in ("http", "https"):
        raise ForbiddenLinkError(f"only http and https links may be asked for, not {parsed.scheme or 'relative'} ones")
    if _BACKSLASH_IN_HOST.match(url) or (parsed.port or 1) > 65_535:
        raise _invalid(url)
    return parsed.raw_host.decode("ascii")


def _checked_name(host: str) -> str:
    """The host in lower case. Raises CrawlError and ForbiddenLinkError for what only looks like one."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if NUMERIC_HOST.fullmatch(name):
            raise ForbiddenLinkError(
                f"{name!r} is a disguised IP address. If you mean it, write it with four decimal numbers; if it is not "
                "public, add it to CRAWL_ALLOWED_HOSTS as well."
            ) from None
    if not HOST_NAME.fullmatch(name):
        raise _invalid(host)
    return name


def _resolve(name: str) -> list[_Address]:
    try:
        return [ipaddress.ip_address(name)]
    except ValueError:
        pass
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnknownHostError(f"the address of {name} cannot be found ({error})") from error
    # An address may come once for each protocol; the order is the system's preference.
    return [ipaddress.ip_address(address) for address in dict.fromkeys(str(answer[4][0]) for answer in answers)]


def _is_public(address: _Address) -> bool:
    address = _embedded(address) or address
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special and not any(address in network for network in _SPECIAL)


def _embedded(address: _Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _refusal(name: str, address: _Address) -> str:
    where = f"{name} is not a public address" if name == str(address) else f"{name} is at {address}, not a public one"
    return f"{where}. If you mean to crawl it, add {name} to CRAWL_ALLOWED_HOSTS."


def _invalid(link: str) -> CrawlError:
    return CrawlError(f"{without_credentials(link)!r} is not a valid link")
