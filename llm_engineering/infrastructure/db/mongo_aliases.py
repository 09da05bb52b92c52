"""Several links with the same words: one is the document, the others are its aliases.

A document's aliases name the other links of the same author that have its words, and other sources that led to its own
link. When a document loses its words or goes, the first of the other links becomes the document, so that no words are
lost that are still to be read somewhere.
"""

from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from pymongo import DeleteOne
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.db.mongo_records import Collections, Record, heir_of

# How often a record is read again that another process wrote to in the meantime.
TRIES = 10
_STATE = ("content_hash", "fingerprint", "source", "aliases")
ORIGIN = dict.fromkeys(_STATE, 1)


@dataclass(frozen=True)
class Place:
    """A record without its text, and where it stands."""

    category: DataCategory
    record: Record


def aliases_in(record: Record) -> list[Record]:
    """The record's aliases; what older versions wrote has none."""
    aliases: list[Record] = record.get("aliases", [])
    return aliases


def other_links(record: Record) -> list[Record]:
    """The aliases that are other links than the record's own."""
    return [alias for alias in aliases_in(record) if alias["id"] != record["_id"]]


def has_alias(record: Record, document: RawDocument) -> bool:
    """Whether the document, from this source, is an alias of the record."""
    id_ = str(document.id)
    return any(alias["id"] == id_ and alias["source"] == document.source for alias in aliases_in(record))


def without_alias(document: RawDocument) -> Record:
    """The filter that no record matches that has the alias."""
    return {"aliases": {"$not": {"$elemMatch": {"id": str(document.id), "source": document.source}}}}


def as_read(record: Record) -> Record:
    """The filter that finds a record as long as nobody wrote to it since it was read."""
    return {"_id": record["_id"], **{name: record.get(name) for name in _STATE}}


def hand_over(collections: Collections, place: Place, leaving: Container[str] = ()) -> None:
    """Take a record's words away from it, and store them under the first of the other links that have them.

    Links in `leaving` have the words no more. The record gives up its fingerprint first, since two records of one
    author cannot have the same, and its links last: after a kill in between, this is done once more. A record that
    somebody wrote to since it was read stays as it is; whoever wants to go on reads it again.
    """
    record, collection = place.record, collections[place.category]
    if record.get("fingerprint"):
        collection.update_one(as_read(record), {"$unset": {"fingerprint": ""}})
    full = collection.find_one(as_read({**record, "fingerprint": None}))
    if full and other_links(full):
        heirs = [alias for alias in other_links(full) if alias["id"] not in leaving]
        _bequeath(collections, {**full, "fingerprint": record.get("fingerprint")}, heirs)
        left = [alias for alias in aliases_in(full) if alias["id"] == full["_id"]]
        collection.update_one(as_read(full), {"$set": {"aliases": left}})


def remove(collections: Collections, place: Place, source: str | None = None) -> bool:
    """Delete a record whose link has its words no more; other links that have them keep them.

    With `source`, a record that another source led to as well stays, as that one's. Returns whether the record went.
    """
    collection = collections[place.category]
    for _ in range(TRIES):
        record = collection.find_one({"_id": place.record["_id"], "content_hash": place.record["content_hash"]}, ORIGIN)
        if record is None or (source and record["source"] != source):
            return False
        if source and (other := _other_source(record)):
            update = {
                "$set": {"source": other["source"], "link": other["link"]},
                "$pull": {"aliases": {"id": record["_id"], "source": other["source"]}},
            }
            collection.update_one(as_read(record), update)
        elif other_links(record):
            hand_over(collections, Place(place.category, record))
        elif collection.delete_one(as_read(record)).deleted_count:
            return True
    raise being_written(place.record["_id"])


def being_written(what: str) -> DependencyUnavailableError:
    """The error for a record that others write to each time that it was read."""
    return DependencyUnavailableError(
        f"MongoDB: {what} is being written by other processes all the time. Run this again."
    )


def count_source(collections: Collections, source: str, author_id: UUID) -> int:
    """How many documents came from the source, stored or as aliases."""
    ids: set[str] = set()
    for place in _places_of(collections, source, author_id):
        ids |= _ids_of(place.record, source)
    return len(ids)


