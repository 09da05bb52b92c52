"""The feature pipeline: bring the vector store in line with the document store, and do no work twice.

Documents are streamed; what is held in memory is one window of chunks and a hash a document. A window is sorted by
length before it is embedded, so that a batch has little padding. Its writes are ordered for a kill at any moment:
the documents marked as unfinished, the chunks, the removal of the old text's surplus chunks, the mark taken off.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.batching import batched
from llm_engineering.domain.chunks import Chunk, EmbeddedChunk, chunk_id
from llm_engineering.domain.documents import CleanedDocument, DataCategory, FeatureState, RawDocument, text_hash
from llm_engineering.domain.ports import DocumentStore, Embedder, Progress, VectorStore
from llm_engineering.domain.reports import CategoryFeatures, FeatureReport, WriteCounts

# Raise it when cleaning or chunking changes what it makes: every document is then done anew.
PREPROCESSING_VERSION = 1
# Chunks that are held and sorted together.
WINDOW_CHUNKS = 512


@dataclass
class _Window:
    """Documents waiting to be embedded together."""

    documents: list[tuple[CleanedDocument, FeatureState]] = field(default_factory=list)
    stored_counts: dict[UUID, int] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)


class FeatureSync:
    """One run over all categories. Use `sync_features`."""

    def __init__(self, documents: DocumentStore, vectors: VectorStore, embedder: Embedder, progress: Progress) -> None:
        self._documents = documents
        self._vectors = vectors
        self._embedder = embedder
        self._progress = progress
        self._seconds: Counter[str] = Counter()
        # A run that finds nothing changed never asks for the model's dimension, and so never loads the model.
        self._prepared = False

    def run(self, author_ids: Sequence[UUID] | None) -> FeatureReport:
        """Sync every category and report."""
        started = time.monotonic()
        categories = {category.value: self._sync(category, author_ids) for category in DataCategory}
        return FeatureReport(
            embedding_model=self._embedder.model_id,
            categories=categories,
            seconds=time.monotonic() - started,
            seconds_by_stage=dict(self._seconds),
        )

    def _sync(self, category: DataCategory, author_ids: Sequence[UUID] | None) -> CategoryFeatures:
        report = CategoryFeatures()
        with self._timed("load"):
            states = self._vectors.feature_states(category)
        window = _Window()
        total = self._documents.count(category, author_ids)
        with self._progress.task(f"Features of {category}", total=total) as advance:
            for raw in self._documents.stream(category, author_ids):
                expected = feature_hash(raw, self._embedder)
                stored = states.get(raw.id)
                if stored and stored.feature_hash == expected:
                    report.documents.unchanged += 1
                    advance(1)
                    continue
                report.documents += WriteCounts(changed=1) if stored else WriteCounts(new=1)
                self._prepare(raw, expected, stored, window, report)
                if len(window.chunks) >= WINDOW_CHUNKS:
                    states |= self._write(category, window, advance)
                    window = _Window()
            states |= self._write(category, window, advance)
        report.removed = self._remove_vanished(category, states)
        return report

    def _prepare(
        self, raw: RawDocument, expected: str, stored: FeatureState | None, window: _Window, report: CategoryFeatures
    ) -> None:
        """Clean and chunk one document into the window."""
        if not self._prepared:
            with self._timed("load model"):
                self._vectors.prepare(self._embedder.dimension)
            self._prepared = True
        with self._timed("clean"):
            cleaned = clean(raw)
        with self._timed("chunk"):
            chunks = chunk(cleaned, self._embedder.token_starts, self._embedder.max_tokens)
        report.empty += not chunks
        report.characters += len(cleaned.text)
        report.chunks_embedded += len(chunks)
        window.documents.append((cleaned, FeatureState(feature_hash=expected, chunk_count=len(chunks))))
        window.stored_counts[cleaned.id] = stored.chunk_count if stored else 0
        window.chunks.extend(chunks)

    def _write(
        self, category: DataCategory, window: _Window, advance: Callable[[float], None]
    ) -> dict[UUID, FeatureState]:
        """Embed and store a window; returns the states that its documents have now."""
        if not window.documents:
            return {}
        unfinished = [
            (
                cleaned,
                FeatureState(feature_hash="", chunk_count=max(state.chunk_count, window.stored_counts[cleaned.id])),
            )
            for cleaned, state in window.documents
        ]
        surplus = [
            chunk_id(cleaned.id, index)
            for cleaned, state in window.documents
            for index in range(state.chunk_count, window.stored_counts[cleaned.id])
        ]
        with self._timed("load"):
            self._vectors.upsert_documents(category, unfinished)
        for batch in _length_sorted_batches(window.chunks, self._embedder.batch_size):
            with self._timed("embed"):
                vectors = self._embedder.embed([chunk.embedding_text for chunk in batch])
            with self._timed("load"):
                self._vectors.upsert_chunks(category, _embedded(batch, vectors, self._embedder.model_id))
            advance(len(batch) / len(window.chunks) * len(window.documents))
        with self._timed("load"):
            self._vectors.delete_chunks(category, surplus)
            self._vectors.upsert_documents(category, window.documents)
        if not window.chunks:
            advance(len(window.documents))
        return {cleaned.id: state for cleaned, state in window.documents}

    def _remove_vanished(self, category: DataCategory, states: dict[UUID, FeatureState]) -> int:
        """Delete what was taken out of the document store, whoever's it was."""
        vanished = states.keys() - set(self._documents.ids(category))
        chunks = [chunk_id(id_, index) for id_ in vanished for index in range(states[id_].chunk_count)]
        with self._timed("load"):
            self._vectors.delete_chunks(category, chunks)
            self._vectors.delete_documents(category, list(vanished))
        return len(vanished)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[stage] += time.perf_counter() - started  # type: ignore[assignment]


def sync_features(
    documents: DocumentStore,
    vectors: VectorStore,
    embedder: Embedder,
    progress: Progress,
    author_ids: Sequence[UUID] | None = None,
) -> FeatureReport:
    """Clean, chunk and embed what is new or changed, and remove what vanished.

    `author_ids` limits what is computed, not what is removed. Raises ModelMismatchError when the chunks stored have
    another dimension than the model's vectors.
    """
    return FeatureSync(documents, vectors, embedder, progress).run(author_ids)


def feature_hash(raw: RawDocument, embedder: Embedder) -> str:
    """Hash of all that a document's features depend on: its content, its author, the code and the model."""
    return text_hash(raw.content_hash, raw.author_full_name, str(PREPROCESSING_VERSION), embedder.model_id)


def _length_sorted_batches(chunks: Sequence[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Longest first: memory has its peak at once, and a batch has little padding."""
    return batched(sorted(chunks, key=lambda chunk: chunk.token_count, reverse=True), size)


def _embedded(chunks: Sequence[Chunk], vectors: Sequence[list[float]], model_id: str) -> list[EmbeddedChunk]:
    return [
        EmbeddedChunk(chunk=chunk, vector=vector, model_id=model_id)
        for chunk, vector in zip(chunks, vectors, strict=True)
    ]
