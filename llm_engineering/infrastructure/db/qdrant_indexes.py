"""Which collections there are: a pair for each set of models, and two aliases that lead to the pair that serves.

Every step can be the last before a crash: a collection is created with its spec in it, and the aliases change together.
The pair that served before stays until the next `prepare`, so that processes that search it can be restarted in peace.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from qdrant_client import models

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError
from llm_engineering.domain.features import IndexSpec
from llm_engineering.infrastructure.db.qdrant_errors import VENDOR_ERRORS, is_taken
from llm_engineering.infrastructure.db.qdrant_points import DENSE, SPARSE
from llm_engineering.infrastructure.db.qdrant_protocol import PointsClient

logger = logging.getLogger(__name__)

CHUNKS, DOCUMENTS = "embedded_chunks", "cleaned_documents"
_PREFIXES = {CHUNKS: "chunks-", DOCUMENTS: "documents-"}
_OURS = re.compile(rf"(?:{'|'.join(_PREFIXES.values())})([0-9a-f]{{12}})")
# Before there was one collection for all categories.
_EARLIER = {f"{kind}_{category.value}" for kind in ("cleaned", "embedded") for category in DataCategory}

_KEYWORD, _DATETIME = models.PayloadSchemaType.KEYWORD, models.PayloadSchemaType.DATETIME
_FIELDS = {
    CHUNKS: dict.fromkeys(("author_id", "document_id", "category", "platform", "language"), _KEYWORD)
    | {"published_at": _DATETIME},
    DOCUMENTS: {"author_id": _KEYWORD, "category": _KEYWORD},
}


@dataclass(frozen=True)
class CollectionLayout:
    """How a new collection is laid out. The embedded engine has one shard and no replicas."""

    shard_number: int = 1
    replication_factor: int = 1
    on_disk: bool = False
    quantization: Literal["none", "scalar", "binary"] = "none"


def physical(alias: str, spec: IndexSpec) -> str:
    """The collection's own name."""
    return f"{_PREFIXES[alias]}{spec.key}"


def mismatch(stored: IndexSpec, wanted: IndexSpec) -> ModelMismatchError:
    """What to say to one who brings vectors of other models."""
    return ModelMismatchError(
        f"The features were made by {stored.describe()} with {stored.sparse_encoder}, and the settings name "
        f"{wanted.describe()} with {wanted.sparse_encoder}. Make them anew with `python -m tools.features --reindex`, "
        "or set TEXT_EMBEDDING_MODEL_ID, EMBEDDING_PRECISION and SPARSE_LANGUAGE back."
    )


class Indexes:
    """Creates, finds, switches and deletes the pairs of collections."""

    def __init__(self, client: PointsClient, layout: CollectionLayout) -> None:
        self._client = client
        self._layout = layout

    def active(self) -> IndexSpec | None:
        """What the aliases lead to."""
        collection = self._aliases().get(CHUNKS)
        if collection is None:
            return None
        stored = self._metadata(collection)
        if "index" not in stored:
            raise DependencyUnavailableError(
                f"The collection {collection} does not say by which models it was made. Qdrant keeps that since "
                "version 1.16: upgrade the server, delete the collection, and run the feature pipeline."
            )
        return IndexSpec.model_validate(stored["index"])

    def create(self, spec: IndexSpec) -> None:
        """Create what is missing of the pair and its payload indexes."""
        for alias, fields in _FIELDS.items():
            name = physical(alias, spec)
            if not self._client.collection_exists(name):
                self._create(alias, spec)
            present = self._client.get_collection(name).payload_schema
            for field in fields.keys() - present.keys():
                self._client.create_payload_index(name, field, fields[field])

    def serve(self, spec: IndexSpec) -> None:
        """Let both aliases lead to the pair, in one step."""
        wanted = {alias: physical(alias, spec) for alias in _FIELDS}
        present = self._aliases()
        if present == {**present, **wanted}:
            return
        changes: list[models.CreateAliasOperation | models.DeleteAliasOperation] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
            for alias in wanted
            if alias in present
        ]
        for alias, name in wanted.items():
            created = models.CreateAlias(collection_name=name, alias_name=alias)
            changes.append(models.CreateAliasOperation(create_alias=created))
        self._client.update_collection_aliases(changes)

    def delete_left_over(self, spec: IndexSpec) -> None:
        """Delete the pairs that were made before this one, which serves now.

        A newer one is a re-index that has not come to its end.
        """
        others = [name for key, name in self._ours() if key != spec.key]
        if others:
            created = self._metadata(physical(CHUNKS, spec))["created"]
            self._delete([name for name in others if self._metadata(name).get("created", "") < created])

    def delete_earlier(self) -> None:
        """Delete what an earlier version made: a pair of collections for each category."""
        earlier = sorted(_EARLIER & {item.name for item in self._client.get_collections().collections})
        if earlier:
            logger.info(
                "The collections %s are of an earlier layout and were deleted. Run the feature pipeline: "
                "`python -m tools.run --run-feature-engineering`",
                ", ".join(earlier),
            )
            self._delete(earlier)

    def all(self, alias: str) -> list[str]:
        """The collections of this kind, of all pairs."""
        return [name for _, name in self._ours() if name.startswith(_PREFIXES[alias])]

    def _ours(self) -> list[tuple[str, str]]:
        names = (item.name for item in self._client.get_collections().collections)
        return sorted((match[1], name) for name in names if (match := _OURS.fullmatch(name)))

    def _aliases(self) -> dict[str, str]:
        return {item.alias_name: item.collection_name for item in self._client.get_aliases().aliases}

    def _metadata(self, collection: str) -> dict[str, Any]:
        return self._client.get_collection(collection).config.metadata or {}

    def _create(self, alias: str, spec: IndexSpec) -> None:
        on_disk = self._layout.on_disk
        vectors, sparse = {}, {}
        if alias == CHUNKS:
            vectors[DENSE] = models.VectorParams(size=spec.dimension, distance=models.Distance.COSINE, on_disk=on_disk)
            sparse[SPARSE] = models.SparseVectorParams(
                index=models.SparseIndexParams(on_disk=on_disk), modifier=models.Modifier.IDF
            )
        try:
            self._client.create_collection(
                physical(alias, spec),
                vectors_config=vectors,
                sparse_vectors_config=sparse,
                shard_number=self._layout.shard_number,
                replication_factor=self._layout.replication_factor,
                quantization_config=_quantization(self._layout.quantization) if vectors else None,
                metadata={"index": spec.model_dump(), "created": datetime.now(UTC).isoformat()},
            )
        except VENDOR_ERRORS as error:
            if not is_taken(error):  # else another process was faster, with the same name and so the same spec
                raise

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._client.delete_collection(name)


def _quantization(kind: str) -> models.ScalarQuantization | models.BinaryQuantization | None:
    if kind == "scalar":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None
