"""What a server's answer means: a page, another address, a refusal, or a wall against robots."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from llm_engineering.domain.errors import CrawlError, NotAnArticleError, SourceMissingError
from llm_engineering.infrastructure.web.http.guard import host_of_link
from llm_engineering.infrastructure.web.http.transport import NoAnswerError

WALL_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WALL_STATUSES = frozenset({403, 429, 503})
_WALL_SIGNS = re.compile(
    rb"just a moment\.\.\.|/cdn-cgi/challenge-platform/|_cf_chl_opt|attention required! \| cloudflare", re.IGNORECASE
)


@dataclass(frozen=True)
class HttpResponse:
    """An answer: the URL after redirects, without user and password; names of headers are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    bytes_read: int = 0  # as they came over the wire


class HttpStatusError(CrawlError):
    """The server answered with a status that brings no page."""

    def __init__(self, status: int, headers: Mapping[str, str], retry_after: float | None = None) -> None:
        """`retry_after` is in seconds."""
        asked = "" if retry_after is None else f" and asks to come back in {retry_after:.0f} s"
        super().__init__(f"the server answered {status}{asked}")
        self.status = status
        self.headers = headers
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        """Whether the same request may bring a page later: 429 and 5xx."""
        return self.status == 429 or 500 <= self.status <= 599


def may_pass(error: BaseException) -> bool:
    """Whether another try may bring the page."""
    return isinstance(error, NoAnswerError) or (isinstance(error, HttpStatusError) and error.may_pass)


def failed_host(error: Exception) -> bool:
    """Whether the error says that the host is in trouble: no answer, or 5xx."""
    return may_pass(error) and not (isinstance(error, HttpStatusError) and error.status == 429)


def may_be_a_wall(response: httpx.Response) -> bool:
    """Whether the body has to be read to find out."""
    return response.status_code in _WALL_STATUSES and response.headers.get("server", "").lower() == "cloudflare"


def refuse_passing(answer: HttpResponse) -> None:
    """Raises NotAnArticleError for a wall, which does not pass, and HttpStatusError for what may."""
    challenge = answer.headers.get("cf-mitigated", "").lower() == "challenge"
    if answer.status in _WALL_STATUSES and (challenge or _WALL_SIGNS.search(answer.body)):
        raise NotAnArticleError("a bot wall (Cloudflare) answered instead of the page")
    error = HttpStatusError(answer.status, answer.headers, _retry_after(answer.headers))
    if error.may_pass:
        raise error


def judged(answer: HttpResponse) -> HttpResponse:
    """The answer, if it brings something.

    Raises:
        SourceMissingError: 404, or 410 for good.
        HttpStatusError: any other status.
    """
    if answer.status in (404, 410):
        raise SourceMissingError(f"the server answered {answer.status}", permanent=answer.status == 410)
    if answer.status not in (200, 203, 304):
        raise HttpStatusError(answer.status, answer.headers)
    return answer


def redirect_target(url: str, answer: HttpResponse) -> str | None:
    """Where a redirect leads, without user and fragment; None when the answer is none.

    Raises:
        CrawlError: to nowhere.
    """
    if answer.status not in _REDIRECTS:
        return None
    location = answer.headers.get("location", "").strip()
    if not location:
        raise CrawlError(f"the server answered {answer.status} and does not say where to")
    try:
        return str(httpx.URL(url).join(location).copy_with(userinfo=b"", fragment=None))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise CrawlError("the server redirects to what is not a valid link") from error


def same_origin(url: str, target: str) -> bool:
    """Whether a redirect stays on the server; a change from http to https on the usual ports does."""
    one, other = httpx.URL(url), httpx.URL(target)
    same_host = one.raw_host == other.raw_host
    upgraded = (one.scheme, other.scheme) == ("http", "https") and one.port in (None, 80) and other.port in (None, 443)
    return same_host and (upgraded or (one.scheme == other.scheme and one.port == other.port))


def without_user(url: str) -> tuple[str, dict[str, str]]:
    """The link without user, password and fragment, and the header that says them instead.

    Raises:
        ForbiddenLinkError: another scheme than http and https.
        CrawlError: not a valid link.
    """
    host_of_link(url)
    parsed = httpx.URL(url)
    bare = str(parsed.copy_with(userinfo=b"", fragment=None))
    if not parsed.userinfo:
        return bare, {}
    pair = base64.b64encode(f"{parsed.username}:{parsed.password}".encode()).decode("ascii")
    return bare, {"Authorization": f"Basic {pair}"}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for, as a number or as a date; None when it says nothing of use."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
