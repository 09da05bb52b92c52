"""Several writers at once, kills in the middle, and records that older versions left, on a real MongoDB-wire server."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from pymongo.collection import Collection

from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.reports import WriteCounts
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from tests.fakes import ADA, Killed, article
from tests.integration.test_same_words import BLOG, FEED, FOLDER, MEDIUM, POSTS, REPOSITORIES, text

ARTICLES = DataCategory.ARTICLES
WRITES = ("update_one", "insert_one", "delete_one", "delete_many", "bulk_write")


def together(writers: Sequence[Callable[[], WriteCounts]]) -> WriteCounts:
    """What the writers counted, all begun at once."""
    barrier, counts = threading.Barrier(len(writers)), list[WriteCounts]()

    def write(writer: Callable[[], WriteCounts]) -> None:
        barrier.wait()
        counts.append(writer())

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == len(writers)
    return sum(counts, WriteCounts())


@pytest.fixture
def stores(store: MongoDocumentStore, mongo_uri: str) -> Iterator[list[MongoDocumentStore]]:
    """Four stores on one database, each with connections of its own, as in four processes."""
    others = [MongoDocumentStore(mongo_uri, store._database.name) for _ in range(3)]
    yield [store, *others]
    for other in others:
        other.close()


def test_writers_at_once_store_each_document_once_and_their_counts_add_up(stores: list[MongoDocumentStore]) -> None:
    documents = [article(f"text {i}", f"https://e.com/{i}") for i in range(220)]
    # Each writes three quarters of them, so that each document is written by three.
    shares = [[d for i, d in enumerate(documents) if i % 4 != number] for number in range(4)]
    counts = together([lambda s=s, d=d: s.upsert(d) for s, d in zip(stores, shares, strict=True)])  # type: ignore[misc]
    assert counts == WriteCounts(new=220, unchanged=440)
    assert stores[0].count(ARTICLES) == 220


def test_writers_at_once_count_each_change_once(stores: list[MongoDocumentStore]) -> None:
    stores[0].upsert([article(f"text {i}", f"https://e.com/{i}") for i in range(60)])
    changed = [article(f"new text {i}", f"https://e.com/{i}") for i in range(60)]
    counts = together([lambda s=s: s.upsert(changed) for s in stores])  # type: ignore[misc]
    assert counts == WriteCounts(changed=60, unchanged=180)
    assert {record["version"] for record in stores[0]._database["articles"].find()} == {2}


def test_writers_at_once_of_the_same_words_store_them_once(stores: list[MongoDocumentStore]) -> None:
    # The same 40 texts, on four sites.
    sites = [[article(f"text {i}", f"https://e{site}.com/{i}") for i in range(40)] for site in range(4)]
    counts = together([lambda s=s, d=d: s.upsert(d) for s, d in zip(stores, sites, strict=True)])  # type: ignore[misc]
    assert counts == WriteCounts(new=40, linked=120)
    records = list(stores[0]._database["articles"].find())
    assert Counter(len(record["aliases"]) for record in records) == {3: 40}
    assert sum(stores[0].count_source(f"https://e{site}.com/7", ADA.id) for site in range(4)) == 4


@pytest.mark.parametrize("distance", [1, 7, -1])
def test_writers_at_once_of_files_that_get_each_others_texts_lose_none(
    stores: list[MongoDocumentStore], distance: int
) -> None:
    links = [f"{FOLDER}/{number}" for number in range(60)]
    stores[0].upsert([text(f"text {number % 50}", link, source=FOLDER) for number, link in enumerate(links)])
    # Each begins elsewhere, so that one has written what another has yet to write.
    shifted = [text(f"text {(n + distance) % 50}", link, source=FOLDER) for n, link in enumerate(links)]
    orders = [shifted, shifted[::-1], shifted[20:] + shifted[:20], shifted[1::2] + shifted[::2]]
    together([lambda s=s, d=d: s.upsert(d) for s, d in zip(stores, orders, strict=True)])  # type: ignore[misc]
    assert sorted(d.content for d in stores[0].stream(ARTICLES)) == sorted(f"text {number}" for number in range(50))
    assert stores[0].count_source(FOLDER, ADA.id) == 60
    assert stores[0].upsert(shifted) == WriteCounts(unchanged=60)


def test_a_link_that_comes_to_a_record_while_it_is_deleted_keeps_the_words(
    store: MongoDocumentStore, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = MongoDocumentStore(mongo_uri, store._database.name)
    store.upsert([text("a")])
    write = Collection.bulk_write

    def late(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Collection, "bulk_write", write)
        other.upsert([text("a", MEDIUM)])
        return write(self, *arguments, **options)

    monkeypatch.setattr(Collection, "bulk_write", late)
    assert store.delete_vanished(BLOG, ADA.id, []) == 1
    assert {document.link: document.content for document in store.stream(ARTICLES)} == {MEDIUM: "a"}
    other.close()


class Scenario:
    """Documents that are stored, those of a second crawl, and the sources that were crawled whole then."""

    def __init__(self, first: list[RawDocument], second: list[RawDocument], *sources: str) -> None:
        self.first, self.second, self.sources = first, second, sources

    def crawl_again(self, store: MongoDocumentStore) -> None:
        store.upsert(self.second)
        for source in self.sources:
            store.delete_vanished(source, ADA.id, [d.id for d in self.second if d.source == source])


SCENARIOS = {
    "a new text and its copy": Scenario([], [text("a"), text("a", MEDIUM), text("b", FEED)]),
    "a changed text with a copy": Scenario([text("a"), text("a", MEDIUM)], [text("b"), text("a", MEDIUM)]),
    "a copy that changes": Scenario([text("a"), text("a", MEDIUM)], [text("a"), text("b", MEDIUM)]),
    "a text that comes to equal another": Scenario([text("a"), text("b", MEDIUM)], [text("a"), text("a", MEDIUM)]),
    "a text that becomes a post": Scenario(
        [text("a"), text("a", MEDIUM)], [text("a", category=POSTS), text("a", MEDIUM)]
    ),
    "a text that becomes code": Scenario([text("a")], [text("a", category=REPOSITORIES)]),
    "a file that is renamed": Scenario(
        [text("a", f"{FOLDER}/a", source=FOLDER)], [text("a", f"{FOLDER}/b", source=FOLDER)], FOLDER
    ),
    "a text that vanishes and has a copy": Scenario([text("a"), text("a", MEDIUM)], [text("a", MEDIUM)], BLOG),
    "a shift": Scenario([text("a"), text("b", MEDIUM), text("c", FEED)], [text("b"), text("c", MEDIUM)], FEED),
    "a swap with a copy": Scenario(
        [text("a"), text("b", MEDIUM), text("a", FEED)], [text("b"), text("a", MEDIUM), text("a", FEED)]
    ),
    "a swap": Scenario([text("a"), text("b", MEDIUM)], [text("b"), text("a", MEDIUM)]),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_at_any_write_is_mended_by_the_next_crawl(
    store: MongoDocumentStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    scenario = SCENARIOS[name]
    expected = sorted({d.content for d in scenario.second})
    for writes_until_the_kill in range(20):
        for category in DataCategory:
            store._database[category.value].delete_many({})
        store.upsert(scenario.first)
        killed = False
        with monkeypatch.context() as patch:
            kill_after(writes_until_the_kill, patch)
            try:
                scenario.crawl_again(store)
            except Killed:
                killed = True
        scenario.crawl_again(store)
        scenario.crawl_again(store)
        found = [document for category in DataCategory for document in store.stream(category)]
        assert sorted(document.content for document in found) == expected, writes_until_the_kill
        for document in scenario.second:
            assert store.count_source(document.source, ADA.id) == 1
        assert store.upsert(scenario.second) == WriteCounts(unchanged=len(scenario.second))
        if not killed:
            return
    pytest.fail("It was killed each time.")


def kill_after(writes: int, patch: pytest.MonkeyPatch) -> None:
    """Let the process "end" before the write after so many."""
    left = [writes]

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return method(*arguments, **options)

        return write

    for name in WRITES:
        patch.setattr(Collection, name, wrapped(getattr(Collection, name)))


def old_record(link: str, content: str) -> dict[str, Any]:
    """A record as version 0.1 wrote it: `www.` was part of a link then, and of the id."""
    document = article(content, link)
    record = document.model_dump(mode="json", exclude={"fingerprint", "byline", "id"})
    return {**record, "_id": str(uuid5(NAMESPACE_URL, link)), "link": link, "source": link}


@pytest.fixture
def old(store: MongoDocumentStore) -> MongoDocumentStore:
    """A database of version 0.1: two spellings of a page, a copy of another, and its index."""
    records = [
        old_record("https://www.e.com/a", "a"),
        old_record("https://e.com/a", "a"),
        old_record("https://e.com/b", "b"),
        old_record("https://e.com/c", "b"),
    ]
    same_id = {**old_record("https://e.com/d", "d"), "_id": str(article("d", "https://e.com/d").id)}
    collection = store._database["articles"]
    collection.create_index([("link", 1), ("author_id", 1)], unique=True)
    collection.insert_many([*records, same_id])
    return store


def test_records_of_an_older_version_are_met_again_and_not_doubled(old: MongoDocumentStore) -> None:
    found = {document.link: document.content for document in old.stream(ARTICLES)}
    assert found in (
        {"https://www.e.com/a": "a", "https://e.com/b": "b", "https://e.com/c": "b", "https://e.com/d": "d"},
        {"https://e.com/a": "a", "https://e.com/b": "b", "https://e.com/c": "b", "https://e.com/d": "d"},
    )
    assert "link_1_author_id_1" not in old._database["articles"].index_information()
    pages = [article(content, f"https://e.com/{name}") for name, content in zip("abcd", "abbd", strict=True)]
    assert old.upsert(pages) == WriteCounts(unchanged=3, linked=1)
    assert old.upsert(pages) == WriteCounts(unchanged=4)
    assert sorted(document.content for document in old.stream(ARTICLES)) == ["a", "b", "d"]
    records = list(old._database["articles"].find())
    assert {(record["version"], record["fingerprint"] != "") for record in records} == {(1, True)}
    assert {record["source"] for record in records} <= {f"https://e.com/{name}" for name in "abcd"}


def test_a_kill_while_records_are_brought_up_to_date_loses_none(
    old: MongoDocumentStore, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for writes in (0, 1, 2, 3, 5):
        again = MongoDocumentStore(mongo_uri, old._database.name)
        with monkeypatch.context() as patch:
            kill_after(writes, patch)
            with pytest.raises(Killed):
                again.count(ARTICLES)
        again.close()
    assert sorted(document.content for document in old.stream(ARTICLES)) == ["a", "b", "b", "d"]


def test_a_record_without_a_fingerprint_gets_it_without_counting_as_changed(store: MongoDocumentStore) -> None:
    store.upsert([article("a")])
    store._database["articles"].update_one({}, {"$unset": {"fingerprint": ""}})
    assert store.upsert([article("a")]) == WriteCounts(unchanged=1)
    assert store.upsert([article("a", MEDIUM)]) == WriteCounts(linked=1)
