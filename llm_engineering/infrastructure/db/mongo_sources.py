"""What is remembered of sources (`sources`) and of runs (`etl_runs`)."""

from typing import Any
from uuid import UUID, uuid5

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from llm_engineering.domain.documents import NAMESPACE, Author
from llm_engineering.domain.reports import EtlReport
from llm_engineering.domain.sources import SourceState
from llm_engineering.infrastructure.db.mongo_records import Record

SOURCES, RUNS = "sources", "etl_runs"
# Links and reasons have dots in them, which make poor names of fields: these are stored as lists of pairs.
PAIRS = ("skipped", "failed", "failures", "over_limit")


class SourceRecords:
    """How sources were at their last crawl, and the reports of the runs."""

    def __init__(self, database: Database[Record]) -> None:
        self._sources: Collection[Record] = database[SOURCES]
        self._runs: Collection[Record] = database[RUNS]

    def prepare(self) -> None:
        """Create the indexes that are missing."""
        for name in ("source", "listed_by", "author_id"):
            self._sources.create_index([(name, ASCENDING)])
        self._runs.create_index([("started_at", DESCENDING)])
        self._runs.create_index([("author_id", ASCENDING)])

    def state(self, source: str, author_id: UUID) -> SourceState | None:
        """How the source was at its last crawl for the author."""
        record = self._sources.find_one({"_id": _state_id(source, author_id)})
        return SourceState.model_validate(record) if record else None

    def save_state(self, state: SourceState) -> None:
        """Remember a source; the last writer wins."""
        record = {**state.model_dump(mode="json", exclude={"crawled_at"}), "crawled_at": state.crawled_at}
        _write(self._sources, _state_id(state.source, state.author_id), record)

    def listed_by(self, listing: str, author_id: UUID) -> list[SourceState]:
        """The sources, by name, that the listing led to and that are not gone."""
        found = self._sources.find({"listed_by": listing, "author_id": str(author_id), "gone": False})
        return [SourceState.model_validate(record) for record in found.sort("source", ASCENDING)]

    def save_run(self, report: EtlReport) -> None:
        """Write a run's report over its earlier state."""
        record = report.model_dump(exclude={"id", "started_at", "finished_at"})
        for source in record["sources"]:
            source.update({name: _pairs(source[name]) for name in PAIRS})
        dates = {"started_at": report.started_at, "finished_at": report.finished_at}
        author = {"author_id": str(Author.named(report.author).id)}
        _write(self._runs, str(report.id), {**_encodable(record), **dates, **author})

    def runs(self, limit: int) -> list[EtlReport]:
        """The last runs, latest first."""
        found = self._runs.find().sort([("started_at", DESCENDING), ("_id", ASCENDING)]).limit(limit)
        return [_run(record) for record in found]


def _state_id(source: str, author_id: UUID) -> str:
    return str(uuid5(NAMESPACE, f"source:{author_id}:{source}"))


def _write(collection: Collection[Record], id_: str, record: Record) -> None:
    try:
        collection.replace_one({"_id": id_}, record, upsert=True)
    except DuplicateKeyError:  # another process inserted it in the same moment
        collection.replace_one({"_id": id_}, record, upsert=True)


def _pairs(entries: dict[str, Any]) -> list[Record]:
    return [{"key": key, "value": value} for key, value in entries.items()]


def _run(record: Record) -> EtlReport:
    sources = [
        {**source, **{name: {pair["key"]: pair["value"] for pair in source.get(name, ())} for name in PAIRS}}
        for source in record["sources"]
    ]
    return EtlReport.model_validate({**record, "id": record["_id"], "sources": sources})


def _encodable(value: Any) -> Any:
    """The value with text that can be stored: names of files may have bytes that are no characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return {name: _encodable(item) for name, item in value.items()} if isinstance(value, dict) else value
