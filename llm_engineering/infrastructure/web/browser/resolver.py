"""At which addresses Chromium finds the hosts that it may open."""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from llm_engineering.domain.errors import CrawlError

# Any author may have a subdomain, so they cannot be looked up beforehand; but only Medium says where these are.
_SUBDOMAINS = "*.medium.com"
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_LOOK_UPS = 16

Addresses = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class KnownHosts:
    """Chromium's resolver rules, and the hosts that are not in them, with the reason."""

    rules: str
    refused: Mapping[str, str]


def look_up(hosts: Sequence[str], addresses: Addresses) -> KnownHosts:
    """Rules by which Chromium asks no name server about these hosts, and every other one has no address.

    The checked address is what it connects to, so no name can lead elsewhere later. The host in the link stays as it
    is, and with it the name that the certificate must have.

    Raises:
        CrawlError: one of them is neither a host name nor `*.medium.com`.
    """
    subdomains = [host for host in hosts if host == _SUBDOMAINS]
    names = [host for host in hosts if not (subdomains and host.endswith(_SUBDOMAINS[1:]))]
    for host in names:
        if not _HOST.fullmatch(host):
            raise CrawlError(f"{host!r} is no host name: write it as blog.example.com, without https:// or *")
    with ThreadPoolExecutor(_LOOK_UPS) as pool:
        found = dict(zip(names, pool.map(lambda host: _address(host, addresses), names), strict=True))
    maps = [f"MAP {host} {address}" for host, address in found.items() if isinstance(address, str)]
    refused = {host: str(error) for host, error in found.items() if isinstance(error, CrawlError)}
    # The first rule that fits counts, and exclusions before all.
    return KnownHosts(", ".join([*maps, "MAP * ~NOTFOUND", *(f"EXCLUDE {host}" for host in subdomains)]), refused)


def _address(host: str, addresses: Addresses) -> str | CrawlError:
    """One address of the host, IPv4 before IPv6 as in the browser's own rules; or why it may not be opened."""
    try:
        found = addresses(host)
    except CrawlError as error:
        return error
    address = next((one for one in found if ":" not in one), found[0])
    return f"[{address}]" if ":" in address else address
