"""The small files that stand beside the embedded engine's shards."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from qdrant_client import models

from llm_engineering.domain.errors import StoreLockedError
from llm_engineering.infrastructure.db.qdrant_protocol import EngineError

if TYPE_CHECKING:
    import qdrant_edge as edge  # ShardInfo stands in the stubs alone


@dataclass(frozen=True)
class Description:
    """What a collection was created with."""

    vectors: dict[str, models.VectorParams]
    sparse: dict[str, models.SparseVectorParams]
    metadata: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises EngineError when the file is damaged or missing."""
        content = read_json(path)
        if content is None:
            raise EngineError(f"{path} is missing", 404)
        return cls(
            {name: models.VectorParams.model_validate(item) for name, item in content["vectors"].items()},
            {name: models.SparseVectorParams.model_validate(item) for name, item in content["sparse"].items()},
            content["metadata"],
        )

    def write(self, path: Path) -> None:
        """Write it so that it is there as a whole."""
        vectors = {name: params.model_dump(mode="json", exclude_none=True) for name, params in self.vectors.items()}
        sparse = {name: params.model_dump(mode="json", exclude_none=True) for name, params in self.sparse.items()}
        write_json(path, {"vectors": vectors, "sparse": sparse, "metadata": self.metadata})

    def unsealed(self, info: "edge.ShardInfo") -> int:
        """How many dense vectors are in no sealed segment; of the sparse ones the engine says that all are indexed."""
        of_all = info.points_count * (len(self.vectors) + len(self.sparse))
        return max(0, of_all - info.indexed_vectors_count)

    def info(self, info: "edge.ShardInfo") -> models.CollectionInfo:
        """In a server's words; what it says of settings are the engine's defaults."""
        data_types = {"Keyword": models.PayloadSchemaType.KEYWORD, "Datetime": models.PayloadSchemaType.DATETIME}
        return models.CollectionInfo(
            status=models.CollectionStatus.GREEN,
            optimizer_status=models.OptimizersStatusOneOf.OK,
            indexed_vectors_count=info.indexed_vectors_count,
            points_count=info.points_count,
            segments_count=info.segments_count,
            payload_schema={
                name: models.PayloadIndexInfo(
                    data_type=data_types[str(index.data_type).rpartition(".")[2]], points=index.points
                )
                for name, index in info.payload_schema.items()
            },
            config=models.CollectionConfig(
                params=models.CollectionParams(vectors=self.vectors, sparse_vectors=self.sparse),
                hnsw_config=models.HnswConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
                optimizer_config=models.OptimizersConfig(
                    deleted_threshold=0.2,
                    vacuum_min_vector_number=1000,
                    default_segment_number=0,
                    flush_interval_sec=5,
                ),
                metadata=self.metadata,
            ),
        )


@contextmanager
def translated(where: Path) -> Iterator[None]:
    """Raises EngineError or StoreLockedError for what the engine raises, which is the bare `Exception`."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:
            raise
        if "WouldBlock" in str(error):
            raise StoreLockedError(
                f"Another process has the embedded Qdrant store in {where} open, past its lock file. Stop that process."
            ) from error
        # A shard that was closed because its collection was deleted says that it is not initialized.
        raise EngineError(str(error), 404 if "not initialized" in str(error) else 500) from error


def read_json(path: Path) -> dict[str, Any] | None:
    """What stands in the file; None where there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EngineError(f"{path} is damaged") from error
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace the file as a whole; it is on the disk when this returns."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a change of names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
