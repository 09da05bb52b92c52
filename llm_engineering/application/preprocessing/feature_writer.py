"""How features are written, in an order that survives a kill at any moment.

The documents marked as unfinished, the chunks, the removal of the old text's surplus chunks, the mark taken off. Chunks
to delete are found by what they say of themselves, for the counts known here may be older than another writer's.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from llm_engineering.application.preprocessing.making import DocumentFeatures, FeatureMakers, embed_batches
from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.chunks import EmbeddedChunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.features import FeatureState, IndexSpec
from llm_engineering.domain.ports import VectorStore

# Embedded chunks that are stored together.
UPSERT_CHUNKS = 128
# After so many written chunks, the engine is let tidy up.
FLUSH_CHUNKS = 1_000


class Stages:
    """Adds up the seconds that each stage of the work takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count what was timed elsewhere."""
        for stage, spent in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the seconds of the block for the stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


class FeatureWriter:
    """Writes features into one index. The model is loaded at the first write, and not before."""

    def __init__(self, vectors: VectorStore, makers: FeatureMakers, stages: Stages | None = None) -> None:
        self._vectors = vectors
        self._makers = makers
        self._stages = stages or Stages()
        self._spec: IndexSpec | None = None
        self._written = 0

    def prepare(self) -> None:
        """See to it that the index is there and made by these models. Raises ModelMismatchError if it is not."""
        if self._spec is None:
            with self._stages.timed("load model"):
                self._spec = self._makers.spec()
        # Each time anew: another process may have switched to another index since.
        self._vectors.prepare(self._spec)

    def write(
        self,
        items: Sequence[DocumentFeatures],
        stored: Mapping[UUID, FeatureState],
        advance: Callable[[float], None] | None = None,
        embedded: Iterable[list[EmbeddedChunk]] | None = None,
    ) -> None:
        """Embed the documents' chunks and store all. `stored` has the states that the documents had so far.

        `embedded` has the chunks' vectors where they are made already.
        """
        if not items:
            return
        self.prepare()
        counts = {id_: state.chunk_count for id_, state in stored.items()}
        with self._stages.timed("load"):
            self._vectors.upsert_documents([_unfinished(item, counts.get(item.cleaned.id, 0)) for item in items])
        self._write_chunks(items, advance or _unwatched, embedded)
        with self._stages.timed("load"):
            self._vectors.delete_chunks_from({item.cleaned.id: item.state.chunk_count for item in items})
            self._vectors.upsert_documents([(item.cleaned, item.state) for item in items])

    def remove(self, states: Mapping[UUID, FeatureState]) -> None:
        """Delete documents with all their chunks; the documents last, so that a kill leaves no chunk behind."""
        with self._stages.timed("load"):
            for ids in batched(states, BATCH_SIZE):
                self._vectors.delete_chunks_from(dict.fromkeys(ids, 0))
                self._vectors.delete_documents(ids)

    def finish(self) -> None:
        """Let the engine tidy up, if much was written since the last time."""
        if self._written >= FLUSH_CHUNKS:
            with self._stages.timed("load"):
                self._vectors.flush()
            self._written = 0

    def _write_chunks(
        self,
        items: Sequence[DocumentFeatures],
        advance: Callable[[float], None],
        embedded: Iterable[list[EmbeddedChunk]] | None,
    ) -> None:
        chunks = [chunk for item in items for chunk in item.chunks]
        share = len(items) / max(len(chunks), 1)
        waiting: list[EmbeddedChunk] = []
        batches = embed_batches(chunks, self._makers) if embedded is None else iter(embedded)
        while True:
            with self._stages.timed("embed"):
                batch = next(batches, None)
            waiting += batch or []
            if waiting and (batch is None or len(waiting) >= UPSERT_CHUNKS):
                with self._stages.timed("load"):
                    self._vectors.upsert_chunks(waiting)
                advance(len(waiting) * share)
                waiting = []
            if batch is None:
                break
        if not chunks:
            advance(len(items))
        self._written += len(chunks)


def _unwatched(_: float) -> None:
    """For work that nobody watches."""


def _unfinished(item: DocumentFeatures, stored_count: int) -> tuple[CleanedDocument, FeatureState]:
    count = max(item.state.chunk_count, stored_count)
    return item.cleaned, item.state.model_copy(update={"feature_hash": "", "chunk_count": count})
