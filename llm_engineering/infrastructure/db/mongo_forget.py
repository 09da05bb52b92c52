"""How a person or a link is forgotten: what belongs to it is found, and erased in an order that survives a kill."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import UUID

from pymongo.database import Database

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import DataCategory, document_id
from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import canonical_link, canonical_repository_link, identity, without_credentials
from llm_engineering.infrastructure.db import mongo_noise
from llm_engineering.infrastructure.db.mongo_generations import GENERATIONS
from llm_engineering.infrastructure.db.mongo_records import Collections, Record
from llm_engineering.infrastructure.db.mongo_sources import RUNS, SOURCES

USERS = "users"
_LINKS = {"link": 1, "platform": 1, "source": 1, "canonical_link": 1, "aliases": 1}
# What stands between a root and the path of a file in the file's link: on a disk, and on hosts of repositories.
_FILE_PATHS = ("/", "/blob/HEAD/", "/-/blob/HEAD/", "/src/branch/HEAD/", "/src/HEAD/")
_SOURCE_FIELDS = ("source", "aliases.source")


@dataclass
class _Traces:
    """What a link left.

    `sources` are those that the link names or listed, `further` other ones that have nothing but these documents (the
    address that led to a page), `identities` the links by which the runs may have named any of it.
    """

    documents: dict[DataCategory, dict[str, Record]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    further: set[str] = field(default_factory=set)
    identities: set[str] = field(default_factory=set)


def forget_author(database: Database[Record], collections: Collections, author_id: UUID) -> dict[str, int]:
    """Erase the author's documents, what models made of them, source states and runs.

    The name goes last, so that it can be given once more.
    """
    for collection in collections.values():
        mongo_noise.forget(database, collection.find({"author_id": str(author_id)}, _LINKS))
    parts = [database[GENERATIONS], *collections.values(), database[SOURCES], database[RUNS]]
    removed = {part.name: part.delete_many({"author_id": str(author_id)}).deleted_count for part in parts}
    removed[USERS] = database[USERS].delete_one({"_id": str(author_id)}).deleted_count
    return removed


def documents_of_link(
    database: Database[Record], collections: Collections, link: str
) -> dict[DataCategory, list[UUID]]:
    """The documents with this link, from this source, or from a source that it listed, by category.

    A document that has the link or the source as an alias is one of them: its words are those of the link.
    """
    found = _traces(database, collections, link).documents
    return {category: [UUID(id_) for id_ in records] for category, records in found.items()}


def forget_link(database: Database[Record], collections: Collections, link: str) -> dict[str, int]:
    """Erase the link's documents, what models made of them, source states, and lines in the runs.

    The states of what the link listed go last: they lead to the documents, should this be done again after a kill.
    """
    traces = _traces(database, collections, link)
    removed = {
        f"{RUNS} (entries of it)": _clear_runs(database, traces.identities),
        SOURCES: _delete_states(database, traces.further),
        GENERATIONS: _delete_made_of(database, _possible_ids(database, link)),
    }
    for category, collection in collections.items():
        mongo_noise.forget(database, traces.documents[category].values())
        removed[collection.name] = 0
        for batch in batched(traces.documents[category], BATCH_SIZE):
            removed[GENERATIONS] += _delete_made_of(database, batch)
            removed[collection.name] += collection.delete_many({"_id": {"$in": batch}}).deleted_count
    removed[SOURCES] += _delete_states(database, traces.sources)
    return removed


def _traces(database: Database[Record], collections: Collections, link: str) -> _Traces:
    named = _spellings(link)
    named |= _crawled_as(database, named)
    traces = _Traces(sources=named | _listed_by(database, named))
    searches = [
        {"canonical_link": {"$in": sorted(named)}},
        {"aliases.canonical_link": {"$in": sorted(named)}},
        *(
            {field: {"$in": batch}}
            for batch in batched(traces.sources, BATCH_SIZE)
            for field in ("source", "aliases.source")
        ),
    ]
    for category, collection in collections.items():
        traces.documents[category] = {
            record["_id"]: record for search in searches for record in collection.find(search, _LINKS)
        }
    records = [record for found in traces.documents.values() for record in found.values()]
    origins = [origin for record in records for origin in (record, *record.get("aliases", []))]
    forgotten = {record["_id"] for record in records}
    others = {origin["source"] for origin in origins} - traces.sources
    traces.further = {source for source in others if not _has_more(collections, source, forgotten)}
    links = {origin["link"] for origin in origins} | traces.sources | traces.further
    traces.identities = {spelling for each in links for spelling in _spellings(each)}
    return traces


def _spellings(link: str) -> set[str]:
    """The link as it may be stored: canonical, as a repository's, by http or https, without secrets."""
    found = {link.strip()}
    is_of_web = link.strip().lower().startswith(("http://", "https://"))
    repository = canonical_repository_link if is_of_web else canonical_link  # on a disk, `x.git` and `x` are two
    for function in (without_credentials, canonical_link, repository, identity):
        try:
            found |= {function(spelling) for spelling in list(found)}
        except InvalidInputError:
            continue
    return found | {f"http{spelling.removeprefix('https')}" for spelling in found if spelling.startswith("https://")}


