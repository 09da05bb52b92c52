"""What a process that is killed leaves of its browser: a watcher removes it at once, or else the next start does.

The watcher runs this file by itself, so that it imports nothing of this package.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_PREFIX = "moodswarm-chrome-"
_OWNER = "owner"
# A folder that does not say whose it is may have been made a moment ago.
_NAMELESS_SECONDS = 600
# The same process; the system's clock may have been set in between.
_SAME_START_SECONDS = 60
_ROUNDS = 5
_PATIENCE_SECONDS = 5
_POLL_SECONDS = 0.05


def new_folder() -> str:
    """Make a folder for all that one browser writes; it says which process it belongs to."""
    import psutil

    folder = tempfile.mkdtemp(prefix=_PREFIX)
    owner = psutil.Process()
    Path(folder, _OWNER).write_text(f"{owner.pid} {owner.create_time()}", "ascii")
    return folder


def profile(folder: str) -> str:
    """Chromium's flag that tells its profile, by which its processes are known."""
    return f"--user-data-dir={Path(folder) / 'profile'}"


def environment(folder: str) -> dict[str, str]:
    """The variables of the driver and the browser, by which they are known as well.

    Neither the secrets in the environment nor the user's own profile are any business of a web page.
    """
    return {"PATH": os.defpath, "HOME": folder, "TMPDIR": folder}


def watch(folder: str) -> "subprocess.Popen[bytes]":
    """Start a process that removes the folder and its browser once this process is gone, however it ended.

    The end of a pipe tells it. A parent's death signal would not do: it comes when the thread ends.
    """
    return subprocess.Popen(  # noqa: S603 - this file itself
        [sys.executable, "-I", __file__, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def sweep() -> None:
    """Remove the folders and browsers of processes of this user that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _is_left_over(folder):
            remove(str(folder))


def remove(folder: str) -> None:
    """Kill the processes that belong to the folder, and delete it."""
    for _ in range(_ROUNDS):  # the driver may be starting the browser just now
        found = _processes_of(folder)
        if not found:
            break
        kill(found)
    shutil.rmtree(folder, ignore_errors=True)


def kill(processes: Sequence[Any]) -> None:
    """Kill them, and wait until they are gone."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    until = time.monotonic() + _PATIENCE_SECONDS
    # One that nobody has waited for, as in a container without an init, is gone as well, and stays in the list.
    while (running := [process for process in processes if _is_running(process)]) and time.monotonic() < until:
        psutil.wait_procs(running, timeout=_POLL_SECONDS)


def _is_running(process: Any) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_left_over(folder: Path) -> bool:
    """Whether the folder is this user's, and its owner is gone. What another user has put there is left alone."""
    try:
        found = folder.lstat()
        is_own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        return is_own and stat.S_ISDIR(found.st_mode) and not _has_owner(folder, time.time() - found.st_mtime)
    except OSError:  # another process removes it at the same time
        return False


def _has_owner(folder: Path, age_seconds: float) -> bool:
    import psutil

    try:
        pid, started = Path(folder, _OWNER).read_text("ascii").split()
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    except (FileNotFoundError, ValueError):
        return age_seconds < _NAMELESS_SECONDS


def _processes_of(folder: str) -> list[Any]:
    import psutil

    return [process for process in psutil.process_iter() if _belongs_to(folder, process)]


def _belongs_to(folder: str, process: Any) -> bool:
    """The driver does not name the profile, but has the folder as its home."""
    import psutil

    with suppress(psutil.Error):
        if profile(folder) in process.cmdline():
            return True
    with suppress(psutil.Error):
        return bool(process.environ().get("HOME") == folder)
    return False


if __name__ == "__main__":
    sys.stdin.buffer.read()
    remove(sys.argv[1])
