"""The embedded vector store: the official Qdrant client's local mode.

Exact search over vectors in memory, kept in a folder, for one process at a time.
"""

import json
import os
import sys
from pathlib import Path

from qdrant_client import QdrantClient

from llm_engineering.domain.errors import StoreLockedError
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore

# The client's own lock file, and beside it who holds it.
_LOCK, _HOLDER = ".lock", "holder.json"


def open_embedded(folder: Path) -> QdrantVectorStore:
    """A store on the embedded engine in this folder.

    Raises:
        StoreLockedError: another process has it open; the message names it and the remedy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Asked before: the client that finds the folder locked leaves its lock file open.
    holder = embedded_holder(folder)
    if holder:
        raise StoreLockedError(_locked(folder, holder))
    try:
        # Requests of the API come from several threads; the engine only reads then.
        client = QdrantClient(path=str(folder), force_disable_check_same_thread=True)
    except RuntimeError as error:
        if "already accessed" not in str(error):
            raise
        raise StoreLockedError(_locked(folder, _holder(folder))) from error
    content = {"pid": os.getpid(), "command": " ".join(sys.orig_argv)}
    (folder / _HOLDER).write_text(json.dumps(content), encoding="utf-8")
    return QdrantVectorStore(client, str(folder))


def embedded_holder(folder: Path) -> str | None:
    """The process that has the embedded store open, in words; None when nobody has."""
    import portalocker  # here, for it tries out the temporary folder when it is imported

    try:
        with (folder / _LOCK).open("r+") as file:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            portalocker.unlock(file)
    except FileNotFoundError:
        return None
    except portalocker.LockException:
        return _holder(folder)
    return None


def _locked(folder: Path, holder: str) -> str:
    return (
        f"The embedded Qdrant store in {folder} is in use by {holder}. Stop that process, or run a Qdrant server "
        "(`docker compose up -d qdrant`) and set QDRANT_DATABASE_HOST, so that several can use it."
    )


def _holder(folder: Path) -> str:
    try:
        content = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return f"process {content['pid']} ({content['command']})"
    except (OSError, ValueError, KeyError):
        return "another process"
