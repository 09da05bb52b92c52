"""Folders for what is fetched or unpacked, gone when the context ends."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DAY_SECONDS = 24 * 3600


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder of its own. What a process that was killed has left a day ago under the same prefix is removed first."""
    _remove_leftovers(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        yield Path(name).resolve()


def _remove_leftovers(prefix: str) -> None:
    oldest = time.time() - _DAY_SECONDS
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # another run removes it at the same moment
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and found.st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
