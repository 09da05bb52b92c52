"""The embedded MongoDB-wire server as a daemon."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.local import mongo_daemon
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from tests.fakes import article


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MongoDaemon]:
    daemon = MongoDaemon(tmp_path)
    yield daemon
    daemon.stop()


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while is_running(pid):
        if time.monotonic() > deadline:
            raise TimeoutError(pid)
        time.sleep(0.05)


def test_it_starts_once_listens_on_loopback_only_and_stops(daemon: MongoDaemon) -> None:
    assert daemon.running() is None
    state = daemon.ensure_running()
    assert daemon.ensure_running() == state
    addresses = {c.laddr.ip for c in psutil.Process(state.pid).net_connections() if c.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}
    assert daemon.stop()
    assert daemon.running() is None
    assert not daemon.stop()


def test_it_outlives_the_command_that_started_it(daemon: MongoDaemon, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon;"
        f"print(MongoDaemon(Path({str(tmp_path)!r})).ensure_running().pid)"
    )
    started = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    state = daemon.running()
    assert state is not None
    assert state.pid == started


def test_several_processes_that_want_it_at_once_get_the_same_one(daemon: MongoDaemon, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon;"
        f"print(MongoDaemon(Path({str(tmp_path)!r})).ensure_running().port)"
    )
    commands = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ports = {command.communicate(timeout=120)[0].strip() for command in commands}
    assert len(ports) == 1


def test_after_kill_9_it_starts_again_with_what_was_written(daemon: MongoDaemon) -> None:
    state = daemon.ensure_running()
    store = MongoDocumentStore(state.uri, "twin")
    store.upsert([article(f"text {i}", f"https://e.com/{i}") for i in range(50)])
    os.kill(state.pid, signal.SIGKILL)
    wait_until_gone(state.pid)
    assert daemon.running() is None
    assert daemon.ensure_running().port == state.port
    # The store of a service that runs on finds the server again.
    assert store.count(DataCategory.ARTICLES) == 50
    store.close()


def test_another_process_with_the_same_pid_is_not_taken_for_it(daemon: MongoDaemon, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mongodb.json").write_text(f'{{"pid": {os.getpid()}, "created": 1.0, "port": 1}}')
    assert daemon.running() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_state_file_is_no_daemon(daemon: MongoDaemon, tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mongodb.json").write_text(content)
    assert daemon.running() is None


def test_a_daemon_that_cannot_start_says_why(
    daemon: MongoDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_daemon, "START_SECONDS", 20)
    daemon.data.parent.mkdir(exist_ok=True)
    other = MongoDaemon(tmp_path / "other")
    other.data = daemon.data
    other.ensure_running()
    try:
        with pytest.raises(DependencyUnavailableError, match=r"does not start\. The end of"):
            daemon.ensure_running()
    finally:
        other.stop()
