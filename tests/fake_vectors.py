"""The vector store in memory, for unit tests. It searches, filters and keeps generations as the real one does."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from uuid import UUID

from llm_engineering.domain.chunks import EmbeddedChunk, SparseVector, Vector
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError
from llm_engineering.domain.features import FeatureState, IndexSpec, StoredChunk
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import ChunkFilter, QueryVectors, SearchRequest

Ranking = list[tuple[UUID, float]]


class Killed(BaseException):
    """Stands for a process that ends in the middle."""


@dataclass
class Index:
    """The points of one set of models."""

    states: dict[UUID, FeatureState] = field(default_factory=dict)
    documents: dict[UUID, CleanedDocument] = field(default_factory=dict)
    chunks: dict[UUID, EmbeddedChunk] = field(default_factory=dict)


@dataclass
class _Shared:
    """What a store and its generations have in common."""

    indexes: dict[IndexSpec, Index] = field(default_factory=dict)
    active: IndexSpec | None = None
    die_after: int | None = None
    prepared_for: IndexSpec | None = None
    flushes: int = 0


class MemoryVectorStore:
    """Points in dictionaries. `die_after` writes raise Killed, as `kill -9` would end the process there.

    `prepared_for` is what `prepare` was last called with, on this store or a generation of it.
    """

    def __init__(self, shared: _Shared | None = None, bound: IndexSpec | None = None) -> None:
        self._shared = shared or _Shared()
        self._bound = bound

    @property
    def die_after(self) -> int | None:
        return self._shared.die_after

    @die_after.setter
    def die_after(self, writes: int | None) -> None:
        self._shared.die_after = writes

    @property
    def prepared_for(self) -> IndexSpec | None:
        return self._shared.prepared_for

    @prepared_for.setter
    def prepared_for(self, spec: IndexSpec | None) -> None:
        self._shared.prepared_for = spec

    @property
    def flushes(self) -> int:
        return self._shared.flushes

    @property
    def indexes(self) -> dict[IndexSpec, Index]:
        """All generations."""
        return self._shared.indexes

    @property
    def states(self) -> dict[UUID, FeatureState]:
        return self._index().states

    @property
    def documents(self) -> dict[UUID, CleanedDocument]:
        return self._index().documents

    # As the protocol has a method `chunks`, the points are called otherwise here.
    @property
    def points(self) -> dict[UUID, EmbeddedChunk]:
        return self._index().chunks

    def active(self) -> IndexSpec | None:
        return self._shared.active

    def prepare(self, spec: IndexSpec) -> None:
        self._shared.prepared_for = spec
        own = self._bound or self._shared.active
        if own not in (None, spec):
            raise ModelMismatchError(f"made by {own.describe()}, not {spec.describe()}: --reindex")
        self._shared.indexes.setdefault(spec, Index())
        if self._bound is None:
            self._shared.active = spec

    def generation(self, spec: IndexSpec) -> "MemoryVectorStore":
        self._shared.indexes.setdefault(spec, Index())
        return MemoryVectorStore(self._shared, spec)

    def activate(self, spec: IndexSpec) -> None:
        self._count_down()
        kept = self._shared.indexes.setdefault(spec, Index())
        self._shared.active = spec
        self._shared.indexes.clear()
        self._shared.indexes[spec] = kept

    def cleaned_documents(
        self, category: DataCategory, author_ids: Sequence[UUID] | None = None
    ) -> Iterator[CleanedDocument]:
        chosen = (d for d in self.documents.values() if author_ids is None or d.author_id in author_ids)
        yield from sorted((d for d in chosen if d.category is category), key=lambda document: document.id)

    def feature_states(self, document_ids: Sequence[UUID] | None = None) -> dict[UUID, FeatureState]:
        return {id_: state for id_, state in self.states.items() if document_ids is None or id_ in document_ids}

    def upsert_documents(self, documents: Sequence[tuple[CleanedDocument, FeatureState]]) -> None:
        index = self._index_to_write()
        self._count_down()
        for document, state in documents:
            index.documents[document.id] = document
            index.states[document.id] = state

    def upsert_chunks(self, chunks: Sequence[EmbeddedChunk]) -> None:
        index = self._index_to_write()
        self._count_down()
        for item in chunks:
            self._check_dimension(item.vector)
            index.chunks[item.chunk.id] = item

    def delete_chunks(self, chunk_ids: Sequence[UUID]) -> None:
        self._count_down()
        for id_ in chunk_ids:
            self.points.pop(id_, None)

    def delete_chunks_from(self, first_index: Mapping[UUID, int]) -> None:
        self._count_down()
        owners = {id_: item.chunk for id_, item in self.points.items()}
        for id_, chunk in owners.items():
            if chunk.index >= first_index.get(chunk.document.id, chunk.index + 1):
                del self.points[id_]

    def delete_documents(self, document_ids: Sequence[UUID]) -> None:
        self._count_down()
        for id_ in document_ids:
            self.documents.pop(id_, None)
            self.states.pop(id_, None)

    def stored_chunks(self) -> Iterator[StoredChunk]:
        for item in list(self.points.values()):
            chunk = item.chunk
            yield StoredChunk(id=chunk.id, document_id=chunk.document.id, index=chunk.index)

    def chunks(self, chunk_ids: Sequence[UUID]) -> list[RetrievedChunk]:
        return [_retrieved(self.points[id_], 0) for id_ in dict.fromkeys(chunk_ids) if id_ in self.points]

    def vectors(self, chunk_ids: Sequence[UUID]) -> dict[UUID, Vector]:
        return {id_: self.points[id_].vector for id_ in chunk_ids if id_ in self.points}

    def search(self, request: SearchRequest) -> list[list[RetrievedChunk]]:
        return [self._search(query, request) for query in request.queries]

    def forget(self, *, author_id: UUID | None = None, document_ids: Sequence[UUID] = ()) -> dict[str, int]:
        def chosen(document: CleanedDocument) -> bool:
            return document.author_id == author_id or document.id in document_ids

        removed = {"embedded_chunks": 0, "cleaned_documents": 0}
        self._count_down()
        for index in self._shared.indexes.values():
            for id_ in [id_ for id_, item in index.chunks.items() if chosen(item.chunk.document)]:
                del index.chunks[id_]
                removed["embedded_chunks"] += 1
        self._count_down()
        for index in self._shared.indexes.values():
            for id_ in [id_ for id_, document in index.documents.items() if chosen(document)]:
                del index.documents[id_], index.states[id_]
                removed["cleaned_documents"] += 1
        return removed

    def count_chunks(self, category: DataCategory | None = None) -> int:
        return sum(category in (None, item.chunk.document.category) for item in self.points.values())

    def flush(self) -> None:
        self._shared.flushes += 1

    def ping(self) -> None:
        pass

    def texts(self, document_id: UUID) -> list[str]:
        """The chunks' texts of a document, in order."""
        own = [item.chunk for item in self.points.values() if item.chunk.document.id == document_id]
        return [chunk.text for chunk in sorted(own, key=lambda chunk: chunk.index)]

    def _search(self, query: QueryVectors, request: SearchRequest) -> list[RetrievedChunk]:
        dense, sparse = query.dense, query.sparse
        if dense is not None:
            self._check_dimension(dense)
        by_score = request.fusion != "rrf"
        both = dense is not None and sparse is not None and (by_score or 0 < request.dense_weight < 1)
        limit = request.candidates if both else request.limit
        branches: list[tuple[float, Ranking]] = []
        if dense is not None and (sparse is None or by_score or request.dense_weight > 0):
            found = self._ranking(lambda item: _cosine(dense, item.vector), request.filter)
            branches.append((request.dense_weight, found[:limit]))
        if sparse is not None and (dense is None or by_score or request.dense_weight < 1):
            weights = self._idf(sparse)
            found = self._ranking(lambda item: _dot(weights, item.sparse), request.filter)
            branches.append((1 - request.dense_weight, [(id_, score) for id_, score in found if score > 0][:limit]))
        ranking = branches[0][1]
        if both and dense is not None and sparse is not None:
            cosines = {id_: _cosine(dense, self.points[id_].vector) for _, found in branches for id_, _ in found}
            by_words = dict(branches[1][1])
            added = _added(cosines, by_words, len(sparse.indices), request)
            ranking = added if by_score else _fused(branches, request.rrf_k)
        return [_retrieved(self.points[id_], score) for id_, score in ranking[: request.limit]]

    def _ranking(self, score: Callable[[EmbeddedChunk], float], condition: ChunkFilter) -> Ranking:
        scored = [(id_, score(item)) for id_, item in self.points.items() if _meets(item.chunk.document, condition)]
        return sorted(scored, key=lambda pair: pair[1], reverse=True)

    def _idf(self, query: SparseVector) -> dict[int, float]:
        """The query's weights times the inverse document frequency, as Qdrant computes it."""
        total = len(self.points)
        having = Counter(index for item in self.points.values() for index in item.sparse.indices)
        return {
            index: value * log((total - having[index] + 0.5) / (having[index] + 0.5) + 1)
            for index, value in zip(query.indices, query.values, strict=True)
        }

    def _check_dimension(self, vector: Vector) -> None:
        spec = self._bound or self._shared.active
        if spec is not None and len(vector) != spec.dimension:
            raise ModelMismatchError(f"the index has {spec.dimension} dimensions, the vector {len(vector)}: --reindex")

    def _index(self) -> Index:
        spec = self._bound or self._shared.active
        return self._shared.indexes.get(spec, Index()) if spec else Index()

    def _index_to_write(self) -> Index:
        spec = self._bound or self._shared.active
        if spec not in self._shared.indexes:
            raise DependencyUnavailableError("There is no such index; call prepare first.")
        return self._shared.indexes[spec]

    def _count_down(self) -> None:
        if self._shared.die_after is None:
            return
        if self._shared.die_after == 0:
            raise Killed
        self._shared.die_after -= 1


