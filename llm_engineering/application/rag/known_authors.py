"""Who is stored, remembered for some seconds: a question must not wait for the document store each time."""

import threading
import time
from collections.abc import Callable, Iterable

from llm_engineering.application.rag.names import KnownNames
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import DependencyUnavailableError, MoodSwarmError

MAX_AGE_SECONDS = 5.0
# A store that does not answer is asked again after this: each try may take seconds.
RETRY_SECONDS = 30.0
# For who cannot do without: the document store may have to be started first.
PATIENT_SECONDS = 60.0


class _Load(threading.Thread):
    """Asks the store, in a thread of its own that can be left to itself. A daemon, as it may hang."""

    def __init__(self, load: Callable[[], Iterable[Author]], remember: Callable[["_Load"], None]) -> None:
        super().__init__(name="known-authors", daemon=True)
        self.known: KnownNames | None = None
        self.error: BaseException | None = None
        self._load = load
        self._remember = remember
        self._began = time.monotonic()

    def run(self) -> None:
        try:
            self.known = KnownNames(self._load())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error
        self._remember(self)

    def wait(self, limit_seconds: float) -> None:
        """Until it has ended, or has taken this long since it began. Raises what is a defect in it."""
        self.join(max(0.0, self._began + limit_seconds - time.monotonic()))
        if self.error is not None and not isinstance(self.error, MoodSwarmError):
            raise self.error


class KnownAuthors:
    """The stored authors. Threads may share it; one of them asks the store, the others use what was known before."""

    def __init__(self, load: Callable[[], Iterable[Author]], clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._known: KnownNames | None = None
        self._good_until = 0.0
        self._error: MoodSwarmError | None = None
        self._running: _Load | None = None
        self._lock = threading.Lock()

    def __call__(self, limit_seconds: float = PATIENT_SECONDS) -> KnownNames:
        """All authors, as they were at most `MAX_AGE_SECONDS` ago, or when the store last answered.

        Args:
            limit_seconds: The longest that the store's answer is waited for, counted from when it was asked.

        Raises:
            MoodSwarmError: the document store cannot be read in this time, and never was.
        """
        with self._lock:
            begun = self._running is None and self._clock() >= self._good_until
            load = self._begin() if begun else self._running
            known, error = self._known, self._error
        # Only the first question has to wait for another one that asks the store already.
        if load is not None and (begun or (known is None and error is None)):
            load.wait(limit_seconds)
            with self._lock:
                known, error = self._known, self._error
        if known is not None:
            return known
        raise error or _too_slow(limit_seconds)

    def fresh(self) -> KnownNames:
        """All authors as they are now. Raises MoodSwarmError when the document store cannot be read."""
        earlier = self._running
        if earlier is not None:  # it may have begun before the author was stored
            earlier.wait(PATIENT_SECONDS)
        with self._lock:
            load = self._running or self._begin()
        load.wait(PATIENT_SECONDS)
        if load.known is None:
            raise load.error or _too_slow(PATIENT_SECONDS)
        return load.known

    def _begin(self) -> _Load:
        self._running = _Load(self._load, self._remember)
        self._running.start()
        return self._running

    def _remember(self, load: _Load) -> None:
        with self._lock:
            self._running = None
            if load.known is not None:
                self._known, self._error = load.known, None
                self._good_until = self._clock() + MAX_AGE_SECONDS
            elif isinstance(load.error, MoodSwarmError):
                self._error = load.error
                self._good_until = self._clock() + RETRY_SECONDS


def _too_slow(limit_seconds: float) -> DependencyUnavailableError:
    return DependencyUnavailableError(f"The document store has not answered within {limit_seconds:g} s.")
