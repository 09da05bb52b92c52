"""How documents are written: new, changed, unchanged, or linked to another of the same words.

Several threads and processes may write the same documents at once. So each write says what it expects to find, and
counts by what the database says it did; where another was faster, the document is read and judged anew. Each write
leaves the store whole: a kill between two of them leaves at most a record too many, which the next crawl takes away.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeAlias

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import DataCategory, RawDocument, fingerprint
from llm_engineering.domain.links import identity
from llm_engineering.domain.reports import WriteCounts
from llm_engineering.infrastructure.db.mongo_aliases import (
    TRIES,
    Place,
    aliases_in,
    as_read,
    being_written,
    hand_over,
    has_alias,
    other_links,
    remove,
    without_alias,
)
from llm_engineering.infrastructure.db.mongo_found import Found, gives_up, read
from llm_engineering.infrastructure.db.mongo_records import (
    HISTORY_LENGTH,
    Collections,
    Record,
    alias_of,
    fields_of,
    new_record,
)

_DUPLICATE_KEY = 11000


class Outcome(Enum):
    """What became of a document; the first four are counted."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    LINKED = "linked"
    MISSING = "missing"
    LOST_RACE = "lost race"


Settled: TypeAlias = list[tuple[RawDocument, Outcome]]


def upsert(collections: Collections, documents: Iterable[RawDocument]) -> WriteCounts:
    """Write what is new or changed. Of a document that stands twice in a batch, the last is taken."""
    counts = WriteCounts()
    for batch in batched(documents, BATCH_SIZE):
        unique = {document.id: _with_fingerprint(document) for document in batch}.values()
        for category in DataCategory:
            if chosen := [document for document in unique if document.category is category]:
                counts += _Writer(collections, category).write(chosen)
    return counts


