"""A client of the embedded Qdrant engine, with the methods of qdrant_client that the vector store uses.

A collection is a folder with `collection.json`, what it was created with, and a shard of the engine. The aliases stand
in `aliases.json`. A folder whose name begins with a point is one that a killed process was about to make or to delete.

A write is in the shard's write-ahead log when the call returns, so it outlives the process. The engine may be called
from several threads; it runs one call after the other.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

import qdrant_edge as edge
from qdrant_client import models
from qdrant_client.http.models import QueryResponse  # `models` has another one of this name

from llm_engineering.infrastructure.db.qdrant_protocol import EngineError
from llm_engineering.infrastructure.local import edge_models as convert
from llm_engineering.infrastructure.local.edge_files import Description, read_json, sync_folder, translated, write_json
from llm_engineering.infrastructure.local.edge_shards import DESCRIPTION, Shard

_ALIASES = "aliases.json"
_DONE = models.UpdateResult(status=models.UpdateStatus.COMPLETED)


class EdgeClient:
    """Implements `PointsClient` in a folder that nobody else has open."""

    def __init__(self, folder: Path, on_close: Callable[[], None] | None = None) -> None:
        self._folder = folder
        self._on_close = on_close
        self._lock = RLock()
        self._shards: dict[str, Shard] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(".*"):
            if left_over.is_dir():
                shutil.rmtree(left_over)
            else:
                left_over.unlink()
        self._aliases: dict[str, str] = read_json(folder / _ALIASES) or {}

    def get_collections(self) -> models.CollectionsResponse:
        """All collections by name."""
        names = sorted(path.parent.name for path in self._folder.glob(f"[!.]*/{DESCRIPTION}"))
        return models.CollectionsResponse(collections=[models.CollectionDescription(name=name) for name in names])

    def collection_exists(self, collection_name: str) -> bool:
        """Whether there is a collection or an alias of this name."""
        return (self._path(collection_name) / DESCRIPTION).exists()

    def get_collection(self, collection_name: str) -> models.CollectionInfo:
        """What the collection was created with, and how many points it has."""
        with self._engine(collection_name) as shard:
            info = shard.info()
        return Description.read(self._path(collection_name) / DESCRIPTION).info(info)

    def create_collection(
        self,
        collection_name: str,
        *,
        vectors_config: dict[str, models.VectorParams],
        sparse_vectors_config: dict[str, models.SparseVectorParams],
        shard_number: int,  # noqa: ARG002 - there is one shard
        replication_factor: int,  # noqa: ARG002 - and nowhere to copy it to
        quantization_config: models.ScalarQuantization | models.BinaryQuantization | None,
        metadata: dict[str, Any],
    ) -> bool:
        """Create a collection; it is there as a whole or not at all. It has one shard whatever is asked for."""
        described = Description(vectors_config, sparse_vectors_config, metadata)
        with self._lock:
            if self.collection_exists(collection_name):
                raise EngineError(f"the collection {collection_name} exists already", 409)
            new = self._folder / f".new-{uuid4().hex}"
            new.mkdir()
            with translated(self._folder):
                Shard.create(new, described, quantization_config)
            new.rename(self._folder / collection_name)
            sync_folder(self._folder)
        return True

    def delete_collection(self, collection_name: str) -> bool:
        """Delete a collection with its aliases; whether it was there."""
        with self._lock:
            if not self.collection_exists(collection_name):
                return False
            name = self._path(collection_name).name
            self._save_aliases({alias: target for alias, target in self._aliases.items() if target != name})
            shard = self._shards.pop(name, None)
            if shard:
                with translated(self._folder):
                    shard.close()
            gone = (self._folder / name).rename(self._folder / f".gone-{uuid4().hex}")
            sync_folder(self._folder)
            shutil.rmtree(gone)
        return True

    def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: models.PayloadSchemaType
    ) -> models.UpdateResult:
        """Index a field of the payload."""
        return self._update(
            collection_name, edge.UpdateOperation.create_field_index(field_name, convert.schema(field_schema))
        )

    def get_aliases(self) -> models.CollectionsAliasesResponse:
        """All aliases."""
        aliases = [
            models.AliasDescription(alias_name=alias, collection_name=name) for alias, name in self._aliases.items()
        ]
        return models.CollectionsAliasesResponse(aliases=aliases)

    def update_collection_aliases(
        self, change_aliases_operations: Sequence[models.CreateAliasOperation | models.DeleteAliasOperation]
    ) -> bool:
        """Make and delete aliases, all at once."""
        with self._lock:
            aliases = dict(self._aliases)
            for operation in change_aliases_operations:
                if isinstance(operation, models.DeleteAliasOperation):
                    aliases.pop(operation.delete_alias.alias_name, None)
                else:
                    created = operation.create_alias
                    self._require(created.collection_name)
                    aliases[created.alias_name] = created.collection_name
            self._save_aliases(aliases)
        return True

    def upsert(self, collection_name: str, points: Sequence[models.PointStruct]) -> models.UpdateResult:
        """Write points; they are in the write-ahead log when this returns."""
        converted = [convert.point(item) for item in points]
        with self._shard(collection_name) as shard:
            shard.upsert(converted)
        return _DONE

    def delete(
        self, collection_name: str, points_selector: models.PointIdsList | models.FilterSelector
    ) -> models.UpdateResult:
        """Delete points by id or by filter."""
        if isinstance(points_selector, models.PointIdsList):
            operation = edge.UpdateOperation.delete_points(convert.ids(points_selector.points))
        else:
            chosen = convert.condition(points_selector.filter) or edge.Filter()
            operation = edge.UpdateOperation.delete_points_by_filter(chosen)
        return self._update(collection_name, operation)

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[str],
        *,
        with_payload: bool | list[str] = True,
        with_vectors: bool | list[str] = False,
    ) -> list[models.Record]:
        """Those of the points that are there."""
        with self._engine(collection_name) as shard:
            found = shard.retrieve(convert.ids(ids), with_payload, with_vectors)
        return [convert.record(item) for item in found]

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        *,
        limit: int = 10,
        offset: Any = None,
        with_payload: bool | list[str] = True,
        with_vectors: bool = False,
    ) -> tuple[list[models.Record], Any]:
        """A page of points that meet the filter, by id, and where the next one begins; None after the last."""
        wanted = edge.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=convert.condition(scroll_filter),
            with_payload=with_payload,
            with_vector=with_vectors,
        )
        with self._engine(collection_name) as shard:
            found, following = shard.scroll(wanted)
        return [convert.record(item) for item in found], following

    def count(
        self, collection_name: str, *, count_filter: models.Filter | None = None, exact: bool = True
    ) -> models.CountResult:
        """How many points meet the filter."""
        wanted = edge.CountRequest(exact=exact, filter=convert.condition(count_filter))
        with self._engine(collection_name) as shard:
            return models.CountResult(count=shard.count(wanted))

    def query_batch_points(self, collection_name: str, requests: Sequence[models.QueryRequest]) -> list[QueryResponse]:
        """The answers to several queries, in their order."""
        batch = edge.QueryBatchRequest([convert.query_request(item) for item in requests])
        with self._engine(collection_name) as shard:
            answers = shard.query_batch(batch)
        return [QueryResponse(points=[convert.scored(item) for item in found]) for found in answers]

    def tidy(self) -> None:
        """Write all to the shards' own files."""
        for item in self.get_collections().collections:
            with self._shard(item.name) as shard:
                shard.tidy()

    def close(self) -> None:
        """Close the shards, with all that is written to them."""
        with self._lock, translated(self._folder):
            try:
                while self._shards:
                    self._shards.popitem()[1].close()
            finally:
                if self._on_close:
                    self._on_close()

    def _path(self, name: str) -> Path:
        return self._folder / self._aliases.get(name, name)

    def _require(self, name: str) -> None:
        if not self.collection_exists(name):
            raise EngineError(f"there is no collection {name}", 404)

    def _save_aliases(self, aliases: dict[str, str]) -> None:
        if aliases != self._aliases:
            write_json(self._folder / _ALIASES, aliases)
            self._aliases = aliases

    def _update(self, collection_name: str, operation: edge.UpdateOperation) -> models.UpdateResult:
        with self._engine(collection_name) as shard:
            shard.update(operation)
        return _DONE

    @contextmanager
    def _engine(self, name: str) -> Iterator[edge.EdgeShard]:
        with self._shard(name) as shard:
            yield shard.engine

    @contextmanager
    def _shard(self, name: str) -> Iterator[Shard]:
        """The collection's shard, loaded when it is first used, for one thread at a time.

        Searches take the lock too, so that none has a shard that is closed meanwhile. Without it they would not be
        faster: the engine keeps Python's interpreter lock in each call, so no other thread runs in the meantime.
        """
        with self._lock, translated(self._folder):
            path = self._path(name)
            if path.name not in self._shards:
                self._require(name)
                self._shards[path.name] = Shard(path)
            yield self._shards[path.name]
