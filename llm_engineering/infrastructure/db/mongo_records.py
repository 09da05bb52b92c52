"""How a document looks in MongoDB, and how collections of older versions are brought to that form.

A record has the document's fields, and beside them `canonical_link`, `version` (1, 2, ...), `stored_at`, `history` (the
hash and the dates of the last texts, without the texts) and `aliases`: the other links that have the same words, each
with what its document is but for the text.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from llm_engineering.domain.documents import DataCategory, RawDocument, document_id, fingerprint, text_hash
from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import canonical_link, identity

Record = dict[str, Any]
Collections = Mapping[DataCategory, Collection[Record]]
HISTORY_LENGTH = 10
# Here the same words under two links are one document. In a repository they are not: the path says what a file is.
TEXTS = (DataCategory.ARTICLES, DataCategory.POSTS)
_TEXT_FIELDS = {"content", "content_hash", "fingerprint", "author_id", "author_full_name"}
_OLD_INDEX = "link_1_author_id_1"
_INDEX_NOT_FOUND = 27


def fields_of(document: RawDocument) -> Record:
    """What is stored of a document, but for its id."""
    return {
        **document.model_dump(mode="json", exclude={"id"}),
        "canonical_link": identity(document.link),
    }


def new_record(document: RawDocument) -> Record:
    """The record of a document that is stored for the first time."""
    return {**fields_of(document), "version": 1, "stored_at": datetime.now(UTC), "history": [], "aliases": []}


def alias_of(document: RawDocument) -> Record:
    """What is kept of a document whose words are stored under another link."""
    fields = document.model_dump(mode="json", exclude=_TEXT_FIELDS)
    return {**fields, "canonical_link": identity(document.link)}


def heir_of(record: Record, aliases: Sequence[Record]) -> Record:
    """The record that keeps the words under the first of the aliases, and the others with it."""
    heir, *others = aliases
    category, title, subtitle = DataCategory(heir["category"]), heir["title"], heir["subtitle"] or ""
    return {
        **record,
        **{name: value for name, value in heir.items() if name != "id"},
        "_id": heir["id"],
        "content_hash": text_hash(category, title, subtitle, record["content"]),
        "fingerprint": record.get("fingerprint") or _fingerprint_of(record),
        "aliases": others,
        "history": [],
        "version": 1,
    }


def _fingerprint_of(record: Record) -> str:
    return fingerprint(record["content"], record["title"], record.get("subtitle") or "")


def document_from(record: Record) -> RawDocument:
    """The document of a record."""
    return RawDocument.model_validate({**record, "id": record["_id"]})


def prepare(collection: Collection[Record], category: DataCategory) -> None:
    """Create the indexes, and bring records of older versions to the present form. Twice changes nothing."""
    # The embedded server uses a compound or partial index for no search: each search has an index of its own.
    for field in ("source", "canonical_link", "aliases.id", "aliases.source", "aliases.canonical_link", "fingerprint"):
        collection.create_index([(field, ASCENDING)])
    _create_unique_index(collection, "canonical_link")
    if category in TEXTS:
        _create_unique_index(collection, "fingerprint")
    if _OLD_INDEX in collection.index_information():
        _drop_old_index(collection)
    for record in collection.find({"canonical_link": None}):
        with suppress(InvalidInputError):  # a link that would be refused today stays as it is
            _migrate(collection, record)


def _drop_old_index(collection: Collection[Record]) -> None:
    try:
        collection.drop_index(_OLD_INDEX)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:  # another process was faster
            raise


def _create_unique_index(collection: Collection[Record], field: str) -> None:
    """One record an author and value. Records without the field, of older versions, do not stand in the way."""
    collection.create_index(
        [("author_id", ASCENDING), (field, ASCENDING)],
        unique=True,
        partialFilterExpression={field: {"$type": "string"}},
    )


def _migrate(collection: Collection[Record], record: Record) -> None:
    """Older versions knew no words, and spelt canonical links otherwise, so that some ids are others now.

    First the new record is written, then the old one deleted: after a kill in between, this happens once more. Where
    the words are stored already, the next crawl of the link finds that, and links it.
    """
    link, author = record["link"], UUID(record["author_id"])
    present = {
        **record,
        "_id": str(document_id(link, author)),
        "source": canonical_link(record["source"]),
        "canonical_link": identity(link),
        "version": 1,
        "stored_at": None,
        "history": [],
        "aliases": [],
    }
    if present["_id"] == record["_id"]:
        collection.replace_one({"_id": record["_id"], "canonical_link": None}, present)
    else:
        with suppress(DuplicateKeyError):  # crawled anew, or migrated before a kill
            collection.insert_one(present)
        collection.delete_one({"_id": record["_id"]})
    with suppress(DuplicateKeyError):
        words = {"$set": {"fingerprint": _fingerprint_of(record)}}
        collection.update_one({"_id": present["_id"], "fingerprint": None}, words)
