"""Which task runs when: many hosts at once, few tasks a host, and hosts take turns."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class HostSchedule(Generic[T]):
    """Tasks waiting by host. Whoever takes the results may add more."""

    def __init__(self, concurrency: int, per_host: int) -> None:
        self._concurrency = concurrency
        self._per_host = per_host
        self._waiting: dict[str, deque[T]] = {}

    def add(self, host: str, task: T) -> None:
        """Let a task wait for its host's turn."""
        self._waiting.setdefault(host, deque()).append(task)

    def run(self, work: Callable[[T], R]) -> Iterator[tuple[T, R]]:
        """Do the work for every task in threads; yields each task with its result, in the calling thread.

        An error that `work` raises ends the run, as an interruption does: what has not begun does not begin, and what
        has is not waited for; it ends when what it reads from is closed.
        """
        running: dict[Future[R], tuple[str, T]] = {}
        busy: Counter[str] = Counter()
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="crawl")
        try:
            while True:
                for host, task in self._ready(busy, self._concurrency - len(running)):
                    running[pool.submit(work, task)] = (host, task)
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    host, task = running.pop(future)
                    busy[host] -= 1
                    yield task, future.result()
        finally:
            pool.shutdown(wait=not running, cancel_futures=True)

    def _ready(self, busy: Counter[str], room: int) -> Iterator[tuple[str, T]]:
        """What may start now, a task a host and round."""
        while room > 0:
            hosts = [host for host in self._waiting if busy[host] < self._per_host][:room]
            if not hosts:
                return
            for host in hosts:
                waiting = self._waiting.pop(host)
                busy[host] += 1
                room -= 1
                yield host, waiting.popleft()
                if waiting:
                    self._waiting[host] = waiting  # now the last in turn
