"""The embedded stack as a whole."""

import shutil
from pathlib import Path

from llm_engineering.domain.errors import StoreLockedError
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.infrastructure.local.qdrant_engine import embedded_holder
from llm_engineering.infrastructure.local.weights import gemma_gguf, packaged_embedder_path

PARTS = ("mongodb", "qdrant", "zenml")


class LocalStack:
    """What stands in one state folder, and the models."""

    def __init__(self, folder: Path, models_dir: Path, embedding_model_id: str) -> None:
        self.folder = folder
        self._models_dir = models_dir
        self._embedding_model_id = embedding_model_id
        self._mongo = MongoDaemon(folder)

    def up(self) -> dict[str, str]:
        """Start the server and check the weights; what is there already stays."""
        state = self._mongo.ensure_running()
        packaged = packaged_embedder_path(self._embedding_model_id)
        return {
            "mongodb": f"runs at {state.uri} (process {state.pid})",
            "embedding model": f"{packaged} (hash checked)" if packaged else "not packaged, comes from Hugging Face",
            "language model": f"{gemma_gguf(self._models_dir)} (hash checked)",
        }

    def down(self) -> bool:
        """Stop the server; whether it ran."""
        return self._mongo.stop()

    def status(self) -> dict[str, str]:
        """Each part in a line."""
        state = self._mongo.running()
        holder = embedded_holder(self.folder / "qdrant")
        return {
            "mongodb": f"runs at {state.uri} (process {state.pid})" if state else "stopped",
            "qdrant": f"in use by {holder}" if holder else "free",
            **{f"{name} data": _size(self.folder / name) for name in PARTS},
            "models": _size(self._models_dir),
        }

    def reset(self, only: str | None) -> list[str]:
        """Delete the data of one part or of all; the weights stay. Returns what was deleted.

        Raises:
            StoreLockedError: a process has the embedded Qdrant store open.
        """
        parts = [only] if only else list(PARTS)
        holder = embedded_holder(self.folder / "qdrant") if "qdrant" in parts else None
        if holder:
            raise StoreLockedError(f"The embedded Qdrant store is in use by {holder}. Stop that process first.")
        if "mongodb" in parts:
            self._mongo.stop()
        present = [name for name in parts if (self.folder / name).exists()]
        for name in present:
            shutil.rmtree(self.folder / name)
        return present


def _size(folder: Path) -> str:
    # What the disk has given: the vector store's files have room in them that takes none.
    size = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    return f"{size / 1024 / 1024:.1f} MiB in {folder}"
