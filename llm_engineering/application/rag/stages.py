"""Stages that ask a model: side by side, each with a limit, none of them vital."""

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_engineering.domain.errors import MoodSwarmError


@dataclass
class Outcomes:
    """What the stages gave, by name; of those that gave nothing why, in words."""

    values: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


class _Running(threading.Thread):
    """A stage in a thread of its own. A daemon: one that hangs must not keep the process from ending either."""

    def __init__(self, name: str, stage: Callable[[], Any]) -> None:
        super().__init__(name=f"stage-{name}", daemon=True)
        self.value: Any = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.done = threading.Event()
        self._stage = stage
        self._context = contextvars.copy_context()

    def run(self) -> None:
        started = time.perf_counter()
        try:
            self.value = self._context.run(self._stage)
        except BaseException as error:  # noqa: BLE001 - raised again where the stage is waited for
            self.error = error
        self.seconds = time.perf_counter() - started
        self.done.set()


def run_side_by_side(stages: Mapping[str, Callable[[], Any]], limit_seconds: float) -> Outcomes:
    """Run the stages at the same time, and wait for each until the limit, counted from the start of all.

    One that is not ready then is left to itself. A MoodSwarmError of a stage is a failure in the outcomes; any other
    error is a defect, and raised.
    """
    outcomes = Outcomes()
    if not stages:
        return outcomes
    started = time.perf_counter()
    running = {name: _Running(name, stage) for name, stage in stages.items()}
    for thread in running.values():
        thread.start()
    for name, thread in running.items():
        if not thread.done.wait(max(0.0, limit_seconds - (time.perf_counter() - started))):
            outcomes.failures[name] = f"not ready after {limit_seconds:g} s"
            outcomes.seconds[name] = time.perf_counter() - started
            continue
        outcomes.seconds[name] = thread.seconds
        if thread.error is None:
            outcomes.values[name] = thread.value
        elif isinstance(thread.error, MoodSwarmError):
            outcomes.failures[name] = str(thread.error)
        else:
            raise thread.error
    return outcomes
