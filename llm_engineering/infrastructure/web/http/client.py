"""A polite HTTP client: it asks only where it may, seldom, patiently, and stops reading when it has enough."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, NotAnArticleError, SourceMissingError
from llm_engineering.infrastructure.web.http.answers import (
    WALL_BYTES,
    HttpResponse,
    HttpStatusError,
    failed_host,
    judged,
    may_be_a_wall,
    may_pass,
    redirect_target,
    refuse_passing,
    same_origin,
    without_user,
)
from llm_engineering.infrastructure.web.http.body import ACCEPT_ENCODING, read_body
from llm_engineering.infrastructure.web.http.guard import AddressGuard, host_of_link
from llm_engineering.infrastructure.web.http.hosts import Hosts, Manners
from llm_engineering.infrastructure.web.http.robots import MAX_ROBOTS_BYTES, Robots
from llm_engineering.infrastructure.web.http.transport import Deadline, GuardedTransport

__all__ = ["HttpPolicy", "HttpResponse", "HttpStatusError", "PoliteClient"]

MAX_REDIRECTS = 5
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class HttpPolicy:
    """How patient and how demanding the client is. Times are in seconds."""

    user_agent: str = "MoodSwarm/0.1 (+personal archive of one's own publications)"
    timeout_seconds: float = 20.0
    max_attempts: int = 3
    backoff_seconds: float = 0.5
    budget_seconds: float = 120.0
    breaker_failures: int = 5
    breaker_reset_seconds: float = 60.0
    requests_per_host: int = 2
    max_bytes: int = 10 * 1024 * 1024
    respect_robots: bool = True


@dataclass(frozen=True)
class _Job:
    """What was asked for, and how long it may take."""

    headers: Mapping[str, str]
    limit: int
    robots: bool
    deadline: Deadline
    truncate: bool = False
    asked: list[str] = field(default_factory=list)  # the hosts, the last one last


class PoliteClient:
    """Brings what is behind links, for many threads at once.

    The guard sees each address that is connected to, after redirects too. Proxies of the environment are not used: a
    proxy would resolve names itself, and that would void the check.
    """

    def __init__(
        self,
        policy: HttpPolicy,
        guard: AddressGuard,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sleep` and `clock` are the system's; closing the client ends its pauses."""
        self.policy = policy
        self._clock = clock
        self._closing = threading.Event()
        self._sleep = sleep or self._closing.wait
        self._guard = guard
        self._transport = GuardedTransport(guard)
        self._hosts = Hosts(
            Manners(
                policy.requests_per_host,
                policy.breaker_failures,
                policy.breaker_reset_seconds,
                failed_host,
                self._sleep,
                clock,
            )
        )
        self._robots = Robots(policy.user_agent, self._robots_txt, policy.breaker_reset_seconds, clock)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        robots: bool = True,
    ) -> HttpResponse:
        """Ask for the URL, following at most 5 redirects; statuses 200, 203 and 304 are returned.

        `headers` (but `Accept`), and a user in the URL, are told to the URL's origin only, not to where it redirects.
        `robots` is False for what is no page, like an API.

        Raises:
            ForbiddenLinkError: an address that is not public, another scheme than http(s), or robots.txt disallows it.
            SourceMissingError: 404, or 410 (permanent).
            NotAnArticleError: a bot wall answered.
            HttpStatusError: any other status.
            CrawlError: no answer, too large, too many redirects, out of time, or the host was given up.
        """
        bare, credentials = without_user(url)
        job = _Job(
            headers={**credentials, **(headers or {})},
            limit=max_bytes or self.policy.max_bytes,
            robots=robots and self.policy.respect_robots,
            deadline=Deadline(self.policy.budget_seconds, self._clock),
        )
        return self._try(bare, job)

    def check_robots(self, url: str) -> None:
        """Refuse what `get` would refuse, for a browser that asks by itself. Slows the host's requests here only.

        Raises:
            ForbiddenLinkError: an address that is not public, another scheme than http(s), or robots.txt disallows it.
            CrawlError: the link is not valid, its host is unknown, or its robots.txt cannot be read.
        """
        self._guard.check(url)
        if self.policy.respect_robots:
            bare, _ = without_user(url)
            self._heed_robots(bare, host_of_link(bare), Deadline(self.policy.budget_seconds, self._clock))

    def close(self) -> None:
        """Close the connections and end all pauses; what still waits fails."""
        self._closing.set()
        self._transport.close()

    def _try(self, url: str, job: _Job) -> HttpResponse:
        def is_over(state: RetryCallState) -> bool:
            last = state.attempt_number >= self.policy.max_attempts
            return last or state.upcoming_sleep >= job.deadline.left() or self._closing.is_set()

        retrying = Retrying(
            retry=retry_if_exception(may_pass), stop=is_over, wait=self._pause, sleep=self._rest, reraise=True
        )
        try:
            return retrying(self._follow, url, job)
        except CrawlError as error:
            if failed_host(error):
                self._hosts.of(job.asked[-1]).failed(error)
            raise

    def _rest(self, seconds: float) -> None:
        self._sleep(seconds)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds to the next try: twice as long each time, with jitter, and no less than the server asks for."""
        doubled: float = self.policy.backoff_seconds * 2.0 ** (state.attempt_number - 1)
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, HttpStatusError) else None
        return max(min(doubled, _LONGEST_PAUSE_SECONDS), asked or 0.0) + random.uniform(0, self.policy.backoff_seconds)  # noqa: S311

    def _follow(self, url: str, job: _Job) -> HttpResponse:
        cookies = httpx.Cookies()
        for _ in range(MAX_REDIRECTS + 1):
            name = host_of_link(url)
            if job.robots:
                self._heed_robots(url, name, job.deadline)
            answer = self._ask(url, name, job, cookies)
            target = redirect_target(url, answer)
            if target is None:
                return judged(answer)
            if not same_origin(url, target):
                job = replace(job, headers={k: v for k, v in job.headers.items() if k.lower() == "accept"})
            url = target
        raise CrawlError(f"more than {MAX_REDIRECTS} redirects")

    def _ask(self, url: str, name: str, job: _Job, cookies: httpx.Cookies) -> HttpResponse:
        host = self._hosts.of(name)
        job.asked.append(name)
        with host.turn(job.deadline):
            if self._closing.is_set():
                raise CrawlError("the crawl was ended")
            answer = self._exchange(url, job, cookies)
            try:
                refuse_passing(answer)
            except HttpStatusError as error:
                host.leave_alone(error.retry_after or 0.0)
                raise
        return answer

    def _exchange(self, url: str, job: _Job, cookies: httpx.Cookies) -> HttpResponse:
        """One request and its answer, with the body if it matters."""
        request = self._request(url, job)
        cookies.set_cookie_header(request)
        response = self._transport.handle_request(request)
        try:
            cookies.extract_cookies(response)
            body, wire = b"", 0
            if response.status_code in (200, 203):
                body, wire = read_body(response, job.limit, job.truncate)
            elif may_be_a_wall(response):
                body, wire = read_body(response, WALL_BYTES, truncate=True)
        finally:
            response.close()
        headers = {key.lower(): value for key, value in response.headers.items()}
        return HttpResponse(str(request.url), response.status_code, headers, body, wire)

    def _request(self, url: str, job: _Job) -> httpx.Request:
        own = {"User-Agent": self.policy.user_agent, "Accept": "*/*", "Accept-Encoding": ACCEPT_ENCODING}
        timeout = httpx.Timeout(self.policy.timeout_seconds).as_dict()
        try:
            return httpx.Request(
                "GET", url, headers={**own, **job.headers}, extensions={"timeout": timeout, "deadline": job.deadline}
            )
        except UnicodeError as error:
            raise CrawlError("a header of the request is not plain text") from error

    def _heed_robots(self, url: str, name: str, deadline: Deadline) -> None:
        """Raises ForbiddenLinkError when robots.txt disallows the URL. Reading it does not count for the deadline."""
        began = self._clock()
        parsed = httpx.URL(url)
        origin = f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
        allowed, delay = self._robots.allows(origin, url), self._robots.delay(origin)
        deadline.extend(self._clock() - began)
        if not allowed:
            raise ForbiddenLinkError(
                f"robots.txt of {name} disallows it. If the page is yours to read, set CRAWL_RESPECT_ROBOTS=false."
            )
        self._hosts.of(name).slow_down(delay)

    def _robots_txt(self, url: str) -> str:
        """The text of a robots.txt; '' when there is none, which allows everything."""
        deadline = Deadline(self.policy.budget_seconds, self._clock)
        job = _Job({}, MAX_ROBOTS_BYTES, robots=False, deadline=deadline, truncate=True)
        try:
            return self._try(url, job).body.decode("utf-8-sig", errors="replace")
        except (SourceMissingError, NotAnArticleError):  # a bot wall here says nothing of the page
            return ""
        except HttpStatusError as error:
            if error.status >= 500 or error.may_pass:
                raise
            return ""
