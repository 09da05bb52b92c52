"""Files that are there whole or not at all, and what a full disk is told as, wherever something is written."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from llm_engineering.domain.errors import StorageFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Raise StorageFullError where the disk or the user's quota is full; any other failure stays as it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFullError(
            f"There is no room to write {path}. Make room, and run the same command again: what was stored is kept."
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A new text file, which takes an older one's place when it is whole. Two writers at once do not meet.

    Raises:
        StorageFullError: there is no room; an older file is kept.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                yield file
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
