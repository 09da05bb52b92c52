"""The document store in MongoDB: `users`, and a collection a category."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from pymongo import ASCENDING, MongoClient, ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.domain.reports import WriteCounts

CONNECT_TIMEOUT_SECONDS = 5
_DUPLICATE_KEY = 11000

Record = dict[str, Any]


class MongoDocumentStore:
    """Implements `DocumentStore`. Safe for several processes at once: ids are deterministic, writes replace."""

    def __init__(self, uri: str, database: str) -> None:
        self._where = redacted(uri)
        with self._translated():
            self._client: MongoClient[Record] = MongoClient(
                uri, serverSelectionTimeoutMS=CONNECT_TIMEOUT_SECONDS * 1000, appname="moodswarm"
            )
            self._database = self._client[database]
        self._indexed: set[str] = set()

    def get_or_create_author(self, full_name: str) -> Author:
        """The author of this name, stored if new."""
        author = Author.named(full_name)
        record = {"first_name": author.first_name, "last_name": author.last_name}
        with self._translated():
            with suppress(DuplicateKeyError):  # another process was faster
                self._database["users"].update_one({"_id": str(author.id)}, {"$setOnInsert": record}, upsert=True)
            stored = self._database["users"].find_one({"_id": str(author.id)})
        return _author(stored) if stored else author

    def authors(self) -> Iterator[Author]:
        """Every author, by id."""
        with self._translated():
            for record in self._database["users"].find().sort("_id", ASCENDING):
                yield _author(record)

    def upsert(self, documents: Iterable[RawDocument]) -> WriteCounts:
        """Write what is new or changed, told apart by the stored content hash."""
        counts = WriteCounts()
        for batch in batched(documents, BATCH_SIZE):
            for category in DataCategory:
                # One operation a document: a source that lists a file twice counts once.
                unique = {document.id: document for document in batch if document.category is category}
                if unique:
                    counts += self._upsert(category, list(unique.values()))
        return counts

    def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]:
        """The category's documents by id. Pages by id instead of one long cursor: a consumer may take hours."""
        last = ""
        while True:
            selection = {**_by_authors(author_ids), "_id": {"$gt": last}}
            with self._translated():
                page = list(self._collection(category).find(selection).sort("_id", ASCENDING).limit(BATCH_SIZE))
            if not page:
                return
            for record in page:
                yield RawDocument.model_validate({**record, "id": record["_id"]})
            last = page[-1]["_id"]

    def ids(self, category: DataCategory) -> Iterator[UUID]:
        """The ids of the category's documents."""
        with self._translated():
            for record in self._collection(category).find({}, {"_id": 1}):
                yield UUID(record["_id"])

    def count(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> int:
        """How many documents the category has, of these authors or of all."""
        with self._translated():
            return self._collection(category).count_documents(_by_authors(author_ids))

    def delete_vanished(self, source: str, author_id: UUID, present: Iterable[UUID]) -> int:
        """Delete the author's documents from this source that are not among `present`."""
        kept, deleted = {str(id_) for id_ in present}, 0
        with self._translated():
            for category in DataCategory:
                collection = self._collection(category)
                stored = collection.find({"source": source, "author_id": str(author_id)}, {"_id": 1})
                vanished = (record["_id"] for record in stored if record["_id"] not in kept)
                for batch in batched(vanished, BATCH_SIZE):
                    deleted += collection.delete_many({"_id": {"$in": batch}}).deleted_count
        return deleted

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the server does not answer."""
        with self._translated():
            self._client.admin.command("ping")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _upsert(self, category: DataCategory, documents: Sequence[RawDocument]) -> WriteCounts:
        collection, ids = self._collection(category), [str(document.id) for document in documents]
        with self._translated():
            stored = {
                record["_id"]: record["content_hash"]
                for record in collection.find({"_id": {"$in": ids}}, {"content_hash": 1})
            }
            changed = [document for document in documents if stored.get(str(document.id)) != document.content_hash]
            if changed:
                _write(collection, [ReplaceOne({"_id": str(d.id)}, _record(d), upsert=True) for d in changed])
        new = sum(str(document.id) not in stored for document in documents)
        return WriteCounts(new=new, changed=len(changed) - new, unchanged=len(documents) - len(changed))

    def _collection(self, category: DataCategory) -> Collection[Record]:
        collection = self._database[category.value]
        if category.value not in self._indexed:
            collection.create_index([("link", ASCENDING), ("author_id", ASCENDING)], unique=True)
            collection.create_index([("source", ASCENDING)])
            self._indexed.add(category.value)
        return collection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ConnectionFailure as error:
            raise DependencyUnavailableError(
                f"MongoDB at {self._where} does not answer. Start it, or mend DATABASE_HOST."
            ) from error
        except (OperationFailure, ConfigurationError) as error:
            code = getattr(error, "code", None)
            reason = "refused the user or password" if code == 18 else f"refused the operation (code {code})"
            raise DependencyUnavailableError(f"MongoDB at {self._where} {reason}. Check DATABASE_HOST.") from error
        except PyMongoError as error:
            raise DependencyUnavailableError(f"MongoDB at {self._where} failed: {type(error).__name__}.") from error


def redacted(uri: str) -> str:
    """The URI's scheme and hosts, without user and password, whatever characters the password has."""
    scheme, _, rest = uri.partition("://")
    hosts = rest.rpartition("@")[2] if "@" in rest else rest
    return f"{scheme}://{re.split('[/?#]', hosts)[0]}"


def _write(collection: Collection[Record], operations: list[ReplaceOne[Record]]) -> None:
    """Two processes may insert the same id at once: the loser's second try replaces."""
    try:
        collection.bulk_write(operations, ordered=False)
    except BulkWriteError as error:
        if any(problem["code"] != _DUPLICATE_KEY for problem in error.details["writeErrors"]):
            raise
        collection.bulk_write(operations, ordered=False)


def _by_authors(author_ids: Sequence[UUID] | None) -> Record:
    return {} if author_ids is None else {"author_id": {"$in": [str(id_) for id_ in author_ids]}}


def _record(document: RawDocument) -> Record:
    record = document.model_dump(mode="json")
    record["_id"] = record.pop("id")
    return record


def _author(record: Record) -> Author:
    return Author(id=UUID(record["_id"]), first_name=record["first_name"], last_name=record["last_name"])
