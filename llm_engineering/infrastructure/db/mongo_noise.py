"""What was learned of sites: the lines that repeat from page to page, in the collection `site_noise`."""

from collections.abc import Iterable, Mapping, Sequence

from pymongo import DeleteOne, ReplaceOne
from pymongo.database import Database

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.links import host_of
from llm_engineering.infrastructure.db.mongo_records import Record

SITE_NOISE = "site_noise"


def read(database: Database[Record]) -> dict[str, list[str]]:
    """The lines by site."""
    return {record["_id"]: record["lines"] for record in database[SITE_NOISE].find()}


def save(database: Database[Record], noise: Mapping[str, Sequence[str]]) -> None:
    """Write the lines of these sites; a site without any is forgotten."""
    writes: list[DeleteOne | ReplaceOne[Record]] = [
        ReplaceOne({"_id": site}, {"lines": list(lines)}, upsert=True) if lines else DeleteOne({"_id": site})
        for site, lines in noise.items()
    ]
    for batch in batched(writes, BATCH_SIZE):
        database[SITE_NOISE].bulk_write(batch, ordered=False)


def forget(database: Database[Record], records: Iterable[Record]) -> None:
    """Forget the lines of the sites of these documents: they are words of theirs.

    Which of them other pages of the site still have, and may so be kept, the application finds out and saves again.
    """
    save(database, {host_of(record["link"]) or record["platform"]: () for record in records})
