"""The document store on a real MongoDB-wire server."""

import threading
from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from llm_engineering.domain.batching import BATCH_SIZE
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.domain.reports import WriteCounts
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore, redacted
from tests.fakes import ADA, article


def listed(path: str, source: str = "https://github.com/ada/engine", author: Author = ADA) -> RawDocument:
    return RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform="github",
        link=f"{source}/blob/HEAD/{path}",
        source=source,
        author=author,
        title=f"engine/{path}",
        content=f"content of {path}",
    )


def test_a_document_comes_back_as_it_was_written(store: MongoDocumentStore) -> None:
    document = article("Zeile\n\ttab 𝗕 \u2028 'quoted' $set.x", title="Ünïcode")
    store.upsert([document])
    assert list(store.stream(DataCategory.ARTICLES)) == [document]


def test_writing_twice_changes_nothing_and_a_changed_text_replaces(store: MongoDocumentStore) -> None:
    one, two = article("one", "https://e.com/1"), article("two", "https://e.com/2")
    assert store.upsert([one, two]) == WriteCounts(new=2)
    assert store.upsert([one, two]) == WriteCounts(unchanged=2)
    assert store.upsert([article("ONE", "https://e.com/1"), two]) == WriteCounts(changed=1, unchanged=1)
    assert sorted(document.content for document in store.stream(DataCategory.ARTICLES)) == ["ONE", "two"]


def test_a_document_that_stands_twice_in_a_batch_is_written_once(store: MongoDocumentStore) -> None:
    assert store.upsert([article("x"), article("x")]) == WriteCounts(new=1)


def test_one_link_of_one_author_has_one_document_whoever_writes(store: MongoDocumentStore, mongo_uri: str) -> None:
    store.upsert([article("x")])
    with MongoClient[dict[str, object]](mongo_uri) as client:
        collection = client[store._database.name]["articles"]
        stored = collection.find_one() or {}
        with pytest.raises(DuplicateKeyError):
            collection.insert_one({**stored, "_id": "another"})


def test_two_writers_at_once_leave_each_document_once(store: MongoDocumentStore) -> None:
    documents = [article(f"text {i}", f"https://e.com/{i}") for i in range(300)]
    barrier = threading.Barrier(4)
    counts: list[WriteCounts] = []

    def write() -> None:
        barrier.wait()
        counts.append(store.upsert(documents))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert store.count(DataCategory.ARTICLES) == 300


def test_streaming_pages_through_more_than_a_batch_in_order_of_the_ids(store: MongoDocumentStore) -> None:
    documents = [article(f"text {i}", f"https://e.com/{i}") for i in range(2 * BATCH_SIZE + 1)]
    store.upsert(documents)
    streamed = [document.id for document in store.stream(DataCategory.ARTICLES)]
    assert streamed == sorted((document.id for document in documents), key=str)
    assert set(store.ids(DataCategory.ARTICLES)) == set(streamed)


def test_a_stream_and_a_count_can_be_of_some_authors_only(store: MongoDocumentStore) -> None:
    babbage = store.get_or_create_author("Charles Babbage")
    store.upsert([article("hers", "https://e.com/1"), article("his", "https://e.com/2", author=babbage)])
    assert [document.content for document in store.stream(DataCategory.ARTICLES, [babbage.id])] == ["his"]
    assert store.count(DataCategory.ARTICLES, [babbage.id]) == 1
    assert store.count(DataCategory.ARTICLES, []) == 0


def test_an_author_is_created_once(store: MongoDocumentStore) -> None:
    first = store.get_or_create_author("Ada Lovelace")
    assert store.get_or_create_author("ada lovelace") == first == ADA
    assert list(store.authors()) == [ADA]


def test_what_a_source_no_longer_lists_is_deleted_and_nothing_else(store: MongoDocumentStore) -> None:
    babbage = Author.named("Charles Babbage")
    kept, gone = listed("a.py"), listed("b.py")
    others = [listed("b.py", author=babbage), listed("b.py", source="https://github.com/ada/notes"), article("x")]
    store.upsert([kept, gone, *others])
    assert store.delete_vanished("https://github.com/ada/engine", ADA.id, [kept.id]) == 1
    left = {document.id for category in DataCategory for document in store.stream(category)}
    assert left == {kept.id, *(document.id for document in others)}


@pytest.fixture
def unreachable() -> Iterator[MongoDocumentStore]:
    store = MongoDocumentStore("mongodb://ada:hunter2@127.0.0.1:9/?serverSelectionTimeoutMS=100", "x")
    yield store
    store.close()


def test_a_server_that_is_down_is_named_without_the_password(
    unreachable: MongoDocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        DependencyUnavailableError, match=r"MongoDB at mongodb://127\.0\.0\.1:9 does not answer"
    ) as caught:
        unreachable.ping()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://u:p@h:1/db?x=y", "mongodb://h:1"),
        ("mongodb+srv://u:p%40w@h", "mongodb+srv://h"),
        ("mongodb://h1:1,h2:2/?replicaSet=rs0", "mongodb://h1:1,h2:2"),
        ("mongodb://u:p/w@h:1/", "mongodb://h:1"),
        ("mongodb://u:p#w@h:1", "mongodb://h:1"),
    ],
)
def test_a_uri_is_shown_without_user_password_and_options(uri: str, shown: str) -> None:
    assert redacted(uri) == shown
