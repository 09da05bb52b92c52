"""Rate limits: what a server's headers ask for, and a gate that keeps all who ask it waiting together.

Headers: `Retry-After` (RFC 9110, 10.2.3), `retry-after-ms`, and OpenAI's `x-ratelimit-remaining-*` and
`x-ratelimit-reset-*` (https://platform.openai.com/docs/guides/rate-limits).
"""

import asyncio
import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LIMITED = ("requests", "tokens")
# All start anew within this share of the wait, a second at most: at once they would be refused at once.
_SPREAD, _LONGEST_SPREAD_SECONDS = 0.1, 1.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Gate:
    """Nobody passes before the time that anybody was told to wait until."""

    def __init__(self) -> None:
        self._opens_at = 0.0

    @property
    def seconds_left(self) -> float:
        """Until it opens; 0 when it is open."""
        return max(0.0, self._opens_at - time.monotonic())

    def close_for(self, seconds: float) -> None:
        """Let nobody pass for as long, at least."""
        self._opens_at = max(self._opens_at, time.monotonic() + seconds)

    async def passed(self) -> None:
        """Return when it is open."""
        while left := self.seconds_left:  # noqa: ASYNC110 - it opens by time
            await asyncio.sleep(left + random.uniform(0, min(left * _SPREAD, _LONGEST_SPREAD_SECONDS)))  # noqa: S311


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """How long a refusal asks to wait; None where it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    return None if text is None else _seconds_until(text)


def seconds_exhausted(headers: Mapping[str, str]) -> float:
    """How long there are no more requests or tokens; 0 where there are some, or the server does not say."""
    waits = [0.0]
    for limited in LIMITED:
        remaining = _number(headers.get(f"x-ratelimit-remaining-{limited}"))
        if remaining is not None and remaining <= 0:
            waits.append(_duration(headers.get(f"x-ratelimit-reset-{limited}", "")))
    return max(waits)


def _duration(text: str) -> float:
    """Of '6m0s', '20ms' or '1.5', in seconds; 0 for what is none."""
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text.strip():
        return 0.0
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())
