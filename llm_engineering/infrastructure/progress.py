"""Progress for a person: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from llm_engineering.domain.ports import Advance

logger = logging.getLogger(__name__)

LINE_EVERY_SECONDS = 5.0


class ConsoleProgress:
    """Implements `Progress` on standard error."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """A bar for one piece of work; `total` 0 means: not known."""
        shown = _bar if sys.stderr.isatty() else _lines
        with shown(description, total) as advance:
            yield advance


@contextmanager
def _bar(description: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total or None)

        def advance(amount: float, found: int = 0, note: str = "") -> None:
            nonlocal total
            total += found
            progress.update(task, advance=amount, total=total or None, description=_with(description, note))

        yield advance


@contextmanager
def _lines(description: str, total: int) -> Iterator[Advance]:
    done, last, latest = 0.0, time.monotonic(), ""

    def advance(amount: float, found: int = 0, note: str = "") -> None:
        nonlocal done, last, latest, total
        done, total, latest = done + amount, total + found, note
        if time.monotonic() - last >= LINE_EVERY_SECONDS:
            last = time.monotonic()
            logger.info("%s: %d of %s", _with(description, note), done, total or "?")

    yield advance
    logger.info("%s: %d of %s, done", _with(description, latest), round(done), total or round(done))


def _with(description: str, note: str) -> str:
    return f"{description} ({note})" if note else description
