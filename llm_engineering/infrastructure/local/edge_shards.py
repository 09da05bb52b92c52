"""A collection's shard of the embedded engine, whose memory does not grow with what is stored.

The engine writes to a segment that keeps ids, payload indexes and sparse vectors in the process: 3 kB a chunk. So after
every few thousand vectors its optimisers seal that segment: all of it becomes files, which are mapped, and which the
system may drop from its cache. They also merge sealed segments, which takes memory while it lasts, and so a segment has
a bound. The process stands still meanwhile, for about a second.
"""

from pathlib import Path

import qdrant_edge as edge
from qdrant_client import models

from llm_engineering.infrastructure.heap import return_free_memory
from llm_engineering.infrastructure.local import edge_models as convert
from llm_engineering.infrastructure.local.edge_files import Description

# About 8 MiB. Sealing takes a tenth of the time of embedding as many chunks, and less if it is done more rarely.
UNSEALED_VECTORS = 2_500

DESCRIPTION = "collection.json"
_SHARD = "shard"


class Shard:
    """The shard in a collection's folder, open; `engine` is what to call."""

    def __init__(self, folder: Path) -> None:
        described = Description.read(folder / DESCRIPTION)
        # What is not given stays as it was created: the quantisation.
        config = convert.shard_config(described.vectors, described.sparse, None)
        self.engine = edge.EdgeShard.load(str(folder / _SHARD), config)
        self._has_vectors = bool(described.vectors)
        self._unsealed = described.unsealed(self.engine.info())

    @staticmethod
    def create(
        folder: Path,
        described: Description,
        quantization: models.ScalarQuantization | models.BinaryQuantization | None,
    ) -> None:
        """Lay out a collection in the folder, which is empty."""
        config = convert.shard_config(described.vectors, described.sparse, quantization)
        edge.EdgeShard.create(str(folder / _SHARD), config).close()
        described.write(folder / DESCRIPTION)

    def upsert(self, points: list[edge.Point]) -> None:
        """Write points; they are in the write-ahead log when this returns."""
        self.engine.update(edge.UpdateOperation.upsert_points(points))
        self._unsealed += len(points)
        self._seal_if_due()

    def tidy(self) -> None:
        """Write all to the shard's own files."""
        self._seal_if_due()
        self.engine.flush()

    def close(self) -> None:
        """Close the shard, with all that is written to it."""
        self.engine.close()

    def _seal_if_due(self) -> None:
        if not self._has_vectors or self._unsealed < UNSEALED_VECTORS:
            return
        self.engine.optimize()
        self.engine.flush()
        self._unsealed = 0
        return_free_memory()
