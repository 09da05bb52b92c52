"""The embedded vector store: Qdrant's own engine, in a folder of one process at a time."""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from llm_engineering.domain.errors import StoreLockedError
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.db.qdrant_errors import translated
from llm_engineering.infrastructure.db.qdrant_indexes import CollectionLayout

logger = logging.getLogger(__name__)

# The lock file of the earlier version as well, so that both never run at once; beside it stands who holds it.
_LOCK, _HOLDER = ".lock", "holder.json"
_SHARDS = "shards"
# What qdrant_client's local mode kept here until it was replaced by the engine.
_EARLIER = ("meta.json", "collection")


def open_embedded(folder: Path, layout: CollectionLayout | None = None) -> QdrantVectorStore:
    """A store on the embedded engine in this folder.

    Raises:
        StoreLockedError: another process has it open; the message names it and the remedy.
    """
    from llm_engineering.infrastructure.local.edge_client import EdgeClient

    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / _LOCK).open("a")
    if not _acquired(lock):
        lock.close()
        raise StoreLockedError(_locked(folder))
    try:
        content = {"pid": os.getpid(), "command": " ".join(sys.orig_argv)}
        (folder / _HOLDER).write_text(json.dumps(content), encoding="utf-8")
        _remove_earlier(folder)
        with translated(str(folder)):
            client = EdgeClient(folder / _SHARDS, on_close=lock.close)
    except BaseException:
        lock.close()
        raise
    return QdrantVectorStore(client, str(folder), layout or CollectionLayout(), client.tidy)


@contextmanager
def temporary_store(layout: CollectionLayout | None = None) -> Iterator[QdrantVectorStore]:
    """An empty store that is deleted at the end."""
    with TemporaryDirectory(prefix="moodswarm-qdrant-") as folder:
        store = open_embedded(Path(folder), layout)
        try:
            yield store
        finally:
            store.close()


def embedded_holder(folder: Path) -> str | None:
    """The process that has the embedded store open, in words; None when nobody has."""
    try:
        with (folder / _LOCK).open("r+") as file:
            return None if _acquired(file) else _holder(folder)
    except FileNotFoundError:
        return None


def _acquired(file: IO[str]) -> bool:
    """Whether the lock could be had; it goes when the file is closed, or the process ends."""
    import portalocker  # here, for it tries out the temporary folder when it is imported

    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.LockException:
        return False
    return True


def _remove_earlier(folder: Path) -> None:
    """Features of the earlier version cannot be read by the engine, and can be made anew."""
    present = [folder / name for name in _EARLIER if (folder / name).exists()]
    if not present:
        return
    logger.info(
        "%s holds features of an earlier version, which are deleted. Run the feature pipeline: "
        "`python -m tools.run --run-feature-engineering`",
        folder,
    )
    for path in present:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _locked(folder: Path) -> str:
    return (
        f"The embedded Qdrant store in {folder} is in use by {_holder(folder)}. Stop that process, or run a Qdrant "
        "server (`docker compose up -d qdrant`) and set QDRANT_DATABASE_HOST, so that several can use it."
    )


def _holder(folder: Path) -> str:
    try:
        content = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return f"process {content['pid']} ({content['command']})"
    except (OSError, ValueError, KeyError):
        return "another process"