def _added(cosines: dict[UUID, float], bm25: dict[UUID, float], terms: int, request: SearchRequest) -> Ranking:
    """Cosine and weighted BM25 of what either branch found; adaptive: the square of BM25 a term."""
    points = bm25 if request.fusion == "linear" else {id_: (score / terms) ** 2 for id_, score in bm25.items()}
    scores = {id_: cosine + request.bm25_weight * points.get(id_, 0.0) for id_, cosine in cosines.items()}
    return sorted(scores.items(), key=lambda pair: pair[1], reverse=True)


def _fused(branches: list[tuple[float, Ranking]], k: int) -> Ranking:
    """Reciprocal ranks, weighted as Qdrant does it."""
    scores: dict[UUID, float] = {}
    for weight, ranking in branches:
        for rank, (id_, _) in enumerate(ranking, 1):
            scores[id_] = scores.get(id_, 0.0) + 1 / (k + rank / (2 * weight))
    return sorted(scores.items(), key=lambda pair: pair[1], reverse=True)


def _cosine(a: Vector, b: Vector) -> float:
    lengths = sqrt(sum(x * x for x in a) * sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def _dot(weights: dict[int, float], vector: SparseVector) -> float:
    return sum(weights.get(index, 0.0) * value for index, value in zip(vector.indices, vector.values, strict=True))


def _meets(document: CleanedDocument, condition: ChunkFilter) -> bool:
    when = document.published_at
    dated = condition.published_from is not None or condition.published_before is not None
    return (
        document.author_id in (condition.author_ids or [document.author_id])
        and document.category in (condition.categories or [document.category])
        and document.platform in (condition.platforms or [document.platform])
        and document.language in (condition.languages or [document.language])
        and not (dated and when is None)
        and not (when and condition.published_from and when < condition.published_from)
        and not (when and condition.published_before and when >= condition.published_before)
    )


def _retrieved(item: EmbeddedChunk, score: float) -> RetrievedChunk:
    chunk, document = item.chunk, item.chunk.document
    return RetrievedChunk(
        id=chunk.id,
        document_id=document.id,
        category=document.category,
        author_full_name=document.author_full_name,
        title=document.title,
        link=document.link,
        text=chunk.text,
        context=chunk.context,
        lead=chunk.lead,
        index=chunk.index,
        platform=document.platform,
        language=document.language,
        published_at=document.published_at,
        score=score,
    )
