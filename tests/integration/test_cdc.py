"""MongoDB's real change stream, the real vector engine, real kills: nothing is lost."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from pymongo import MongoClient

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.verification import verify
from llm_engineering.domain.changes import Change, ChangeBatch
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import ConfigurationError, DependencyUnavailableError, ResumeTokenLostError
from llm_engineering.infrastructure.db import mongo_changes
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.mongo_changes import MongoChangeFeed
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from tests.fakes import SilentProgress, article
from tests.integration import followers
from tests.integration.followers import Follower, makers

SOURCE = "https://e.com/source"


@pytest.fixture
def database() -> str:
    return f"cdc_{uuid4().hex}"


@pytest.fixture
def documents(mongo_uri: str, database: str) -> Iterator[MongoDocumentStore]:
    store = MongoDocumentStore(mongo_uri, database)
    store.count(DataCategory.ARTICLES)  # makes the indexes
    yield store
    store.close()


@pytest.fixture
def feed(mongo_uri: str, database: str) -> Iterator[MongoChangeFeed]:
    feed = MongoChangeFeed(lambda: mongo_uri, database)
    yield feed
    feed.close()


@pytest.fixture
def raw(mongo_uri: str, database: str) -> Iterator[Any]:
    """The database, for writes that no document store would do."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri)
    yield client[database]
    client.close()


def text(name: str, words: int = 3) -> str:
    return f"{name} begins. " + " ".join(f"cat{i} sleeps." for i in range(words))


def page(number: int, words: int = 3, version: str = "one") -> Any:
    return article(text(f"Page {number} {version}", words), f"https://e.com/{number}")


def batches(feed: MongoChangeFeed, token: dict[str, Any], changes: int, max_batch: int = 100) -> list[ChangeBatch]:
    """Batches until so many changes came."""
    found: list[ChangeBatch] = []
    with feed.follow(token, max_batch) as stream:
        while sum(len(batch.changes) for batch in found) < changes:
            found.append(next(stream))
    return found


def changes(feed: MongoChangeFeed, token: dict[str, Any], count: int) -> list[Change]:
    return [change for batch in batches(feed, token, count) for change in batch.changes]


def test_a_feed_tells_of_inserts_updates_and_deletions_with_the_document_as_it_is_now(
    feed: MongoChangeFeed, documents: MongoDocumentStore
) -> None:
    token = feed.now()
    one, two = page(1), page(2)
    documents.upsert([one, two])
    documents.get_or_create_author("Somebody Else")  # no document
    documents.upsert([page(1, version="two")])
    documents.forget_link(two.link)
    told = changes(feed, token, 5)
    assert [(change.kind, change.document_id) for change in told] == [
        ("upsert", one.id),
        ("upsert", two.id),
        ("upsert", one.id),  # gives up its old words,
        ("upsert", one.id),  # gets the new ones
        ("delete", two.id),
    ]
    assert told[3].document is not None
    assert told[3].document.content == page(1, version="two").content
    assert all(change.category is DataCategory.ARTICLES and change.written_at for change in told)


def test_batches_are_bounded_and_each_has_the_token_to_go_on_from(
    feed: MongoChangeFeed, documents: MongoDocumentStore
) -> None:
    token = feed.now()
    documents.upsert([page(number) for number in range(7)])
    found = batches(feed, token, 7, max_batch=3)
    assert max(len(batch.changes) for batch in found) == 3
    ids = [change.document_id for batch in found for change in batch.changes]
    assert [change.document_id for change in changes(feed, found[0].token, 7 - len(found[0].changes))] == ids[
        len(found[0].changes) :
    ]


def test_an_idle_feed_gives_empty_batches(
    feed: MongoChangeFeed, documents: MongoDocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_changes, "IDLE_SECONDS", 0.1)
    with feed.follow(feed.now(), 10) as stream:
        assert next(stream).changes == ()
        documents.upsert([page(1)])
        assert len(next(stream).changes) == 1


def test_a_token_is_kept_beside_the_documents(feed: MongoChangeFeed, raw: Any) -> None:
    assert feed.load_token() is None
    feed.save_token({"_data": "00ff"})
    feed.save_token({"_data": "01ff"})
    assert feed.load_token() == {"_data": "01ff"}
    assert raw["cdc_state"].count_documents({}) == 1


