"""The embedded document store: a MongoDB-wire server (SecantusDB, on WiredTiger) as a daemon on a loopback port.

It is started when it is first needed, outlives the command that started it, and is shared by all processes of this
checkout. It runs as a program of its own; nothing of it is imported.
"""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from llm_engineering.domain.errors import DependencyUnavailableError, MissingExtraError

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 20
PORT_SECONDS = 3
_LOG_TAIL = 5


@dataclass(frozen=True)
class DaemonState:
    """Which process serves, and where. `created` tells the process from a later one with the same pid."""

    pid: int
    created: float
    port: int

    @property
    def uri(self) -> str:
        """Where to connect."""
        return f"mongodb://{HOST}:{self.port}/?directConnection=true"


class MongoDaemon:
    """Starts, finds and stops the daemon of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        self.data = state_dir / "mongodb"
        self.log = state_dir / "logs" / "mongodb.log"
        self._state_file = state_dir / "run" / "mongodb.json"
        self._port_file = state_dir / "run" / "mongodb.port"
        self._lock_file = state_dir / "run" / "mongodb.lock"

    def running(self) -> DaemonState | None:
        """The daemon's state, if it is alive."""
        try:
            state = DaemonState(**json.loads(self._state_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return state if _process(state) else None

    def ensure_running(self) -> DaemonState:
        """The running daemon, started if there is none. Safe to call from several processes at once.

        Raises:
            MissingExtraError: SecantusDB is not installed.
            DependencyUnavailableError: it does not start; the message has the end of its log.
        """
        import portalocker  # here, for it tries out the temporary folder when it is imported

        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with portalocker.Lock(self._lock_file, timeout=START_SECONDS):
                return self.running() or self._start()
        except portalocker.LockException as error:
            raise DependencyUnavailableError(
                f"Another process has been starting the embedded MongoDB server for {START_SECONDS} s; see {self.log}."
            ) from error

    def stop(self) -> bool:
        """Stop the daemon and wait for it to end; whether there was one."""
        state = self.running()
        process = _process(state) if state else None
        if process is None:
            return False
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        self._state_file.unlink(missing_ok=True)
        return True

    def _start(self) -> DaemonState:
        program = Path(sys.executable).with_name("secantusd-py")
        if not program.exists():
            raise MissingExtraError("secantusdb", "local", "The embedded MongoDB server")
        self.data.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        port = self._choose_port()
        # Synced: without it, what was written just before a kill -9 was gone (1 of 1,000 documents when tried).
        command = [
            str(program),
            "--host",
            HOST,
            "--port",
            str(port),
            "--storage-path",
            str(self.data),
            "--sync-on-commit",
        ]
        with self.log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.data
            )
        deadline = time.monotonic() + START_SECONDS
        while not _accepts(port):
            if child.poll() is not None or time.monotonic() > deadline:
                child.kill()
                raise DependencyUnavailableError(f"The embedded MongoDB server does not start. {self._log_tail()}")
            time.sleep(0.05)
        child.returncode = 0  # let go of: Popen would warn that it is forgotten while it runs
        state = DaemonState(pid=child.pid, created=psutil.Process(child.pid).create_time(), port=port)
        partial = self._state_file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(state)), encoding="utf-8")
        os.replace(partial, self._state_file)
        self._port_file.write_text(str(port), encoding="utf-8")
        return state

    def _choose_port(self) -> int:
        """The port of last time where it is free, so that a service that runs on finds the server again."""
        try:
            last = int(self._port_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return _bind(0)
        deadline = time.monotonic() + PORT_SECONDS
        while time.monotonic() < deadline:
            # A server that was killed leaves its port in use until its clients have noticed.
            with suppress(OSError, OverflowError):
                return _bind(last)
            time.sleep(0.1)
        return _bind(0)

    def _log_tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL:]
        return f"The end of {self.log}:\n" + "\n".join(lines)


def _process(state: DaemonState) -> psutil.Process | None:
    try:
        process = psutil.Process(state.pid)
        same = abs(process.create_time() - state.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _bind(port: int) -> int:
    """The port, or for 0 any free one, once it is known to be free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
