"""Which failures of a server with OpenAI's API pass, and how long they are waited for."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_random_exponential

from llm_engineering.domain.errors import RefusedPromptError
from llm_engineering.infrastructure.models.concurrent_gate import Gate

T = TypeVar("T")

# After so many refusals in a row that do not name the prompt as their cause, it may be the server that takes none.
_REFUSALS_IN_DOUBT = 3
# OpenAI's codes of a 429 that no waiting mends.
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


@dataclass(frozen=True)
class Patience:
    """Times in seconds.

    A server is given up when it has answered nobody for `silence_seconds`; at the start, when it may just not be
    there, for `start_seconds`. A request that fails `attempts` times, each time after others were answered, is given up
    alone.
    """

    request_seconds: float = 120.0
    connect_seconds: float = 10.0
    silence_seconds: float = 300.0
    start_seconds: float = 20.0
    attempts: int = 5
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0


class Retries:
    """Tries again what may pass, with pauses that double, with full jitter. Knows how the server does for all."""

    def __init__(self, patience: Patience, gate: Gate) -> None:
        self._patience = patience
        self._gate = gate
        self._answered_at: float | None = None
        self._refusals = 0
        self._pause = wait_random_exponential(patience.first_pause_seconds, patience.longest_pause_seconds)

    @property
    def was_answered(self) -> bool:
        """Whether the server has answered anybody yet."""
        return self._answered_at is not None

    def answered(self) -> None:
        """The server has answered somebody."""
        self._answered_at = time.monotonic()
        self._refusals = 0

    def refused(self) -> None:
        """The server has refused a request without a word of what is wrong with its prompt."""
        self._refusals += 1

    @property
    def is_in_doubt(self) -> bool:
        """Whether it may be that the server refuses all: it has answered nobody yet, or nobody for some refusals."""
        return not self.was_answered or self._refusals >= _REFUSALS_IN_DOUBT

    async def run(self, attempt: Callable[[], Awaitable[T]], where: str) -> T:
        """What the attempt returns; its last error when the server is given up.

        Raises:
            RefusedPromptError: `where` fails at this request, not at others.
        """
        began = failed_at = time.monotonic()
        failed_alone = 0

        def is_over(state: RetryCallState) -> bool:
            nonlocal failed_at, failed_alone
            limited = is_rate_limit(_error_of(state))
            failed_alone += self._answered_since(failed_at) and not limited
            failed_at = time.monotonic()
            if failed_alone >= self._patience.attempts:
                raise RefusedPromptError(f"{where} fails at this prompt, not at others.", lasting=False)
            known = self.was_answered or limited
            bound = self._patience.silence_seconds if known else self._patience.start_seconds
            wait = max(state.upcoming_sleep, self._gate.seconds_left)
            return failed_at + wait - max(began, self._answered_at or began) > bound

        retrying = AsyncRetrying(retry=retry_if_exception(self._may_pass), stop=is_over, wait=self._pause, reraise=True)
        return await retrying(attempt)

    def _answered_since(self, moment: float) -> bool:
        return self._answered_at is not None and self._answered_at > moment

    def _may_pass(self, error: BaseException) -> bool:
        """Whether the same request may be answered later."""
        import openai

        if isinstance(error, openai.APIConnectionError | TimeoutError):
            return True
        if isinstance(error, openai.APIStatusError):
            return is_rate_limit(error) or error.status_code in (408, 409) or error.status_code >= 500
        # What is not the API's JSON: once that came from here, a broken body passes; else the URL is wrong.
        return isinstance(error, ValueError) and self.was_answered


def is_rate_limit(error: BaseException | None) -> bool:
    """Whether the server has had too many requests, and will take more later."""
    import openai

    return isinstance(error, openai.RateLimitError) and error.code not in _SPENT and error.type not in _SPENT


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
