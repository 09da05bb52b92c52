"""Who is stored, remembered for some seconds: a question must not wait for the document store each time."""

import time
from collections.abc import Callable, Iterable
from threading import Lock

from llm_engineering.application.rag.names import KnownNames
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import MoodSwarmError

MAX_AGE_SECONDS = 5.0
# A store that does not answer is asked again after this: each try may take seconds.
RETRY_SECONDS = 30.0


class KnownAuthors:
    """The stored authors. Threads may share it; one of them asks the store, the others use what was known before."""

    def __init__(self, load: Callable[[], Iterable[Author]], clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._known: KnownNames | None = None
        self._good_until = 0.0
        self._error: MoodSwarmError | None = None
        self._lock = Lock()

    def __call__(self) -> KnownNames:
        """All authors, as they were at most `MAX_AGE_SECONDS` ago, or when the store last answered.

        Raises:
            MoodSwarmError: the document store cannot be read, and never was.
        """
        # Only the first question has to wait for another one that asks the store already.
        if self._lock.acquire(blocking=self._known is None and self._error is None):
            try:
                if self._clock() >= self._good_until:
                    self._refresh()
            finally:
                self._lock.release()
        if self._known is None and self._error is not None:
            raise self._error
        return self._known or KnownNames(())

    def fresh(self) -> KnownNames:
        """All authors as they are now. Raises MoodSwarmError when the document store cannot be read."""
        with self._lock:
            self._refresh()
            if self._error is not None:
                raise self._error
            return self._known or KnownNames(())

    def _refresh(self) -> None:
        try:
            self._known, self._error = KnownNames(self._load()), None
            self._good_until = self._clock() + MAX_AGE_SECONDS
        except MoodSwarmError as error:
            self._error = error
            self._good_until = self._clock() + RETRY_SECONDS