def test_records_that_are_no_documents_do_not_end_the_stream(
    feed: MongoChangeFeed, documents: MongoDocumentStore, raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = feed.now()
    bad = page(1)
    raw["articles"].insert_one({"title": "by hand, with an ObjectId"})
    raw["articles"].insert_one({"_id": str(bad.id), "title": 7})
    documents.upsert([page(2)])
    malformed, good = changes(feed, token, 2)
    assert (malformed.kind, malformed.document_id, malformed.document) == ("upsert", bad.id, None)
    assert malformed.problem.startswith("the record is malformed: ")
    assert "title" in malformed.problem
    assert good.document == page(2)
    assert "is no document's: left out" in caplog.text
    # Nor do they end a run over everything.
    caplog.clear()
    assert [document.id for document in documents.stream(DataCategory.ARTICLES)] == [page(2).id]
    assert set(documents.ids(DataCategory.ARTICLES)) == {page(2).id, bad.id}
    assert "is malformed and left out" in caplog.text


def test_an_update_of_what_was_deleted_since_is_a_deletion(
    feed: MongoChangeFeed, documents: MongoDocumentStore
) -> None:
    documents.upsert([page(1)])
    token = feed.now()
    documents.upsert([page(1, version="two")])
    documents.forget_link(page(1).link)
    assert [change.kind for change in changes(feed, token, 3)] == ["delete"] * 3


def test_a_dropped_collection_means_that_everything_must_be_compared(
    feed: MongoChangeFeed, documents: MongoDocumentStore, raw: Any
) -> None:
    documents.upsert([page(1)])
    token = feed.now()
    raw["articles"].drop()
    with pytest.raises(ResumeTokenLostError, match="'drop' of articles"):
        batches(feed, token, 1)


def test_a_token_of_nothing_is_a_lost_one(feed: MongoChangeFeed) -> None:
    with pytest.raises(ResumeTokenLostError, match="code 9"):
        batches(feed, {"_data": "garbage"}, 1)


def test_a_server_that_is_not_there_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_changes, "CONNECT_TIMEOUT_SECONDS", 0.1)
    feed = MongoChangeFeed(lambda: "mongodb://user:secret@127.0.0.1:9", "twin")
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9 does not answer") as caught:
        feed.now()
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that remembers 20 writes, and that can be told to fail."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ("--oplog-max-entries", "20", "--enable-test-commands", "--port", str(port), "--storage-path")
    program = str(Path(sys.executable).with_name("secantusd-py"))
    folder = tmp_path_factory.mktemp("forgetful")
    server = subprocess.Popen([program, *flags, str(folder)], cwd=folder, stderr=subprocess.DEVNULL)
    uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    with MongoClient[dict[str, Any]](uri) as client:
        client.admin.command("ping")
    yield uri
    server.terminate()
    server.wait(30)


def test_a_server_without_change_streams_is_told_how_to_be_started(forgetful: str) -> None:
    feed = MongoChangeFeed(lambda: forgetful, "alone")
    with MongoClient[dict[str, Any]](forgetful) as client:
        failing = {"failCommands": ["aggregate"], "errorCode": 40573}
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": failing})
    with pytest.raises(ConfigurationError, match=r"mongod --replSet rs0, then once mongosh --eval 'rs\.initiate\(\)'"):
        feed.now()
    assert feed.now()
    feed.close()


def test_when_the_server_has_forgotten_the_place_all_is_compared_and_nothing_lost(
    forgetful: str, vectors: QdrantVectorStore
) -> None:
    database = "forgotten"
    documents = MongoDocumentStore(forgetful, database)
    documents.upsert([page(number) for number in range(3)])
    with Follower(documents, vectors, lambda: forgetful, database).running() as first:
        first.wait_for(lambda: bool(first.reports))
    documents.upsert([page(1, version="two"), *(page(number) for number in range(10, 50))])
    documents.forget_link(page(0).link)
    with MongoClient[dict[str, Any]](forgetful) as client:  # it forgets at every thousandth write
        client["other"]["things"].insert_many([{"number": number} for number in range(1100)])
    with Follower(documents, vectors, lambda: forgetful, database).running() as second:
        second.wait_for(lambda: bool(second.reports))
        documents.upsert([page(99)])
        second.wait_for(lambda: len(second.reports) > 1)
    assert second.reports[0].reconciliation is not None
    assert (second.reports[0].applied, second.reports[0].removed) == (41, 1)
    assert second.is_consistent()
    documents.close()