class _Writer:
    """Writes documents of one category."""

    def __init__(self, collections: Collections, category: DataCategory) -> None:
        self._collections = collections
        self._category = category

    def write(self, documents: Sequence[RawDocument]) -> WriteCounts:
        """Write them, and again those that another process wrote in the same moment."""
        counts: Counter[str] = Counter()
        for _ in range(TRIES):
            found = self._read(documents)
            if self._give_up(documents, found):
                found = self._read(documents)
            outcomes = self._insert([(document, self._settle(document, found)) for document in documents], found)
            documents = [document for document, outcome in outcomes if outcome is Outcome.LOST_RACE]
            done = [(document, outcome) for document, outcome in outcomes if outcome is not Outcome.LOST_RACE]
            lost = self._tidy([document for document, _ in done], found)
            counts.update(outcome.value for document, outcome in done if document not in lost)
            documents += lost
            if not documents:
                return WriteCounts(**counts)
        raise being_written(documents[0].link)

    def _read(self, documents: Sequence[RawDocument]) -> Found:
        return read(self._collections, self._category, documents)

    def _give_up(self, documents: Sequence[RawDocument], found: Found) -> bool:
        """Take their words from the records that get others, before anything is linked or written.

        So files can swap their texts: none is linked to a record that is about to change, and none has to wait for
        another to set its words free. Returns whether there were any such records.
        """
        plain: list[UpdateOne] = []
        owners: list[tuple[Record, set[str]]] = []
        for document in documents:
            own = found.own_of(document)
            if own is None or found.outranking(document) or not gives_up(own, document):
                continue
            if other_links(own):
                owners.append((own, {str(d.id) for d in documents if d.fingerprint != own.get("fingerprint")}))
            else:
                plain.append(UpdateOne(as_read(own), {"$unset": {"fingerprint": ""}}))
        if plain:
            self._collections[self._category].bulk_write(plain, ordered=False)
        for own, leaving in owners:
            hand_over(self._collections, Place(self._category, own), leaving)
        return bool(plain or owners)

    def _settle(self, document: RawDocument, found: Found) -> Outcome:
        if outranking := found.outranking(document):
            return self._add_source(document, outranking)
        own = found.own_of(document)
        twin = found.twin_of(document)
        if twin:
            return self._link(document, twin, is_stored=own is not None)
        return self._renew(document, own) if own else Outcome.MISSING

    def _add_source(self, document: RawDocument, place: Place) -> Outcome:
        """Note that a file has the text of a page, too: where the two differ, the page is what people read."""
        if has_alias(place.record, document):
            return Outcome.UNCHANGED
        alias = {"$push": {"aliases": alias_of(document)}}
        pushed = self._collections[place.category].update_one(as_read(place.record), alias)
        return Outcome.UNCHANGED if pushed.modified_count else Outcome.LOST_RACE

    def _link(self, document: RawDocument, twin: Place, is_stored: bool) -> Outcome:
        """Make the document an alias of its twin, unless it is one; its own record goes in `_tidy`."""
        already = Outcome.LINKED if is_stored else Outcome.UNCHANGED
        if has_alias(twin.record, document):
            return already
        expected = {"_id": twin.record["_id"], "fingerprint": document.fingerprint, **without_alias(document)}
        pushed = self._collections[twin.category].update_one(expected, {"$push": {"aliases": alias_of(document)}})
        if not pushed.modified_count:
            return Outcome.LOST_RACE
        known = str(document.id) in {alias["id"] for alias in aliases_in(twin.record)}
        return already if known else Outcome.LINKED

    def _renew(self, document: RawDocument, own: Record) -> Outcome:
        """Write the document over its record, if it says something else."""
        if own["content_hash"] == document.content_hash:
            return self._complete(document, own)
        if gives_up(own, document):  # somebody wrote to it after it was read
            return Outcome.LOST_RACE
        aliases = _sources_of(own, document) + other_links(own)
        now = datetime.now(UTC)
        former = {"content_hash": own["content_hash"], "stored_at": own.get("stored_at"), "replaced_at": now}
        update = {
            "$set": {**fields_of(document), "stored_at": now, "aliases": aliases},
            "$inc": {"version": 1},
            "$push": {"history": {"$each": [former], "$slice": -HISTORY_LENGTH}},
        }
        try:
            written = self._collections[self._category].update_one(as_read(own), update)
        except DuplicateKeyError:  # in the meantime, another got the same words
            return Outcome.LOST_RACE
        return Outcome.CHANGED if written.modified_count else Outcome.LOST_RACE

    def _complete(self, document: RawDocument, own: Record) -> Outcome:
        """Add what the record of an unchanged document lacks: its words' hash, another source that has it."""
        collection = self._collections[self._category]
        if own.get("fingerprint") != document.fingerprint:
            words = {"fingerprint": document.fingerprint, "canonical_link": identity(document.link)}
            try:
                written = collection.update_one(as_read(own), {"$set": words})
            except DuplicateKeyError:
                return Outcome.LOST_RACE
            if not written.matched_count:
                return Outcome.LOST_RACE
        if document.source != own["source"] and not has_alias(own, document):
            expected = {"_id": own["_id"], "content_hash": own["content_hash"], **without_alias(document)}
            pushed = collection.update_one(expected, {"$push": {"aliases": alias_of(document)}})
            return Outcome.UNCHANGED if pushed.modified_count else Outcome.LOST_RACE
        return Outcome.UNCHANGED

    def _insert(self, outcomes: Settled, found: Found) -> Settled:
        """Insert what is missing in one go. What is there after all, or has words that are, has lost a race."""
        missing = [document for document, outcome in outcomes if outcome is Outcome.MISSING]
        settled: Settled = [(document, outcome) for document, outcome in outcomes if outcome is not Outcome.MISSING]
        if not missing:
            return settled
        operations = [UpdateOne({"_id": str(d.id)}, {"$setOnInsert": new_record(d)}, upsert=True) for d in missing]
        details: Any
        try:
            details = self._collections[self._category].bulk_write(operations, ordered=False).bulk_api_result
        except BulkWriteError as error:
            details = error.details
            if any(problem["code"] != _DUPLICATE_KEY for problem in details["writeErrors"]):
                raise
        inserted = {entry["_id"] for entry in details["upserted"]}
        for document in missing:
            if str(document.id) not in inserted:
                settled.append((document, Outcome.LOST_RACE))
            else:  # a record in another category is the same document, too
                settled.append((document, Outcome.CHANGED if found.own.get(str(document.id)) else Outcome.NEW))
        return settled

    def _tidy(self, documents: Sequence[RawDocument], found: Found) -> list[RawDocument]:
        """Take away what the documents were before. Returns those that another process made homeless thereby."""
        touched = [document for document in documents if self._take_away(document, found)]
        if not touched:
            return []
        now = self._read(touched)
        return [document for document in touched if str(document.id) not in now.own.keys() | now.owners.keys()]

    def _take_away(self, document: RawDocument, found: Found) -> bool:
        """The document's record goes where it is linked now, its alias where it is its own; whether there was any."""
        if found.outranking(document):
            return False
        twin, touched = found.twin_of(document), False
        for place in found.own.get(str(document.id), []):
            if twin or place.category is not self._category:
                touched |= remove(self._collections, place)
        for place in found.owners.get(str(document.id), []):
            if place.record["_id"] not in (str(document.id), twin.record["_id"] if twin else None):
                no_more = {"$pull": {"aliases": {"id": str(document.id)}}}
                self._collections[place.category].update_one({"_id": place.record["_id"]}, no_more)
                touched = True
        return touched


def _sources_of(own: Record, document: RawDocument) -> list[Record]:
    """The other sources that led to the document's link, as aliases of it."""
    sources = {alias["source"] for alias in aliases_in(own) if alias["id"] == own["_id"]} | {own["source"]}
    return [{**alias_of(document), "source": source} for source in sorted(sources - {document.source})]


def _with_fingerprint(document: RawDocument) -> RawDocument:
    """The document; one that an older version stored knows no fingerprint."""
    if document.fingerprint:
        return document
    return document.model_copy(
        update={"fingerprint": fingerprint(document.content, document.title, document.subtitle or "")}
    )