def _crawled_as(database: Database[Record], named: set[str]) -> set[str]:
    """The sources that the runs read under a link that was configured in these words."""
    entries = (source for run in database[RUNS].find({}, {"sources": 1}) for source in run["sources"])
    return {entry["source"] for entry in entries if entry.get("source") and entry["link"] in named}


def _listed_by(database: Database[Record], listings: set[str]) -> set[str]:
    found = database[SOURCES].find({"listed_by": {"$in": sorted(listings)}}, {"source": 1})
    return {record["source"] for record in found}


def _has_more(collections: Collections, source: str, forgotten: set[str]) -> bool:
    """Whether the source has documents besides the forgotten ones."""
    return any(
        record["_id"] not in forgotten
        for collection in collections.values()
        for name in _SOURCE_FIELDS
        for record in collection.find({name: source}, {"_id": 1})
    )


def _delete_states(database: Database[Record], sources: Iterable[str]) -> int:
    batches = batched(sources, BATCH_SIZE)
    return sum(database[SOURCES].delete_many({"source": {"$in": batch}}).deleted_count for batch in batches)


def _possible_ids(database: Database[Record], link: str) -> list[str]:
    """Of the link's documents, also where the collections have them no more."""
    try:
        return [str(document_id(link, UUID(author["_id"]))) for author in database[USERS].find({}, {"_id": 1})]
    except InvalidInputError:  # a path, which is the link of no document
        return []


def _delete_made_of(database: Database[Record], document_ids: list[str]) -> int:
    return database[GENERATIONS].delete_many({"document_id": {"$in": document_ids}}).deleted_count


def _clear_runs(database: Database[Record], identities: set[str]) -> int:
    """Take the links out of the reports of runs; returns how many reports had one."""
    cleared = 0
    for run in database[RUNS].find({}, {"sources": 1}):
        kept = [s for s in run["sources"] if not _is_among(s.get("source") or s["link"], identities)]
        changed = [_clear_parts(source, identities) for source in kept]
        if len(kept) < len(run["sources"]) or any(changed):
            database[RUNS].update_one({"_id": run["_id"]}, {"$set": {"sources": kept}})
            cleared += 1
    return cleared


def _clear_parts(source: Record, identities: set[str]) -> bool:
    """Take these links and files out of what a source's report says of its parts, and out of the count of failures."""
    root, cleared = source.get("source") or source["link"], False
    for name in ("failures", "over_limit"):
        pairs = source.get(name, [])
        gone = [pair for pair in pairs if _is_part_among(root, pair["key"], identities)]
        if gone:
            source[name] = [pair for pair in pairs if pair not in gone]
            _lower(source["failed" if name == "failures" else "skipped"], [pair["value"] for pair in gone])
            cleared = True
    source["failed"] = [pair for pair in source["failed"] if pair["value"] > 0]
    source["skipped"] = [pair for pair in source["skipped"] if pair["value"] > 0]
    return cleared


def _lower(counts: list[Record], reasons: list[str]) -> None:
    for pair in counts:
        pair["value"] -= reasons.count(pair["key"])


def _is_part_among(root: str, part: str, identities: set[str]) -> bool:
    """Whether a part, a link or a path under the root, is one of these links."""
    if _is_among(part, identities):
        return True
    return any(f"{root.rstrip('/')}{folder}{quote(part)}" in identities for folder in _FILE_PATHS)


def _is_among(link: str, identities: set[str]) -> bool:
    """Whether the link, as it was configured, is one of them in another spelling."""
    return not identities.isdisjoint(_spellings(link))
