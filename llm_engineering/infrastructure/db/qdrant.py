"""The vector store in Qdrant: cleaned documents, without vectors, and their chunks, with a dense and a sparse one.

The same adapter serves a server, a cluster and the embedded engine (`infrastructure/local/qdrant_engine.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from qdrant_client import QdrantClient, models
from qdrant_client.http.models import QueryResponse  # `models` has another one of this name

from llm_engineering.domain.batching import batched
from llm_engineering.domain.chunks import EmbeddedChunk, Vector
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from llm_engineering.domain.errors import ModelMismatchError
from llm_engineering.domain.features import FeatureState, IndexSpec, StoredChunk
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import SearchRequest
from llm_engineering.infrastructure.db.qdrant_access import BATCH, IndexPoints
from llm_engineering.infrastructure.db.qdrant_errors import translated
from llm_engineering.infrastructure.db.qdrant_indexes import CHUNKS, DOCUMENTS, CollectionLayout, Indexes, mismatch
from llm_engineering.infrastructure.db.qdrant_points import (
    DENSE,
    chunk_point,
    document_point,
    matches,
    query,
    retrieved,
)
from llm_engineering.infrastructure.db.qdrant_protocol import PointsClient

TIMEOUT_SECONDS = 30
# Whole texts: a page of them must fit the memory, and an answer of a server in its time.
_DOCUMENTS_PAGE = 64


class QdrantVectorStore:
    """Implements `VectorStore` on a client of a server or of the embedded engine.

    `tidy` is what the engine does when it is told to flush; `bound` is the index of a generation.
    """

    def __init__(
        self,
        client: PointsClient,
        where: str,
        layout: CollectionLayout,
        tidy: Callable[[], None] | None = None,
        bound: IndexSpec | None = None,
    ) -> None:
        self._client = client
        self._where = where
        self._layout = layout
        self._tidy = tidy
        self._bound = bound
        self._indexes = Indexes(client, layout)
        self._points = IndexPoints(client, where, self._indexes, bound)

    def active(self) -> IndexSpec | None:
        """What the index that this store searches was made by. It is asked until there is one, and then no more."""
        if self._bound is None:
            return self._points.spec()
        with translated(self._where):
            return self._indexes.active()

    def prepare(self, spec: IndexSpec) -> None:
        """Create what is missing, and delete what an activation that was killed has left over.

        Raises:
            ModelMismatchError: the index was made by other models.
        """
        with translated(self._where):
            stored = self._bound or self._indexes.active()
            if stored is not None and stored != spec:
                raise mismatch(stored, spec)
            self._indexes.create(spec)
            if self._bound is None:
                self._indexes.serve(spec)
                self._indexes.delete_left_over(spec)
                self._indexes.delete_earlier()
                self._points.follow(spec)

    def generation(self, spec: IndexSpec) -> "QdrantVectorStore":
        """The index of these models, created where it is missing; it closes with this store."""
        with translated(self._where):
            self._indexes.create(spec)
        return QdrantVectorStore(self._client, self._where, self._layout, self._tidy, spec)

    def activate(self, spec: IndexSpec) -> None:
        """Let searches see this index from now on.

        The one before stays until the next `prepare`: who opened the store earlier goes on with it until then.
        """
        with translated(self._where):
            self._indexes.create(spec)
            self._indexes.serve(spec)
            self._points.follow(spec)
            self._indexes.delete_earlier()

    def cleaned_documents(
        self, category: DataCategory, author_ids: Sequence[UUID] | None = None
    ) -> Iterator[CleanedDocument]:
        """The cleaned documents of a category, page by page; Qdrant gives points in the order of their ids."""
        authors = [matches("author_id", author_ids)] if author_ids is not None else []
        chosen = models.Filter(must=[matches("category", [category.value]), *authors])
        for record in self._points.scroll(DOCUMENTS, list(CleanedDocument.model_fields), chosen, _DOCUMENTS_PAGE):
            yield CleanedDocument.model_validate({**(record.payload or {}), "id": record.id})

    def feature_states(self, document_ids: Sequence[UUID] | None = None) -> dict[UUID, FeatureState]:
        """How far the features of stored documents are, by their ids: of all, or of those that are asked for."""
        fields = ["feature_hash", "chunk_count", "category"]
        if document_ids is None:
            records = self._points.scroll(DOCUMENTS, fields)
        else:
            records = iter(self._points.retrieve(DOCUMENTS, document_ids, with_payload=fields, with_vectors=False))
        return {UUID(str(record.id)): FeatureState.model_validate(record.payload) for record in records}

    def upsert_documents(self, documents: Sequence[tuple[CleanedDocument, FeatureState]]) -> None:
        """Write cleaned documents with the state of their features."""
        self._points.upsert(DOCUMENTS, [document_point(document, state) for document, state in documents])

    def upsert_chunks(self, chunks: Sequence[EmbeddedChunk]) -> None:
        """Write chunks with their vectors.

        Raises:
            ModelMismatchError: a vector has another length than the index's.
        """
        spec = self._points.spec_to_write()
        for item in chunks:
            _check_dimension(spec, item.vector)
        self._points.upsert(CHUNKS, [chunk_point(item) for item in chunks])

    def delete_chunks(self, chunk_ids: Sequence[UUID]) -> None:
        """Delete chunks; ids that are not there do not matter."""
        self._points.delete(CHUNKS, chunk_ids)

    def delete_chunks_from(self, first_index: Mapping[UUID, int]) -> None:
        """Delete the chunks of each of the documents from its index on, found by what they say of themselves."""
        for first in sorted(set(first_index.values())):
            ids = [id_ for id_, index in first_index.items() if index == first]
            for batch in batched(ids, BATCH):
                beyond = models.FieldCondition(key="index", range=models.Range(gte=first))
                chosen = models.Filter(must=[matches("document_id", batch), beyond])
                ask = partial(self._client.delete, points_selector=models.FilterSelector(filter=chosen))
                self._points.read(CHUNKS, ask, None)

    def delete_documents(self, document_ids: Sequence[UUID]) -> None:
        """Delete cleaned documents; their chunks stay."""
        self._points.delete(DOCUMENTS, document_ids)

    def stored_chunks(self) -> Iterator[StoredChunk]:
        """All chunks, page by page."""
        for record in self._points.scroll(CHUNKS, ["document_id", "index"]):
            yield StoredChunk.model_validate({**(record.payload or {}), "id": record.id})

    def chunks(self, chunk_ids: Sequence[UUID]) -> list[RetrievedChunk]:
        """Those of the chunks that are there."""
        records = self._points.retrieve(CHUNKS, chunk_ids, with_payload=True, with_vectors=False)
        return [retrieved(record) for record in records]

    def vectors(self, chunk_ids: Sequence[UUID]) -> dict[UUID, Vector]:
        """The dense vectors of those of the chunks that are there; Qdrant has made them unit vectors."""
        records = self._points.retrieve(CHUNKS, chunk_ids, with_payload=False, with_vectors=[DENSE])
        found: dict[UUID, Any] = {UUID(str(record.id)): record.vector for record in records}
        return {id_: list(vectors[DENSE]) for id_, vectors in found.items()}

    def search(self, request: SearchRequest) -> list[list[RetrievedChunk]]:
        """All wordings in one call; an empty store gives empty lists.

        Raises:
            ModelMismatchError: a dense vector has another length than the index's, or another index was activated
                since this store was opened.
        """
        spec = self._points.spec()
        queries = [query(vectors, request) for vectors in request.queries]
        asked = [item for item in queries if item is not None]
        if spec is None or not asked:
            return [[] for _ in queries]
        for vectors in request.queries:
            if vectors.dense is not None:
                _check_dimension(spec, vectors.dense)
        none: list[QueryResponse] = []
        answers = iter(self._points.read(CHUNKS, partial(self._client.query_batch_points, requests=asked), none))
        found = [next(answers, None) if item is not None else None for item in queries]
        return [_ranked(answer.points) if answer else [] for answer in found]

    def forget(self, *, author_id: UUID | None = None, document_ids: Sequence[UUID] = ()) -> dict[str, int]:
        """Erase the points of the author, or of the documents, in every index; returns how many went, by collection.

        Chunks are found by what they say of themselves, not by the counts in the cleaned documents, and go first. What
        is left of an earlier layout goes as a whole.
        """
        author: list[models.Condition] = [matches("author_id", [author_id])] if author_id else []
        batches = list(batched(document_ids, BATCH))
        of_chunks = [*author, *(matches("document_id", batch) for batch in batches)]
        of_documents = [*author, *(models.HasIdCondition(has_id=[str(id_) for id_ in batch]) for batch in batches)]
        removed = {
            CHUNKS: self._points.erase(CHUNKS, of_chunks),
            DOCUMENTS: self._points.erase(DOCUMENTS, of_documents),
        }
        with translated(self._where):
            self._indexes.delete_earlier()
        return removed

    def count_chunks(self, category: DataCategory | None = None) -> int:
        """How many chunks there are, of the category or in all."""
        chosen = models.Filter(must=[matches("category", [category.value])]) if category else None
        return self._points.read(
            CHUNKS, lambda name: self._client.count(name, count_filter=chosen, exact=True).count, 0
        )

    def flush(self) -> None:
        """Let the embedded engine tidy up; a server does so by itself."""
        if self._tidy:
            with translated(self._where):
                self._tidy()

    def ping(self) -> None:
        """Raises DependencyUnavailableError when Qdrant does not answer."""
        with translated(self._where):
            self._client.get_collections()

    def close(self) -> None:
        """Close the client; the embedded store is free for another process then."""
        self._client.close()


def _ranked(points: Sequence[models.ScoredPoint]) -> list[RetrievedChunk]:
    """Best first. Fused ranks tie often, and the engine leaves the order of ties to chance."""
    return sorted((retrieved(point) for point in points), key=lambda chunk: (-chunk.score, chunk.id))


def connect(url: str, api_key: str | None, layout: CollectionLayout) -> QdrantVectorStore:
    """A store on a Qdrant server or cluster. Nothing is sent yet."""
    # The client would ask the server for its version at once, and only warn when nobody answers.
    client = QdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_SECONDS, check_compatibility=False)
    return QdrantVectorStore(client, without_credentials(url), layout)


def _check_dimension(spec: IndexSpec, vector: Vector) -> None:
    if len(vector) != spec.dimension:
        raise ModelMismatchError(
            f"The features were made by {spec.describe()}, and the vector has {len(vector)} dimensions. Make them anew "
            "with `python -m tools.features --reindex`, or set TEXT_EMBEDDING_MODEL_ID back."
        )
