"""Manners towards a host: few requests at once, pauses that it asks for, and no more requests while it is down."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from llm_engineering.domain.errors import CrawlError
from llm_engineering.infrastructure.web.http.transport import Deadline, NoAnswerError


@dataclass(frozen=True)
class Manners:
    """How a host is treated. A pause of `sleep` may end early; the clock then says how much of it is left."""

    requests_per_host: int
    breaker_failures: int
    breaker_reset_seconds: float
    counts: Callable[[Exception], bool]
    sleep: Callable[[float], object]
    clock: Callable[[], float] = time.monotonic


class Hosts:
    """The hosts that were asked so far."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> "Host":
        """The host of this name, whatever its port."""
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = Host(name, self._manners)
            return self._hosts[name]


class Host:
    """One host, shared by all threads."""

    def __init__(self, name: str, manners: Manners) -> None:
        self._name = name
        self._manners = manners
        self._slots = threading.BoundedSemaphore(manners.requests_per_host)
        self._breaker = _Breaker(name, manners)
        self._lock = threading.Lock()
        self._spacing = 0.0
        self._next_request = self._rest_until = manners.clock()

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for one's turn, and let nobody else have it while the context lasts.

        Raises:
            CrawlError: the host was given up, or wants to be left alone for longer than the deadline allows.
        """
        queued = self._manners.clock()
        with self._slots:
            deadline.extend(self._manners.clock() - queued)
            with self._breaker.watch():
                self._rest(deadline)
                self._space_out(deadline)
                yield

    def failed(self, error: CrawlError) -> None:
        """Tell that all tries of a link have failed, and how the last one did."""
        self._breaker.failed(error)

    def slow_down(self, seconds: float) -> None:
        """Start requests no faster than one in so many seconds."""
        self._spacing = seconds

    def leave_alone(self, seconds: float) -> None:
        """Ask nothing for so many seconds."""
        with self._lock:
            self._rest_until = max(self._rest_until, self._manners.clock() + seconds)

    def _rest(self, deadline: Deadline) -> None:
        seconds = self._rest_until - self._manners.clock()
        if seconds > deadline.left():
            raise CrawlError(
                f"{self._name} asks to be left alone for another {seconds:.0f} s, longer than is left for this link"
            )
        if seconds > 0:
            self._manners.sleep(seconds)

    def _space_out(self, deadline: Deadline) -> None:
        with self._lock:
            now = self._manners.clock()
            start = max(now, self._next_request)
            self._next_request = start + self._spacing
        if start > now:
            self._manners.sleep(start - now)
            deadline.extend(start - now)


class _Breaker:
    """pybreaker's circuit breaker, told of outcomes afterwards: its `call` would let one request in at a time.

    A link counts once, when all of its tries have failed; any good answer begins the count anew. A link that times out
    or cannot connect always counts. One that is answered with 5xx does only if the host has answered nothing well
    within the reset time: a host that answers others has a broken page, and is not down.
    """

    def __init__(self, host: str, manners: Manners) -> None:
        from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitMemoryStorage

        self._host = host
        self._reset = timedelta(seconds=manners.breaker_reset_seconds)
        self._counts = manners.counts
        self._clock = manners.clock
        self._answered_at = float("-inf")
        self._storage = CircuitMemoryStorage(STATE_CLOSED)
        self._breaker = CircuitBreaker(
            fail_max=manners.breaker_failures,
            reset_timeout=manners.breaker_reset_seconds,
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )
        self._lock = threading.Lock()
        self._on_trial = False
        self._last_failure = ""

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Refuse, or let the request pass and learn from a good answer, and of a trial from its failure too."""
        trial = self._admit()
        try:
            yield
            self._answered_at = self._clock()
            self._record(None)
        except CrawlError as error:
            if trial and self._counts(error):
                self._record(error)
            raise
        finally:
            if trial:
                self._on_trial = False

    def failed(self, error: CrawlError) -> None:
        """Count a link, unless the host was given up meanwhile or has answered others well."""
        from pybreaker import STATE_CLOSED

        answers = self._clock() < self._answered_at + self._reset.total_seconds()
        if self._breaker.current_state == STATE_CLOSED and (isinstance(error, NoAnswerError) or not answers):
            self._record(error)

    def _admit(self) -> bool:
        """Whether this request is the one that finds out if the host is back. Raises CrawlError to refuse it."""
        from pybreaker import STATE_CLOSED, STATE_OPEN

        with self._lock:
            if self._breaker.current_state == STATE_CLOSED:
                return False
            opened_at = self._storage.opened_at or datetime.now(UTC)
            if self._on_trial or datetime.now(UTC) < opened_at + self._reset:
                raise CrawlError(
                    f"{self._host} was given up for {self._reset.total_seconds():g} s after {self._breaker.fail_max} "
                    f"failed links in a row; the last: {self._last_failure}"
                )
            if self._breaker.current_state == STATE_OPEN:
                self._breaker.half_open()
            self._on_trial = True
            return True

    def _record(self, failure: CrawlError | None) -> None:
        from pybreaker import CircuitBreakerError

        def outcome() -> None:
            if failure is not None:
                raise failure

        self._last_failure = str(failure or self._last_failure)
        # It is open already when another request has failed meanwhile: then this one's end does not matter.
        with suppress(CircuitBreakerError, CrawlError):
            self._breaker.call(outcome)
