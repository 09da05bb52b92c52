"""The part of qdrant_client's interface that the vector store uses. The embedded engine's client has it, too."""

from collections.abc import Sequence
from typing import Any, Protocol

from qdrant_client import models
from qdrant_client.http.models import QueryResponse  # `models` has another one of this name


class EngineError(Exception):
    """The embedded engine could not do what it was asked to; `status_code` is what a server would have answered."""

    def __init__(self, message: str, status_code: int = 500) -> None:
        super().__init__(message)
        self.status_code = status_code


class PointsClient(Protocol):
    """Methods and arguments as those of `qdrant_client.QdrantClient`. A write is done when its call returns."""

    def get_collections(self) -> models.CollectionsResponse: ...

    def get_collection(self, collection_name: str) -> models.CollectionInfo: ...

    def collection_exists(self, collection_name: str) -> bool: ...

    def create_collection(
        self,
        collection_name: str,
        *,
        vectors_config: dict[str, models.VectorParams],
        sparse_vectors_config: dict[str, models.SparseVectorParams],
        shard_number: int,
        replication_factor: int,
        quantization_config: models.ScalarQuantization | models.BinaryQuantization | None,
        metadata: dict[str, Any],
    ) -> bool: ...

    def delete_collection(self, collection_name: str) -> bool: ...

    def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: models.PayloadSchemaType
    ) -> models.UpdateResult: ...

    def get_aliases(self) -> models.CollectionsAliasesResponse: ...

    def update_collection_aliases(
        self, change_aliases_operations: Sequence[models.CreateAliasOperation | models.DeleteAliasOperation]
    ) -> bool: ...

    def upsert(self, collection_name: str, points: Sequence[models.PointStruct]) -> models.UpdateResult: ...

    def delete(
        self, collection_name: str, points_selector: models.PointIdsList | models.FilterSelector
    ) -> models.UpdateResult: ...

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[str],
        *,
        with_payload: bool | list[str],
        with_vectors: bool | list[str],
    ) -> list[models.Record]: ...

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        *,
        limit: int = 10,
        offset: Any = None,
        with_payload: bool | list[str] = True,
        with_vectors: bool = False,
    ) -> tuple[list[models.Record], Any]: ...

    def count(self, collection_name: str, *, count_filter: models.Filter | None, exact: bool) -> models.CountResult: ...

    def query_batch_points(
        self, collection_name: str, requests: Sequence[models.QueryRequest]
    ) -> list[QueryResponse]: ...

    def close(self) -> None: ...