def test_inserts_updates_and_deletions_reach_the_index(
    documents: MongoDocumentStore, vectors: QdrantVectorStore, mongo_uri: str, database: str
) -> None:
    documents.upsert([page(1, words=80), page(2)])
    with Follower(documents, vectors, lambda: mongo_uri, database).running() as follower:
        follower.wait_for(lambda: bool(follower.reports))
        documents.upsert([page(1, version="two"), page(3)])
        documents.forget_link(page(2).link)
        follower.wait_for(lambda: sum(report.removed for report in follower.reports) == 1)
        follower.wait_for(follower.is_consistent)
    assert set(vectors.feature_states()) == {page(1).id, page(3).id}
    assert sum(report.applied for report in follower.reports[1:]) == 2
    # The slowest of these on a machine that does much else; the benchmark has the figures.
    assert all(report.lag_seconds < 30 for report in follower.reports)


KILLS = [
    ("upsert_documents", 1),  # before anything is written
    ("upsert_chunks", 1),  # documents marked as unfinished
    ("delete_chunks_from", 2),  # new chunks there, the surplus too (the first call is the removed document's)
    ("upsert_documents", 2),  # all there, the marks still on
    ("delete_documents", 1),  # a removed document's chunks gone
    ("save_token", 2),  # all there (the first call is at the start), the place not saved
]


@pytest.mark.parametrize(("write", "number"), KILLS, ids=[f"{write}-{number}" for write, number in KILLS])
def test_a_follower_that_is_killed_leaves_nothing_that_the_next_does_not_mend(
    documents: MongoDocumentStore, mongo_uri: str, database: str, tmp_path: Path, write: str, number: int
) -> None:
    documents.upsert([page(1, words=200), page(2), page(4, words=80)])
    feed = MongoChangeFeed(lambda: mongo_uri, database)
    store = open_embedded(tmp_path / "qdrant")
    feed.save_token(feed.now())
    feed.close()
    sync_features(documents, store, makers(), SilentProgress())
    store.close()
    documents.upsert([page(1, version="two"), page(3, words=80)])
    documents.forget_link(page(2).link)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([followers.__name__])
    arguments = (mongo_uri, database, str(tmp_path / "qdrant"), write, number)
    process = context.Process(target=followers.follow_and_die, args=arguments)
    process.start()
    process.join(90)
    assert process.exitcode == -signal.SIGKILL
    store = open_embedded(tmp_path / "qdrant")
    assert verify(documents, store, makers()).is_consistent == (write == "save_token")
    with Follower(documents, store, lambda: mongo_uri, database).running() as follower:
        follower.wait_for(follower.is_consistent)
    assert set(store.feature_states()) == {page(number).id for number in (1, 3, 4)}
    assert sum(report.reconciliation is not None for report in follower.reports) == 0
    store.close()


def test_mongodb_killed_and_started_again_under_a_follower_costs_nothing(
    tmp_path: Path, vectors: QdrantVectorStore
) -> None:
    daemon = MongoDaemon(tmp_path / "state")
    state = daemon.ensure_running()
    documents = MongoDocumentStore(state.uri, "twin")
    documents.upsert([page(1)])
    with Follower(documents, vectors, lambda: daemon.ensure_running().uri, "twin").running() as follower:
        follower.wait_for(lambda: bool(follower.reports))
        documents.upsert([page(2)])
        os.kill(state.pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(state.pid)] if psutil.pid_exists(state.pid) else [], timeout=20)
        daemon.ensure_running()
        documents.upsert([page(3), page(1, version="two")])
        follower.wait_for(lambda: {page(n).id for n in (1, 2, 3)} == set(vectors.feature_states()))
        follower.wait_for(follower.is_consistent)
    assert [report for report in follower.reports[1:] if report.reconciliation] == []
    documents.close()
    daemon.stop()


def test_an_index_that_was_deleted_while_the_follower_was_away_is_made_anew(
    documents: MongoDocumentStore, mongo_uri: str, database: str, tmp_path: Path
) -> None:
    documents.upsert([page(1), page(2)])
    seen: set[UUID] = set()
    for folder in ("first", "second"):
        store = open_embedded(tmp_path / folder)
        with Follower(documents, store, lambda: mongo_uri, database).running() as follower:
            follower.wait_for(lambda: bool(follower.reports))
        seen = set(store.feature_states())
        store.close()
    assert seen == {page(1).id, page(2).id}
