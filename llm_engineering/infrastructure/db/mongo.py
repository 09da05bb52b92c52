"""The document store in MongoDB: `users`, a collection a category, `sources`, `etl_runs` and `site_noise`."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from uuid import UUID

from pydantic import ValidationError
from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.reports import DocumentCount, EtlReport, WriteCounts
from llm_engineering.domain.sources import SourceState
from llm_engineering.infrastructure.db import mongo_aliases, mongo_forget, mongo_noise
from llm_engineering.infrastructure.db.mongo_client import connect
from llm_engineering.infrastructure.db.mongo_errors import redacted, translated
from llm_engineering.infrastructure.db.mongo_records import Collections, Record, document_from, prepare
from llm_engineering.infrastructure.db.mongo_rehash import rehash
from llm_engineering.infrastructure.db.mongo_sources import SourceRecords
from llm_engineering.infrastructure.db.mongo_upsert import upsert

logger = logging.getLogger(__name__)

USERS = mongo_forget.USERS


class MongoDocumentStore:
    """Implements `DocumentStore`. Safe for several threads and processes: ids are deterministic, writes are guarded.

    Every method raises DependencyUnavailableError when the server does not answer or refuses.
    """

    def __init__(self, uri: str, database: str) -> None:
        self._where = redacted(uri)
        with translated(self._where):
            self._client = connect(uri)
            self._database = self._client[database]
        self._preparing = Lock()
        self._prepared = False

    def get_or_create_author(self, full_name: str) -> Author:
        """The author of this name, stored if new."""
        author = Author.named(full_name)
        record = {"first_name": author.first_name, "last_name": author.last_name}
        with translated(self._where):
            with suppress(DuplicateKeyError):  # another process was faster
                self._database[USERS].update_one({"_id": str(author.id)}, {"$setOnInsert": record}, upsert=True)
            stored = self._database[USERS].find_one({"_id": str(author.id)})
        return _author(stored) if stored else author

    def authors(self) -> Iterator[Author]:
        """Every author, by id."""
        with translated(self._where):
            for record in self._database[USERS].find().sort("_id", ASCENDING):
                yield _author(record)

    def upsert(self, documents: Iterable[RawDocument]) -> WriteCounts:
        """Write what is new or changed; a text with the words of another of the author's is linked to it.

        Counts are what this call did, so that those of several writers of the same documents add up.
        """
        with translated(self._where):
            return upsert(self._collections(), documents)

    def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]:
        """The category's documents by id. Pages by id instead of one long cursor: a consumer may take hours."""
        last = ""
        while True:
            selection = {**_by_authors(author_ids), "_id": {"$gt": last}}
            with translated(self._where):
                page = list(self._collection(category).find(selection).sort("_id", ASCENDING).limit(BATCH_SIZE))
            if not page:
                return
            yield from _readable(page, category)
            last = page[-1]["_id"]

    def ids(self, category: DataCategory) -> Iterator[UUID]:
        """The ids of the category's documents."""
        with translated(self._where):
            for record in self._collection(category).find({"_id": {"$type": "string"}}, {"_id": 1}):
                with suppress(ValueError):  # what another program has stored there is no document
                    yield UUID(record["_id"])

    def by_ids(self, document_ids: Sequence[UUID]) -> list[RawDocument]:
        """Those of the documents that are there, as they are now."""
        found: list[RawDocument] = []
        with translated(self._where):
            for batch in batched(map(str, document_ids), BATCH_SIZE):
                for category, collection in self._collections().items():
                    found += _readable(collection.find({"_id": {"$in": batch}}), category)
        return found

    def rehash(self, document_ids: Sequence[UUID]) -> int:
        """Hash the stored texts anew where they were edited by hand; returns how many were."""
        with translated(self._where):
            return sum(rehash(self._collection(raw.category), raw) for raw in self.by_ids(document_ids))

    def site_noise(self) -> dict[str, list[str]]:
        """Lines that repeat from page to page, by site."""
        with translated(self._where):
            return mongo_noise.read(self._database)

    def save_site_noise(self, noise: dict[str, list[str]]) -> None:
        """Remember the lines of these sites; a site without any is forgotten, other sites stay as they are."""
        with translated(self._where):
            mongo_noise.save(self._database, noise)

    def count(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> int:
        """How many documents the category has, of these authors or of all."""
        with translated(self._where):
            return self._collection(category).count_documents(_by_authors(author_ids))

    def delete_vanished(self, source: str, author_id: UUID, present: Iterable[UUID]) -> int:
        """Take away what the source has no more; the rules stand in `mongo_aliases.delete_vanished`."""
        with translated(self._where):
            return mongo_aliases.delete_vanished(self._collections(), source, author_id, present)

    def count_source(self, source: str, author_id: UUID) -> int:
        """How many documents of the source are stored, or linked to stored ones."""
        with translated(self._where):
            return mongo_aliases.count_source(self._collections(), source, author_id)

    def source_state(self, source: str, author_id: UUID) -> SourceState | None:
        """How the source was at its last crawl for the author; None before the first."""
        with translated(self._where):
            return self._source_records().state(source, author_id)

    def save_source_state(self, state: SourceState) -> None:
        """Remember how a source is; the last writer wins."""
        with translated(self._where):
            self._source_records().save_state(state)

    def sources_listed_by(self, listing: str, author_id: UUID) -> list[SourceState]:
        """The sources that this listing once led to and that are not gone."""
        with translated(self._where):
            return self._source_records().listed_by(listing, author_id)

    def save_run(self, report: EtlReport) -> None:
        """Write a run's report, also over an earlier state of it."""
        with translated(self._where):
            self._source_records().save_run(report)

    def runs(self, limit: int) -> list[EtlReport]:
        """The last runs, latest first. Times are to the millisecond."""
        with translated(self._where):
            return self._source_records().runs(limit)

    def statistics(self) -> list[DocumentCount]:
        """How many documents there are by author, category and platform, in that order."""
        group = {
            "_id": {"author": "$author_id", "platform": "$platform"},
            "author": {"$first": "$author_full_name"},
            "documents": {"$sum": 1},
        }
        counts = []
        with translated(self._where):
            for category, collection in self._collections().items():
                for entry in collection.aggregate([{"$group": group}]):
                    named = {"author": entry["author"], "platform": entry["_id"]["platform"]}
                    counts.append(DocumentCount(**named, category=category, documents=entry["documents"]))
        return sorted(counts, key=lambda count: (count.author, count.category, count.platform))

    def documents_of_link(self, link: str) -> dict[DataCategory, list[UUID]]:
        """The documents with this link or from this source, whosever they are, also where it is only an alias."""
        with translated(self._where):
            return mongo_forget.documents_of_link(self._database, self._collections(), link)

    def forget_author(self, author_id: UUID) -> dict[str, int]:
        """Erase the author with every trace; returns how many records went, by collection."""
        with translated(self._where):
            return mongo_forget.forget_author(self._database, self._collections(), author_id)

    def forget_link(self, link: str) -> dict[str, int]:
        """Erase the link's documents with every trace; returns how many records went, by collection."""
        with translated(self._where):
            return mongo_forget.forget_link(self._database, self._collections(), link)

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the server does not answer."""
        with translated(self._where):
            self._client.admin.command("ping")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _collection(self, category: DataCategory) -> Collection[Record]:
        return self._collections()[category]

    def _collections(self) -> Collections:
        """A collection a category, with its indexes, and with records of older versions brought to the present form."""
        collections = {category: self._database[category.value] for category in DataCategory}
        with self._preparing:
            if not self._prepared:
                for category, collection in collections.items():
                    prepare(collection, category)
                SourceRecords(self._database).prepare()
                self._prepared = True
        return collections

    def _source_records(self) -> SourceRecords:
        self._collections()
        return SourceRecords(self._database)


def _readable(records: Iterable[Record], category: DataCategory) -> Iterator[RawDocument]:
    """The documents of the records; one that is malformed, by another program's hand, must not stop a whole run."""
    for record in records:
        try:
            yield document_from(record)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_url=False))
            logger.warning("The record %s in %s is malformed and left out: %s.", record["_id"], category, fields)


def _by_authors(author_ids: Sequence[UUID] | None) -> Record:
    return {} if author_ids is None else {"author_id": {"$in": [str(id_) for id_ in author_ids]}}


def _author(record: Record) -> Author:
    return Author(id=UUID(record["_id"]), first_name=record["first_name"], last_name=record["last_name"])
