"""Reading and writing the points of one index under its collections' own names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from qdrant_client import models

from llm_engineering.domain.batching import batched
from llm_engineering.domain.errors import DependencyUnavailableError, RefusedWriteError
from llm_engineering.domain.features import IndexSpec
from llm_engineering.infrastructure.db.qdrant_errors import VENDOR_ERRORS, is_missing, is_refused, translated
from llm_engineering.infrastructure.db.qdrant_indexes import Indexes, mismatch, physical
from llm_engineering.infrastructure.db.qdrant_protocol import PointsClient

BATCH = 1000
# A server takes requests of up to 32 MiB; vectors and the form of the request come on top of the payloads.
UPSERT_BYTES = 8_000_000

T = TypeVar("T")


class IndexPoints:
    """The points of the index that is `bound`, or of the active one.

    Which one is active is asked once. When another process activates another index then, the collections that are known
    here are gone: what is sent to them fails, and never meets vectors of other models.
    """

    def __init__(self, client: PointsClient, where: str, indexes: Indexes, bound: IndexSpec | None) -> None:
        self._client = client
        self._where = where
        self._indexes = indexes
        self._bound = bound
        self._known = bound

    def spec(self) -> IndexSpec | None:
        """What the index was made by; None where there is none yet."""
        if self._known is None:
            with translated(self._where):
                self._known = self._indexes.active()
        return self._known

    def spec_to_write(self) -> IndexSpec:
        """What the index was made by. Raises DependencyUnavailableError where there is none yet."""
        spec = self.spec()
        if spec is None:
            raise DependencyUnavailableError(
                f"The Qdrant store in {self._where} is not prepared. Run the feature pipeline: "
                "`python -m tools.run --run-feature-engineering`"
            )
        return spec

    def follow(self, spec: IndexSpec) -> None:
        """This index is active from now on."""
        self._known = self._bound or spec

    def read(self, alias: str, ask: Callable[[str], T], empty: T) -> T:
        """What `ask` says of the collection; `empty` where there is none."""
        spec = self.spec()
        if spec is None:
            return empty
        with translated(self._where):
            try:
                return ask(physical(alias, spec))
            except VENDOR_ERRORS as error:
                self._raise_unless_emptied(spec, error)
                return empty

    def upsert(self, alias: str, points: list[models.PointStruct]) -> None:
        """Write the points; they are stored when this returns.

        Raises:
            RefusedWriteError: the store will not take them; some of them may be stored.
        """
        spec = self.spec_to_write()
        for batch in _by_size(points):
            with translated(self._where):
                try:
                    self._client.upsert(physical(alias, spec), batch)
                except VENDOR_ERRORS as error:
                    if is_refused(error):
                        raise RefusedWriteError(_refusal(self._where, error)) from error
                    self._raise_unless_emptied(spec, error)
                    raise

    def delete(self, alias: str, ids: Sequence[UUID]) -> None:
        """Delete the points; those that are not there do not matter."""
        for batch in batched(ids, BATCH):
            chosen = models.PointIdsList(points=[str(id_) for id_ in batch])
            self.read(alias, partial(self._client.delete, points_selector=chosen), None)

    def retrieve(
        self, alias: str, ids: Sequence[UUID], *, with_payload: bool | list[str], with_vectors: bool | list[str]
    ) -> list[models.Record]:
        """Those of the points that are there, each once."""
        found: list[models.Record] = []
        for batch in batched(list(dict.fromkeys(ids)), BATCH):
            names = [str(id_) for id_ in batch]
            ask = partial(self._client.retrieve, ids=names, with_payload=with_payload, with_vectors=with_vectors)
            found += self.read(alias, ask, [])
        return found

    def scroll(
        self, alias: str, payload: list[str], chosen: models.Filter | None = None, page: int = BATCH
    ) -> Iterator[models.Record]:
        """The points that meet the filter, or all, page by page, with these fields of them."""
        offset: Any = None
        nothing: tuple[list[models.Record], Any] = ([], None)
        what: dict[str, Any] = {"scroll_filter": chosen, "limit": page, "with_payload": payload, "with_vectors": False}
        while True:
            records, offset = self.read(alias, partial(self._client.scroll, offset=offset, **what), nothing)
            yield from records
            if offset is None:
                return

    def erase(self, alias: str, conditions: Sequence[models.Condition]) -> int:
        """Delete, in the collections of all indexes, what meets one of the conditions; returns how many points did."""
        erased = 0
        with translated(self._where):
            for collection in self._indexes.all(alias) if conditions else ():
                for condition in conditions:
                    chosen = models.Filter(must=[condition])
                    erased += self._client.count(collection, count_filter=chosen, exact=True).count
                    self._client.delete(collection, models.FilterSelector(filter=chosen))
        return erased

    def _raise_unless_emptied(self, spec: IndexSpec, error: Exception) -> None:
        """Returns when the whole store was emptied meanwhile, and raises what else is the matter."""
        if self._bound or not is_missing(error):
            raise error
        self._known = None
        now = self._indexes.active()
        if now == spec:
            raise error
        if now is not None:
            raise mismatch(now, spec)


def _by_size(points: Iterable[models.PointStruct]) -> Iterator[list[models.PointStruct]]:
    """Batches whose payloads have at most `UPSERT_BYTES` together; a larger point is a batch of its own."""
    batch: list[models.PointStruct] = []
    size = 0
    for point in points:
        length = len(str(point.payload).encode(errors="replace"))
        if batch and size + length > UPSERT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(point)
        size += length
    if batch:
        yield batch


def _refusal(where: str, error: Exception) -> str:
    status = getattr(error, "status_code", None)
    cause = "it is too large for a request (max_request_size_mb)" if status == 413 else "see the server's log"
    return f"Qdrant at {where} refuses what was to be written with status {status}: {cause}."
