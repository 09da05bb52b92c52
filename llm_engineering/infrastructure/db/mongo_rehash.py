"""Texts that were edited by hand in MongoDB: their stored hashes are those of another text."""

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from llm_engineering.domain.documents import RawDocument, fingerprint
from llm_engineering.infrastructure.db.mongo_records import Record


def rehash(collection: Collection[Record], document: RawDocument) -> int:
    """Store the hashes of the text as it was read, unless somebody wrote another since; 1 where that was needed.

    Where the words are another document's as well, no fingerprint is kept: the next crawl of the link finds that out.
    """
    hashed = document.actual_hash()
    if hashed == document.content_hash:
        return 0
    as_read = {"_id": str(document.id), "content_hash": document.content_hash}
    words = fingerprint(document.content, document.title, document.subtitle or "")
    try:
        written = collection.update_one(as_read, {"$set": {"content_hash": hashed, "fingerprint": words}})
    except DuplicateKeyError:
        written = collection.update_one(as_read, {"$set": {"content_hash": hashed}, "$unset": {"fingerprint": ""}})
    return written.modified_count
