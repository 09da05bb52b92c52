"""What a full disk is told as, wherever something is written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
