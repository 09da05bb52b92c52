"""GitHub's users: which repositories are their own, by GitHub's API."""

import json
import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urljoin, urlsplit

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.sources import ListedLink, Listing
from llm_engineering.infrastructure.web.git.links import GITHUB_PAGES
from llm_engineering.infrastructure.web.git.remote import HttpClient
from llm_engineering.infrastructure.web.http.answers import HttpResponse, HttpStatusError

_VERSION = "2022-11-28"
_PER_PAGE = 100
# 10,000 repositories: who has more is no person.
_MOST_PAGES = 100
_LARGEST_PAGE_BYTES = 8 * 2**20
# GitHub's own rule for names (its enterprise's managed users have an underscore): https://github.com/join
_USER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[-_](?=[A-Za-z0-9])){0,38}[-_]?")
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next\b"?', re.IGNORECASE)


class _Repository(BaseModel):
    """What is read of a repository. Source: GitHub REST API, "List repositories for a user"."""

    html_url: str
    fork: bool
    private: bool = False
    pushed_at: AwareDatetime | None = None


_REPOSITORIES = TypeAdapter(list[_Repository])


class GitHubUsers:
    """Implements `RepositoryDirectory` for https://github.com/USER and for organisations.

    Forks are left out, for others wrote them; archived repositories are the user's own work and stay in. Private ones
    are not listed: name them each by its link.
    """

    def __init__(self, client: HttpClient, api_url: str = "https://api.github.com", token: str | None = None) -> None:
        """The token is sent to the API only; it raises the limit of requests from 60 to 5,000 an hour."""
        self._client = client
        self._api = api_url.rstrip("/")
        self._token = token

    def handles(self, link: str) -> bool:
        """Whether the link is a user's page. Nothing is asked to find out."""
        return _user_of(link) is not None

    def repositories(self, link: str) -> Listing:
        """The user's own repositories, those last worked on first.

        Raises:
            SourceMissingError: GitHub knows no such user.
            CrawlError: they cannot be listed; the message says when to come back if the limit is reached.
        """
        user = _user_of(link)
        if user is None:
            raise CrawlError(f"{without_credentials(link)!r} is no user's page on GitHub: https://github.com/USER")
        found = [
            ListedLink(repository.html_url, repository.pushed_at)
            for repository in self._all(user)
            if not repository.fork and not repository.private and _is_web_link(repository.html_url)
        ]
        return Listing("user", list({item.link: item for item in found}.values()))

    def _all(self, user: str) -> Iterator[_Repository]:
        query = urlencode({"per_page": _PER_PAGE, "type": "owner", "sort": "pushed"})
        url = f"{self._api}/users/{user}/repos?{query}"
        for _ in range(_MOST_PAGES):
            answer = self._get(url, user)
            yield from _parsed(answer.body)
            following = self._next(url, answer)
            if following is None:
                return
            url = following
        raise CrawlError(f"GitHub lists more than {_MOST_PAGES * _PER_PAGE} repositories: name them each by its link")

    def _next(self, url: str, answer: HttpResponse) -> str | None:
        """The next page of the list; the token must not go wherever the answer says.

        Raises:
            CrawlError: it is on another server, or the same page again.
        """
        match = _NEXT.search(answer.headers.get("link", ""))
        if not match:
            return None
        following: str = urljoin(url, match.group(1))
        if _origin(following) != _origin(self._api) or following == url:
            raise CrawlError("GitHub's API names a next page that is none of its own")
        return following

    def _get(self, url: str, user: str) -> HttpResponse:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": _VERSION}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._client.get(url, headers=headers, max_bytes=_LARGEST_PAGE_BYTES, robots=False)
        except SourceMissingError as error:
            raise SourceMissingError(f"GitHub knows no user {user!r}", error.permanent) from error
        except HttpStatusError as error:
            raise CrawlError(self._explained(error)) from error

    def _explained(self, error: HttpStatusError) -> str:
        if error.status == 401:
            return "GitHub does not accept the token of github.com in GIT_TOKENS: it is wrong, or has expired"
        seconds = _seconds_to_wait(error)
        if seconds is None:
            return f"GitHub's API answered {error.status}"
        advice = "" if self._token else "; a token raises the limit: set the one of github.com in GIT_TOKENS"
        return f"GitHub's limit of requests is reached: come back in {_duration(seconds)}{advice}"


def _user_of(link: str) -> str | None:
    """The user or organisation whose page the link is; None for other pages of GitHub, and other sites."""
    try:
        parts = urlsplit(link.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if parts.scheme not in ("http", "https") or host != "github.com":
        return None
    if len(segments) in (2, 3) and segments[0] == "orgs" and segments[2:] in ([], ["repositories"]):
        segments = segments[1:2]
    is_user = len(segments) == 1 and segments[0].lower() not in GITHUB_PAGES and _USER.fullmatch(segments[0])
    return segments[0] if is_user else None


def _parsed(body: bytes) -> list[_Repository]:
    """Raises CrawlError when the answer has another form; what it says is not repeated."""
    try:
        return _REPOSITORIES.validate_python(json.loads(body))
    except (ValueError, RecursionError) as error:
        what = f"{error.error_count()} values" if isinstance(error, ValidationError) else "its JSON"
        raise CrawlError(f"GitHub's API answered in a form that is not known ({what} could not be read)") from None


def _seconds_to_wait(error: HttpStatusError) -> float | None:
    """How long the limit lasts; None when the answer is about something else.

    Source: GitHub REST API, "Rate limits": 403 or 429; `retry-after`, else `x-ratelimit-reset` once nothing remains,
    else a minute.
    """
    if error.status not in (403, 429):
        return None
    retry_after, reset = error.headers.get("retry-after", ""), error.headers.get("x-ratelimit-reset", "")
    if _is_number(retry_after):
        return float(retry_after)
    if error.headers.get("x-ratelimit-remaining") == "0" and _is_number(reset):
        return max(0.0, float(reset) - time.time())
    return 60.0 if error.status == 429 else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 15


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _is_web_link(link: str) -> bool:
    return link.startswith(("https://", "http://"))
