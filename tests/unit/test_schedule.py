"""Tasks by host: side by side across hosts, few at once on one, in turns."""

import threading
from collections import Counter

import pytest

from llm_engineering.application.crawlers.schedule import HostSchedule


def schedule(tasks: str, concurrency: int = 8, per_host: int = 2) -> HostSchedule[str]:
    """A task a word; its host is its first letter."""
    made: HostSchedule[str] = HostSchedule(concurrency, per_host)
    for task in tasks.split():
        made.add(task[0], task)
    return made


def test_every_task_runs_once_with_its_result() -> None:
    results = dict(schedule("a1 a2 a3 b1").run(str.upper))
    assert results == {"a1": "A1", "a2": "A2", "a3": "A3", "b1": "B1"}


def test_a_host_has_no_more_tasks_at_once_than_allowed() -> None:
    lock, running, most = threading.Lock(), Counter[str](), Counter[str]()

    def work(task: str) -> None:
        with lock:
            running[task[0]] += 1
            most[task[0]] = max(most[task[0]], running[task[0]])
        threading.Event().wait(0.005)
        with lock:
            running[task[0]] -= 1

    tasks = " ".join(f"{host}{n}" for host in "ab" for n in range(10))
    assert len(list(schedule(tasks).run(work))) == 20
    assert most["a"] <= 2
    assert most["b"] <= 2


def test_hosts_run_side_by_side() -> None:
    # Each task waits for all four: in any other order than side by side none would end.
    together = threading.Barrier(4, timeout=10)
    assert len(list(schedule("a1 a2 b1 b2").run(lambda task: together.wait()))) == 4


def test_a_slow_host_does_not_hold_back_another() -> None:
    release = threading.Event()

    def work(task: str) -> str:
        if task[0] == "s":
            release.wait(10)
        return task

    finished = []
    for task, _ in schedule("s1 s2 s3 s4 f1 f2 f3", concurrency=4).run(work):
        finished.append(task)
        if finished == ["f1", "f2", "f3"]:
            release.set()
    assert set(finished[:3]) == {"f1", "f2", "f3"}
    assert sorted(finished) == ["f1", "f2", "f3", "s1", "s2", "s3", "s4"]


def test_hosts_take_turns() -> None:
    order = [task for task, _ in schedule("a1 a2 a3 b1 b2 b3", concurrency=1).run(str)]
    assert order == ["a1", "b1", "a2", "b2", "a3", "b3"]


def test_whoever_takes_a_result_may_add_tasks() -> None:
    made = schedule("a1")
    seen = []
    for task, _ in made.run(str):
        seen.append(task)
        if len(seen) < 3:
            made.add("b", f"b{len(seen)}")
    assert seen == ["a1", "b1", "b2"]


def test_an_error_ends_the_run_and_what_has_not_begun_does_not_begin() -> None:
    begun = []

    def work(task: str) -> None:
        begun.append(task)
        raise RuntimeError("no store")

    with pytest.raises(RuntimeError, match="no store"):
        list(schedule("a1 a2 a3 a4", concurrency=1).run(work))
    assert begun == ["a1"]


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(schedule("").run(str)) == []
