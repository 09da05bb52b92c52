"""Git servers over http(s): what is asked before git is, with which credentials, and at which address."""

import base64
import ipaddress
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.domain.links import without_credentials
from llm_engineering.infrastructure.web.git.links import GIT_HOSTS, RemoteLink
from llm_engineering.infrastructure.web.git.refs import References, parse_references
from llm_engineering.infrastructure.web.http.answers import HttpResponse, HttpStatusError

_SERVICE = "/info/refs"
_QUERY = "?service=git-upload-pack"
# Hosts list every pull request among the references: 65 bytes each, hundreds of thousands of them.
_LARGEST_ANSWER_BYTES = 64 * 2**20
# Whom a token belongs to, where a host asks for a name beside it.
_TOKEN_USERS = {"gitlab.com": "oauth2", "bitbucket.org": "x-token-auth"}
_HINT = "a private one needs a token that may read it: set GIT_TOKENS"


class HttpClient(Protocol):
    """Asks for a URL; `PoliteClient` is one."""

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None, robots: bool = True
    ) -> HttpResponse:
        """Raises CrawlError and its kinds; HttpStatusError for a status that brings nothing."""


class HostAddresses(Protocol):
    """Looks hosts up; `AddressGuard` does."""

    def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, each of which may be asked. Raises ForbiddenLinkError for others."""


@dataclass(frozen=True)
class Origin:
    """Where a repository is after redirects, and its references."""

    url: str
    references: References
    bytes_read: int


class GitRemotes:
    """Speaks to Git servers before git does, so that nothing that has not moved is fetched again."""

    def __init__(
        self, client: HttpClient, guard: HostAddresses, tokens: Mapping[str, str], fetches_per_host: int
    ) -> None:
        self._client = client
        self._guard = guard
        self._tokens = {host.lower(): token for host, token in tokens.items()}
        self._turns: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(fetches_per_host))
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, origin: Origin) -> Iterator[None]:
        """Wait for one's turn at the host: git itself does not know how many of it there are."""
        with self._lock:
            turns = self._turns[urlsplit(origin.url).hostname or ""]
        with turns:
            yield

    def ask(self, remote: RemoteLink) -> Origin:
        """Follow the redirects and read the references.

        Raises:
            SourceMissingError: there is no repository.
            ForbiddenLinkError: an address that is not public.
            CrawlError: the server wants a token, or does not answer as a Git server.
        """
        answer = self._get(remote, f"{remote.url}{_SERVICE}{_QUERY}")
        parts = urlsplit(answer.url)
        if not parts.path.endswith(_SERVICE):
            raise CrawlError(f"there is no Git repository: the server redirects to {without_credentials(answer.url)}")
        url = parts._replace(path=parts.path.removesuffix(_SERVICE), query="", fragment="").geturl()
        references, read = parse_references(answer.body), answer.bytes_read
        if not references.smart:
            head = self._get(remote, f"{url}/HEAD")
            references, read = _with_head(references, head.body), read + head.bytes_read
        return Origin(url, references, read)

    def environment(self, remote: RemoteLink, origin: Origin) -> dict[str, str]:
        """What git needs in its environment: the one protocol that it may use, and the credentials.

        They stand neither among its arguments, which every user of the machine sees, nor in the repository's files,
        and go to the host that they are for, not to where it redirects.
        """
        parts = urlsplit(origin.url)
        environment = {"GIT_ALLOW_PROTOCOL": parts.scheme}
        header = self._authorization(remote) if _is_same_host(remote.url, origin.url) else ""
        if header:
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: {header}",
            }
        return environment

    def pinned(self, origin: Origin) -> str:
        """The host and its checked addresses, as `http.curloptResolve` takes them; '' for an address itself."""
        parts = urlsplit(origin.url)
        host = parts.hostname or ""
        addresses = self._guard.addresses(host)
        if _address(host):
            return ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        shown = (f"[{address}]" if ":" in address else address for address in addresses)
        return f"{host}:{port}:{','.join(shown)}"

    def _get(self, remote: RemoteLink, url: str) -> HttpResponse:
        header = self._authorization(remote) if _is_same_host(remote.url, url) else ""
        headers = {"Authorization": header} if header else {}
        try:
            return self._client.get(url, headers=headers, max_bytes=_LARGEST_ANSWER_BYTES, robots=False)
        except SourceMissingError as error:
            raise SourceMissingError(f"there is no repository; {_HINT}", error.permanent) from error
        except HttpStatusError as error:
            if error.status not in (401, 403):
                raise
            if not header:
                self._check_page(remote)
            refused = "does not accept the token" if header else "wants to know who asks"
            raise CrawlError(f"the server {refused} (it answered {error.status}); {_HINT}") from error

    def _check_page(self, remote: RemoteLink) -> None:
        """The known hosts answer 401 for what is not there, too; there the repository's page tells.

        Raises:
            SourceMissingError: the page is not there.
        """
        if remote.host not in GIT_HOSTS:
            return
        try:
            self._client.get(remote.url.removesuffix(".git"))
        except SourceMissingError as error:
            raise SourceMissingError(f"there is no repository; {_HINT}", error.permanent) from error
        except CrawlError:  # then nobody knows: the refusal is what is told
            return

    def _authorization(self, remote: RemoteLink) -> str:
        """The header's value; '' without credentials, or where they would travel for all to read."""
        parts = urlsplit(remote.url)
        address = _address(remote.host)
        if parts.scheme != "https" and not (address and address.is_loopback):
            return ""
        # A name alone, as some hosts put it into the links that they offer, opens nothing.
        own = remote.credentials if ":" in remote.credentials else ""
        credentials = own or self._tokens.get(remote.host, "")
        if not credentials:
            return ""
        if ":" not in credentials:
            credentials = f"{_TOKEN_USERS.get(remote.host, 'x-access-token')}:{credentials}"
        return f"Basic {base64.b64encode(credentials.encode()).decode()}"


def _with_head(references: References, body: bytes) -> References:
    """The references with HEAD, which plain file servers keep beside them: `ref: refs/heads/main`, or a commit."""
    text = body[:1024].decode(errors="replace").strip()
    commit = references.commits.get(text.removeprefix("ref: "), text)
    named = {"HEAD": commit} if commit.isalnum() else {}
    return References(references.commits | named, smart=False)


def _is_same_host(one: str, other: str) -> bool:
    """Whether both name the same server, the other at least as well protected."""
    first, second = urlsplit(one), urlsplit(other)
    same_port = first.port == second.port and first.scheme == second.scheme
    upgraded = (first.scheme, second.scheme) == ("http", "https") and first.port == second.port is None
    return first.hostname == second.hostname and (same_port or upgraded)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
