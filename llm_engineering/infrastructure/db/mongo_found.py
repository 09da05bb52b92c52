"""What is stored that concerns the documents of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.infrastructure.db.mongo_aliases import Place, aliases_in, other_links
from llm_engineering.infrastructure.db.mongo_records import TEXTS, Collections, Record

_WITHOUT_TEXT = {"content": 0, "history": 0}


@dataclass
class Found:
    """By id a document's own records and those that have it as an alias; by author and fingerprint those of its words.

    `own` and `owners` have no key without a record.
    """

    own: dict[str, list[Place]] = field(default_factory=dict)
    of_words: dict[tuple[str, str], list[Place]] = field(default_factory=dict)
    owners: dict[str, list[Place]] = field(default_factory=dict)

    def own_of(self, document: RawDocument) -> Record | None:
        """The document's record in its category."""
        places = self.own.get(str(document.id), [])
        return next((place.record for place in places if place.category is document.category), None)

    def twin_of(self, document: RawDocument) -> Place | None:
        """The record that has the document's words under another link.

        An article that is stored does not give way to a post: else two processes could remove each for the other.
        """
        key = (str(document.author_id), document.fingerprint)
        places = [place for place in self.of_words.get(key, []) if place.record["_id"] != str(document.id)]
        for place in places:
            if place.category is document.category:
                return place
        may_give_way = document.category is DataCategory.POSTS or self.own_of(document) is None
        return places[0] if places and may_give_way else None

    def outranking(self, document: RawDocument) -> Place | None:
        """Where a page of the web says what stands at the document's link, and the document is of a file.

        Both may name the same canonical link and differ: if each wrote over the other, the text would change at every
        run.
        """
        if _is_of_web(document.source):
            return None
        id_ = str(document.id)
        for place in self.own.get(id_, []):
            if _is_of_web(place.record["source"]):
                return place
        for place in self.owners.get(id_, []):
            if any(alias["id"] == id_ and _is_of_web(alias["source"]) for alias in aliases_in(place.record)):
                return place
        return None


def read(collections: Collections, category: DataCategory, documents: Sequence[RawDocument]) -> Found:
    """Look the documents of a category up, in all collections."""
    ids = [str(document.id) for document in documents]
    words = [document.fingerprint for document in documents]
    found = Found()
    for other, collection in collections.items():
        for record in collection.find({"_id": {"$in": ids}}, _WITHOUT_TEXT):
            found.own.setdefault(record["_id"], []).append(Place(other, record))
        for record in collection.find({"aliases.id": {"$in": ids}}, _WITHOUT_TEXT):
            for id_ in {alias["id"] for alias in aliases_in(record)}:
                found.owners.setdefault(id_, []).append(Place(other, record))
        if other in TEXTS and category in TEXTS:
            for record in collection.find({"fingerprint": {"$in": words}}, _WITHOUT_TEXT):
                key = (record["author_id"], record["fingerprint"])
                found.of_words.setdefault(key, []).append(Place(other, record))
    return found


def gives_up(own: Record, document: RawDocument) -> bool:
    """Whether the record still has words that the document has no more."""
    if own["content_hash"] == document.content_hash or own.get("fingerprint") == document.fingerprint:
        return False
    return bool(own.get("fingerprint") or other_links(own))


def _is_of_web(source: str) -> bool:
    """Whether the source is a page or a repository of the web, and not a file, a folder or an archive."""
    return source.startswith(("http://", "https://"))