def delete_vanished(collections: Collections, source: str, author_id: UUID, present: Iterable[UUID]) -> int:
    """Take away what the source has no more: all of its documents and aliases that are not among `present`.

    - An alias of the source that is not present is dropped; the document stays, for its own link has the words.
    - A document of the source that is not present is deleted, unless
      - another source led to its link as well: then it stays, as that source's, and does not count as gone;
      - another link has its words, in this source (a file that was renamed) or in another: then the words stay under
        that link, and under the id that goes with it.

    Returns how many documents and aliases of the source went.
    """
    kept, gone = {str(id_) for id_ in present}, set[str]()
    plain: dict[DataCategory, list[Record]] = {category: [] for category in collections}
    for place in _places_of(collections, source, author_id):
        record = place.record
        vanished = _ids_of(record, source) - kept
        if vanished & {alias["id"] for alias in aliases_in(record)}:
            dropped = {"$pull": {"aliases": {"source": source, "id": {"$in": sorted(vanished)}}}}
            collections[place.category].update_one({"_id": record["_id"]}, dropped)
        if record["_id"] in vanished:
            if record["source"] == source and not aliases_in(record):
                plain[place.category].append(record)
            elif not remove(collections, place, source):
                vanished.discard(record["_id"])
        gone |= vanished
    for category, records in plain.items():
        for batch in batched(records, BATCH_SIZE):
            gone -= _delete_all(collections, category, batch, source)
    return len(gone)


def _delete_all(collections: Collections, category: DataCategory, records: Sequence[Record], source: str) -> set[str]:
    """Delete the records in one go, and one by one those that got an alias in the meantime. Returns which stayed."""
    operations = [DeleteOne(as_read(record)) for record in records]
    if collections[category].bulk_write(operations, ordered=False).deleted_count == len(records):
        return set()
    ids = {"_id": {"$in": [record["_id"] for record in records]}}
    left = [Place(category, record) for record in collections[category].find(ids, ORIGIN)]
    return {place.record["_id"] for place in left if not remove(collections, place, source)}


def _bequeath(collections: Collections, record: Record, heirs: list[Record]) -> None:
    """Store the record's words under the first of these links, unless they are stored already: then link them there."""
    while heirs:
        heir = heir_of(record, heirs)
        collection = collections[DataCategory(heir["category"])]
        with suppress(DuplicateKeyError):
            collection.insert_one(heir)
            return
        words = {"author_id": heir["author_id"], "fingerprint": heir["fingerprint"]}
        if collection.find_one(words, {"_id": 1}):
            heirs = [alias for alias in heirs if not _has_link(collection, words, alias)]
        else:  # the first link has got other words
            heirs = heirs[1:]


def _has_link(collection: Collection[Record], words: Record, alias: Record) -> bool:
    """Make the alias one of the record with the words, unless it is its own link; whether it is one of them then."""
    same = {"aliases": {"$elemMatch": {"id": alias["id"], "source": alias["source"]}}}
    others = {**words, "_id": {"$ne": alias["id"]}, "aliases": {"$not": same["aliases"]}}
    collection.update_one(others, {"$push": {"aliases": alias}})
    return any(collection.find_one({**words, **way}, {"_id": 1}) for way in ({"_id": alias["id"]}, same))


def _other_source(record: Record) -> Record | None:
    """Another source that led to the record's own link."""
    own = (alias for alias in aliases_in(record) if alias["id"] == record["_id"])
    return next((alias for alias in own if alias["source"] != record["source"]), None)


def _places_of(collections: Collections, source: str, author_id: UUID) -> list[Place]:
    """The author's records that the source led to, each once. The embedded server is slow at `or`."""
    author = {"author_id": str(author_id)}
    places = []
    for category, collection in collections.items():
        found = {record["_id"]: record for record in collection.find({"source": source, **author}, ORIGIN)}
        found |= {record["_id"]: record for record in collection.find({"aliases.source": source, **author}, ORIGIN)}
        places += [Place(category, record) for record in found.values()]
    return places


def _ids_of(record: Record, source: str) -> set[str]:
    """The ids under which the source has the record's words."""
    own = {record["_id"]} if record["source"] == source else set()
    return own | {alias["id"] for alias in aliases_in(record) if alias["source"] == source}
