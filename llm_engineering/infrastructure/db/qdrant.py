"""The vector store in Qdrant: for each category `cleaned_*`, without vectors, and `embedded_*`, with a dense one.

The same adapter serves a server, a cluster and the embedded engine (`infrastructure/local/qdrant_engine.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from llm_engineering.domain.batching import batched
from llm_engineering.domain.chunks import EmbeddedChunk, Vector
from llm_engineering.domain.documents import CleanedDocument, DataCategory, FeatureState
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.queries import RetrievedChunk

DENSE = "dense"
TIMEOUT_SECONDS = 30
_PAGE = 1000
_DELETE_BATCH = 1000


class QdrantVectorStore:
    """Implements `VectorStore` on a client of a server or of the embedded engine."""

    def __init__(self, client: QdrantClient, where: str) -> None:
        self._client = client
        self._where = where
        self._existing: set[str] = set()

    def prepare(self, dimension: int) -> None:
        """Create the collections that are missing.

        Raises:
            ModelMismatchError: the stored vectors have another dimension.
        """
        with self._translated():
            for category in DataCategory:
                if not self._exists(_cleaned(category)):
                    self._client.create_collection(_cleaned(category), vectors_config={})
                if not self._exists(_embedded(category)):
                    vectors = {DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)}
                    self._client.create_collection(_embedded(category), vectors_config=vectors)
                self._check_dimension(_embedded(category), dimension)

    def feature_states(self, category: DataCategory) -> dict[UUID, FeatureState]:
        """How far the features of each stored document are, by its id."""
        payload = ["feature_hash", "chunk_count"]
        return {
            UUID(str(record.id)): FeatureState.model_validate(record.payload)
            for record in self._scroll(_cleaned(category), payload)
        }

    def upsert_documents(
        self, category: DataCategory, documents: Sequence[tuple[CleanedDocument, FeatureState]]
    ) -> None:
        """Write cleaned documents with the state of their features."""
        points = [
            models.PointStruct(
                id=str(document.id),
                vector={},
                payload={**document.model_dump(mode="json", exclude={"id"}), **state.model_dump()},
            )
            for document, state in documents
        ]
        self._upsert(_cleaned(category), points)

    def upsert_chunks(self, category: DataCategory, chunks: Sequence[EmbeddedChunk]) -> None:
        """Write chunks with their vectors."""
        points = [
            models.PointStruct(id=str(item.chunk.id), vector={DENSE: item.vector}, payload=_payload(item))
            for item in chunks
        ]
        self._upsert(_embedded(category), points)

    def delete_chunks(self, category: DataCategory, chunk_ids: Sequence[UUID]) -> None:
        """Delete chunks; ids that are not there do not matter."""
        self._delete(_embedded(category), chunk_ids)

    def delete_documents(self, category: DataCategory, document_ids: Sequence[UUID]) -> None:
        """Delete cleaned documents; their chunks stay."""
        self._delete(_cleaned(category), document_ids)

    def search(
        self,
        vectors: Sequence[Vector],
        categories: Sequence[DataCategory],
        limit: int,
        author_id: UUID | None = None,
    ) -> list[list[RetrievedChunk]]:
        """For each vector the `limit` nearest chunks of all categories; a request a collection, merged by score."""
        author = models.FieldCondition(key="author_id", match=models.MatchValue(value=str(author_id)))
        requests = [
            models.QueryRequest(
                query=vector,
                using=DENSE,
                limit=limit,
                filter=models.Filter(must=[author]) if author_id else None,
                with_payload=True,
            )
            for vector in vectors
        ]
        found: list[list[RetrievedChunk]] = [[] for _ in vectors]
        with self._translated():
            for category in categories:
                if not self._exists(_embedded(category)):
                    continue
                self._check_dimension(_embedded(category), len(vectors[0]))
                for results, response in zip(
                    found, self._client.query_batch_points(_embedded(category), requests), strict=True
                ):
                    results.extend(_retrieved(point) for point in response.points)
        return [sorted(results, key=lambda chunk: chunk.score, reverse=True)[:limit] for results in found]

    def forget(
        self, category: DataCategory, *, author_id: UUID | None = None, document_ids: Sequence[UUID] = ()
    ) -> dict[str, int]:
        """Erase the points of the author, or of the documents; returns how many went, by collection.

        Chunks are found by what they say of themselves, not by the counts in the cleaned documents, and go first.
        """
        author: list[models.Condition] = [_matches("author_id", [author_id])] if author_id else []
        batches = list(batched(document_ids, _DELETE_BATCH))
        of_chunks = [*author, *(_matches("document_id", batch) for batch in batches)]
        of_documents = [*author, *(models.HasIdCondition(has_id=[str(id_) for id_ in batch]) for batch in batches)]
        return {
            _embedded(category): self._erase(_embedded(category), of_chunks),
            _cleaned(category): self._erase(_cleaned(category), of_documents),
        }

    def count_chunks(self, category: DataCategory) -> int:
        """How many chunks the category has."""
        with self._translated():
            name = _embedded(category)
            return self._client.count(name, exact=True).count if self._exists(name) else 0

    def ping(self) -> None:
        """Raises DependencyUnavailableError when Qdrant does not answer."""
        with self._translated():
            self._client.get_collections()

    def close(self) -> None:
        """Close the client; the embedded store is free for another process then."""
        self._client.close()

    def _exists(self, collection: str) -> bool:
        if collection not in self._existing and self._client.collection_exists(collection):
            self._existing.add(collection)
        return collection in self._existing

    def _check_dimension(self, collection: str, dimension: int) -> None:
        configured = self._client.get_collection(collection).config.params.vectors
        stored = configured[DENSE].size if isinstance(configured, dict) and DENSE in configured else None
        if stored != dimension:
            raise ModelMismatchError(
                f"{collection} holds vectors of dimension {stored}, the embedding model makes {dimension}. Set "
                "TEXT_EMBEDDING_MODEL_ID back, or delete the collections cleaned_* and embedded_* (embedded: "
                "`python -m tools.local_stack reset --only qdrant`) and run the feature pipeline again."
            )

    def _scroll(self, collection: str, payload: list[str]) -> Iterator[models.Record]:
        offset = None
        with self._translated():
            if not self._exists(collection):
                return
            while True:
                records, offset = self._client.scroll(
                    collection, limit=_PAGE, offset=offset, with_payload=payload, with_vectors=False
                )
                yield from records
                if offset is None:
                    return

    def _upsert(self, collection: str, points: list[models.PointStruct]) -> None:
        if points:
            with self._translated():
                self._client.upsert(collection, points, wait=True)

    def _delete(self, collection: str, ids: Sequence[UUID]) -> None:
        with self._translated():
            for batch in batched(ids, _DELETE_BATCH):
                self._client.delete(collection, models.PointIdsList(points=[str(id_) for id_ in batch]), wait=True)

    def _erase(self, collection: str, conditions: Sequence[models.Condition]) -> int:
        """Delete what meets one of the conditions; returns how many points did."""
        erased = 0
        with self._translated():
            for condition in conditions if self._exists(collection) else ():
                chosen = models.Filter(must=[condition])
                erased += self._client.count(collection, count_filter=chosen, exact=True).count
                self._client.delete(collection, models.FilterSelector(filter=chosen), wait=True)
        return erased

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ResponseHandlingException, UnexpectedResponse, ApiException, QdrantException) as error:
            status = getattr(error, "status_code", None)
            if status in (401, 403):
                reason = "refused the key. Check QDRANT_APIKEY."
            elif status:
                reason = f"answered with status {status}."
            else:
                reason = "does not answer. Start it, or mend QDRANT_DATABASE_HOST or QDRANT_CLOUD_URL."
            raise DependencyUnavailableError(f"Qdrant at {self._where} {reason}") from error


def connect(url: str, api_key: str | None) -> QdrantVectorStore:
    """A store on a Qdrant server or cluster. Nothing is sent yet."""
    # The client would ask the server for its version at once, and only warn when nobody answers.
    client = QdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_SECONDS, check_compatibility=False)
    return QdrantVectorStore(client, without_credentials(url))


def _cleaned(category: DataCategory) -> str:
    return f"cleaned_{category.value}"


def _embedded(category: DataCategory) -> str:
    return f"embedded_{category.value}"


def _matches(key: str, ids: Sequence[UUID]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=[str(id_) for id_ in ids]))


def _payload(item: EmbeddedChunk) -> dict[str, Any]:
    chunk = item.chunk
    return {
        **chunk.document.model_dump(mode="json", exclude={"id", "text"}),
        "document_id": str(chunk.document.id),
        "index": chunk.index,
        "text": chunk.text,
        "context": chunk.context,
        "embedding_model": item.model_id,
    }


def _retrieved(point: models.ScoredPoint) -> RetrievedChunk:
    return RetrievedChunk.model_validate({**(point.payload or {}), "id": point.id, "score": point.score})
