"""The document store on a real MongoDB-wire server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from llm_engineering.domain.batching import BATCH_SIZE
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.domain.reports import EtlReport, SourceReport, WriteCounts
from llm_engineering.domain.sources import SourceState
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.mongo_errors import redacted
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


def test_a_changed_text_is_a_new_version_that_keeps_hash_and_dates_of_the_last_ten(store: MongoDocumentStore) -> None:
    texts = [article(f"text {i}") for i in range(12)]
    for document in texts:
        store.upsert([document])
    [record] = store._database["articles"].find()
    assert (record["version"], record["content"], record["fingerprint"]) == (12, "text 11", texts[11].fingerprint)
    assert [entry["content_hash"] for entry in record["history"]] == [text.content_hash for text in texts[1:11]]
    assert all(entry["stored_at"] <= entry["replaced_at"] <= record["stored_at"] for entry in record["history"])
    assert not any("text" in str(value) for entry in record["history"] for value in entry.values())


def test_a_text_that_was_edited_by_hand_gets_the_hashes_of_its_words(store: MongoDocumentStore) -> None:
    one, two = article("one", "https://e.com/1"), article("two", "https://e.com/2")
    store.upsert([one, two])
    store._database["articles"].update_one({"_id": str(one.id)}, {"$set": {"content": "edited"}})
    assert store.rehash([one.id, two.id]) == 1
    assert store.by_ids([one.id]) == [article("edited", "https://e.com/1")]
    assert store.by_ids([two.id]) == [two]
    assert store.rehash([one.id, two.id]) == 0
    assert store.upsert([one]) == WriteCounts(changed=1)


def test_an_edited_text_with_the_words_of_another_is_linked_to_it_by_the_next_crawl(store: MongoDocumentStore) -> None:
    one, two = article("one", "https://e.com/1"), article("two", "https://e.com/2")
    store.upsert([one, two])
    store._database["articles"].update_one({"_id": str(one.id)}, {"$set": {"content": "two"}})
    assert store.rehash([one.id]) == 1
    assert store.by_ids([one.id])[0].content_hash == article("two", "https://e.com/1").content_hash
    other = article("one", "https://e.com/3")
    assert store.upsert([other]) == WriteCounts(new=1), "nobody else has these words any more"
    assert store.upsert([article("two", "https://e.com/1")]) == WriteCounts(linked=1)
    assert {document.link for document in store.stream(DataCategory.ARTICLES)} == {two.link, other.link}


def test_one_link_of_one_author_has_one_document_whoever_writes(store: MongoDocumentStore, mongo_uri: str) -> None:
    store.upsert([article("x")])
    with MongoClient[dict[str, object]](mongo_uri) as client:
        collection = client[store._database.name]["articles"]
        stored = collection.find_one() or {}
        with pytest.raises(DuplicateKeyError):
            collection.insert_one({**stored, "_id": "another", "fingerprint": "another"})
        with pytest.raises(DuplicateKeyError):
            collection.insert_one({**stored, "_id": "another", "canonical_link": "https://e.com/another"})


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


def state(source: str, **changes: Any) -> SourceState:
    return SourceState.model_validate({"source": source, "link": source, "author_id": ADA.id, **changes})


def test_documents_are_read_by_their_ids_whatever_their_category(store: MongoDocumentStore) -> None:
    text = article("cat", "https://e.com/1")
    other = article("dog", "https://e.com/2")
    category = DataCategory.POSTS
    link = "https://e.com/3"
    post = RawDocument.create(category=category, platform="e", link=link, author=ADA, title="", content="fish")
    store.upsert([text, other, post])
    found = store.by_ids([text.id, UUID(int=7), post.id])
    assert {document.id: document.content for document in found} == {text.id: "cat", post.id: "fish"}
    assert store.by_ids([]) == []


def test_a_source_is_remembered_by_author_and_link(store: MongoDocumentStore) -> None:
    babbage = Author.named("Charles Babbage")
    crawled_at = datetime(2024, 3, 5, 9, tzinfo=UTC)
    first = state("https://e.com/a", etag='"1"', missing_runs=2, crawled_at=crawled_at)
    his = state("https://e.com/a", author_id=babbage.id)
    for written in (first, first.model_copy(update={"etag": '"0"'}), first, his):
        store.save_source_state(written)
    assert store.source_state("https://e.com/a", ADA.id) == first
    assert store.source_state("https://e.com/a", babbage.id) == his
    assert store.source_state("https://e.com/b", ADA.id) is None


def test_a_listing_knows_what_it_led_to_unless_it_is_gone(store: MongoDocumentStore) -> None:
    feed = "https://e.com/feed"
    led_to = [state(f"https://e.com/{name}", listed_by=feed) for name in "ab"]
    others = [
        state("https://e.com/c", listed_by=feed, gone=True),
        state("https://e.com/d", listed_by="https://e.com/other"),
        state("https://e.com/e"),
        state("https://e.com/f", listed_by=feed, author_id=Author.named("Charles Babbage").id),
    ]
    for written in reversed([*led_to, *others]):
        store.save_source_state(written)
    assert store.sources_listed_by(feed, ADA.id) == led_to


def test_runs_come_back_latest_first_and_as_they_were_saved_last(store: MongoDocumentStore) -> None:
    moments = [datetime(2024, 3, day, 9, 0, 0, 123000, tzinfo=UTC) for day in (1, 2, 3)]
    first, second, third = (EtlReport(author="Ada Lovelace", started_at=moment) for moment in moments)
    for report in (second, third, first):
        store.save_run(report)
    source = SourceReport(link="https://e.com/$a.b", documents=WriteCounts(new=2), skipped={"": 1, "a.b": 2})
    source.fail("https://e.com/\udc80.html", "answered 404. Look there.")
    third.sources, third.finished_at = [source], moments[2]
    store.save_run(third)
    latest, before = store.runs(2)
    assert before == second
    assert latest.sources[0].failures == {"https://e.com/\\udc80.html": "answered 404. Look there."}
    source.failures = latest.sources[0].failures
    assert latest == third
    record = store._database["etl_runs"].find_one({"started_at": {"$gt": moments[1]}}) or {}
    assert record["sources"][0]["failed"] == [{"key": "answered 404. Look there.", "value": 1}]
    assert (len(store.runs(10)), store.runs(10)[2]) == (3, first)


def test_documents_are_counted_by_author_category_and_platform(store: MongoDocumentStore) -> None:
    babbage = Author.named("Charles Babbage")
    assert store.statistics() == []
    store.upsert(
        [article("x", f"https://e.com/{i}", author=babbage).model_copy(update={"fingerprint": f"{i}"}) for i in "ab"]
    )
    store.upsert([listed("a.py"), article("y")])
    assert [tuple(count.model_dump().values()) for count in store.statistics()] == [
        ("Ada Lovelace", "articles", "example.com", 1),
        ("Ada Lovelace", "repositories", "github", 1),
        ("Charles Babbage", "articles", "example.com", 2),
    ]


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
