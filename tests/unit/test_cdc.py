"""Changes are followed, each is applied, and nothing is lost whatever fails on the way."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Literal

import pytest

from llm_engineering.application.preprocessing import applying, cdc, making
from llm_engineering.application.preprocessing.cdc import follow_changes
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.verification import verify
from llm_engineering.domain.changes import Change, ChangeBatch
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import (
    DependencyUnavailableError,
    ModelMismatchError,
    RefusedWriteError,
    ResumeTokenLostError,
)
from llm_engineering.domain.feature_reports import ChangeReport
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from tests.fakes import (
    ADA,
    Killed,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
)

LONG = " ".join(f"cat w{i}." for i in range(30))  # 4 chunks
WRITTEN = datetime(2020, 1, 1, tzinfo=UTC)


class MemoryFeed:
    """The changes of a store in a list; the position in it is the token. `when_idle` is called when all are read."""

    def __init__(self, documents: MemoryDocumentStore) -> None:
        self.documents = documents
        self.log: list[Change] = []
        self.token: dict[str, Any] | None = None
        self.tokens: list[dict[str, Any]] = []
        self.forgotten = 0
        self.when_idle: Callable[[], object] = lambda: None
        self.failures: list[Exception] = []
        self.sizes: list[int] = []

    def upsert(self, document: RawDocument) -> None:
        self.documents.documents[document.id] = document
        self._note("upsert", document)

    def delete(self, document: RawDocument) -> None:
        self.documents.documents.pop(document.id, None)
        self._note("delete", document)

    def load_token(self) -> dict[str, Any] | None:
        return self.token

    def save_token(self, token: dict[str, Any]) -> None:
        self.token = token
        self.tokens.append(token)

    def now(self) -> dict[str, Any]:
        return {"at": len(self.log)}

    @contextmanager
    def follow(self, token: dict[str, Any], max_batch: int) -> Iterator[Iterator[ChangeBatch]]:
        if self.failures:
            raise self.failures.pop(0)
        if token["at"] < self.forgotten:
            raise ResumeTokenLostError("Forgotten.")
        yield self._batches(token["at"], max_batch)

    def _batches(self, position: int, max_batch: int) -> Iterator[ChangeBatch]:
        while True:
            if position == len(self.log):
                self.when_idle()
            changes = tuple(self.log[position : position + max_batch])
            position += len(changes)
            self.sizes.append(len(changes))
            yield ChangeBatch(changes=changes, token={"at": position})

    def _note(self, kind: Literal["upsert", "delete"], document: RawDocument) -> None:
        self.log.append(
            Change(
                kind=kind,
                document_id=document.id,
                category=document.category,
                document=document if kind == "upsert" else None,
                written_at=WRITTEN,
            )
        )


class World:
    """Both stores, what changes them, and a follower that stops when there is nothing more to do."""

    def __init__(self) -> None:
        self.documents = MemoryDocumentStore()
        self.vectors = MemoryVectorStore()
        self.feed = MemoryFeed(self.documents)
        self.embedder = WordEmbedder()
        self.makers = FeatureMakers(self.embedder, WordEncoder(), ChunkSizes(articles=ChunkSize(), posts=ChunkSize()))
        self.reports: list[ChangeReport] = []
        self.stop = Event()
        self.feed.when_idle = self.stop.set

    def follow(self) -> None:
        self.stop.clear()
        follow_changes(
            self.feed, self.documents, self.vectors, self.makers, self.stop, self.reports.append, SilentProgress()
        )

    def texts(self) -> list[str]:
        return sorted(item.chunk.text for item in self.vectors.points.values())

    def is_consistent(self) -> bool:
        return verify(self.documents, self.vectors, self.makers).is_consistent


@pytest.fixture
def world() -> World:
    """A follower that has run before, on two documents."""
    world = World()
    world.feed.upsert(article(LONG, "https://e.com/1"))
    world.feed.upsert(article("dog only.", "https://e.com/2"))
    world.follow()
    world.reports.clear()
    world.embedder.embedded.clear()
    world.feed.tokens.clear()
    world.feed.sizes.clear()
    return world


def test_the_first_time_everything_is_compared_and_then_followed() -> None:
    world = World()
    world.feed.upsert(article("dog only.", "https://e.com/1"))
    world.follow()
    [report] = world.reports
    assert report.reconciliation is not None
    assert (report.applied, world.texts()) == (1, ["dog only."])
    assert world.feed.token == {"at": 1}


def test_inserts_updates_and_deletes_are_applied(world: World) -> None:
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.feed.upsert(article("cat now.", "https://e.com/1"))
    world.feed.delete(article("dog only.", "https://e.com/2"))
    world.follow()
    assert world.texts() == ["cat now.", "fish here."]
    assert world.is_consistent()
    [report] = world.reports
    assert (report.applied, report.removed, report.unchanged, report.failed, report.chunks) == (2, 1, 0, {}, 2)
    assert sorted(world.embedder.embedded) == ["cat now.", "fish here."]


def test_a_document_that_changes_several_times_in_a_batch_is_done_once(world: World) -> None:
    for words in ("one cat.", "two cats.", "three cats."):
        world.feed.upsert(article(words, "https://e.com/3"))
    world.feed.upsert(article("gone soon.", "https://e.com/4"))
    world.feed.delete(article("gone soon.", "https://e.com/4"))
    world.feed.delete(article("dog only.", "https://e.com/2"))
    world.feed.upsert(article("dog again.", "https://e.com/2"))
    world.follow()
    assert sorted(world.embedder.embedded) == ["dog again.", "three cats."]
    assert world.is_consistent()
    assert (world.reports[0].applied, world.reports[0].removed, world.reports[0].unchanged) == (2, 0, 1)


def test_a_change_of_what_no_feature_depends_on_costs_nothing(world: World) -> None:
    world.feed.upsert(article("dog only.", "https://e.com/2").model_copy(update={"byline": "Somebody"}))
    world.vectors.die_after = 0
    world.follow()
    assert [report.unchanged for report in world.reports] == [1]
    assert world.feed.token == {"at": 3}


def test_a_document_that_moves_to_another_category_stays_whatever_the_order_of_the_writes(world: World) -> None:
    moved = RawDocument.create(
        category=DataCategory.POSTS,
        platform="e",
        link="https://e.com/1",
        author=ADA,
        title="",
        content="bird, a post.",
    )
    world.feed.upsert(moved)
    world.feed._note("delete", article(LONG, "https://e.com/1"))
    world.follow()
    assert world.texts() == ["bird, a post.", "dog only."]
    # The same two writes, each in a batch of its own: the deletion is of a category that the features have left.
    world.feed._note("delete", article(LONG, "https://e.com/1"))
    world.follow()
    assert world.texts() == ["bird, a post.", "dog only."]
    assert world.is_consistent()


def test_batches_are_bounded_and_the_next_is_read_when_the_last_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdc, "MAX_BATCH", 3)
    for i in range(7):
        world.feed.upsert(article(f"fish {i}.", f"https://e.com/new/{i}"))
    world.follow()
    assert world.feed.sizes[:3] == [3, 3, 1]
    # Saved: the place at the start, then one a batch; the idle one after them is not worth a write.
    assert world.feed.tokens == [{"at": 2}, {"at": 5}, {"at": 8}, {"at": 9}]
    assert len(world.texts()) == 4 + 1 + 7


def test_told_to_stop_it_finishes_the_batch_in_hand_and_reads_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdc, "MAX_BATCH", 2)
    for i in range(6):
        world.feed.upsert(article(f"fish {i}.", f"https://e.com/new/{i}"))

    def note_and_stop(report: ChangeReport) -> None:
        world.reports.append(report)
        world.stop.set()

    world.stop.clear()
    follow_changes(
        world.feed, world.documents, world.vectors, world.makers, world.stop, note_and_stop, SilentProgress()
    )
    assert len(world.texts()) == 4 + 1 + 2
    assert world.feed.token == {"at": 4}
    world.follow()
    assert world.is_consistent()


@pytest.mark.parametrize("writes_before_the_kill", range(7))
def test_killed_at_any_write_it_takes_the_batch_up_again(world: World, writes_before_the_kill: int) -> None:
    world.feed.upsert(article("cat now.", "https://e.com/1"))  # fewer chunks than before
    world.feed.upsert(article(LONG, "https://e.com/3"))
    world.feed.delete(article("dog only.", "https://e.com/2"))
    world.vectors.die_after = writes_before_the_kill
    with contextlib.suppress(Killed):
        world.follow()
    was_killed = not world.reports
    assert world.feed.token == ({"at": 2} if was_killed else {"at": 5})
    world.vectors.die_after = None
    world.follow()
    assert world.feed.token == {"at": 5}
    assert world.is_consistent()
    assert len(world.texts()) == 1 + 4


def test_killed_between_the_writes_and_the_token_it_applies_the_batch_twice_to_the_same_effect(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.feed.upsert(article("cat now.", "https://e.com/1"))
    world.feed.delete(article("dog only.", "https://e.com/2"))

    def killed(token: object) -> None:
        if token != {"at": 2}:
            raise Killed

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(world.feed, "save_token", killed)
        world.follow()
    assert world.texts() == ["cat now."]
    world.embedder.embedded.clear()
    world.follow()
    assert world.embedder.embedded == []
    assert [report.unchanged for report in world.reports] == [2]
    assert world.is_consistent()


def test_a_lost_token_means_that_everything_is_compared_and_nothing_lost(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.feed.delete(article("dog only.", "https://e.com/2"))
    world.feed.forgotten = 3
    with caplog.at_level(logging.WARNING):
        world.follow()
    assert "Forgotten. All documents are compared instead." in caplog.messages
    [report] = world.reports
    assert report.reconciliation is not None
    assert (report.applied, report.removed, report.unchanged) == (1, 1, 1)
    assert world.feed.token == {"at": 4}
    assert world.is_consistent()


def test_what_is_written_while_everything_is_compared_is_followed_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.feed.token = None
    real = world.documents.ids

    def late(category: DataCategory) -> Any:
        """The last thing that a comparison asks for: a document that is written now is not seen by it."""
        found = list(real(category))
        if category is DataCategory.REPOSITORIES and len(world.feed.log) == 2:
            world.feed.upsert(article("late fish.", "https://e.com/late"))
        return iter(found)

    monkeypatch.setattr(world.documents, "ids", late)
    world.follow()
    assert "late fish." in world.texts()
    assert world.is_consistent()


@pytest.mark.parametrize("writes_before_the_kill", range(4))
def test_a_comparison_that_is_killed_is_begun_anew_though_an_old_token_would_do(
    world: World, writes_before_the_kill: int
) -> None:
    world.vectors = MemoryVectorStore()  # lost, as a folder that was deleted
    world.vectors.die_after = writes_before_the_kill
    with contextlib.suppress(Killed):
        world.follow()
    world.vectors.die_after = None
    world.follow()
    assert world.is_consistent()
    assert len(world.texts()) == 5


def test_an_index_that_is_gone_is_made_anew(world: World) -> None:
    world.vectors = MemoryVectorStore()
    world.follow()
    assert world.is_consistent()
    assert len(world.texts()) == 5


def test_it_waits_for_a_store_that_does_not_answer_and_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cdc, "FIRST_PAUSE_SECONDS", 0.001)
    world.feed.failures = [DependencyUnavailableError("MongoDB does not answer.")] * 3
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    with caplog.at_level(logging.WARNING):
        world.follow()
    assert len(caplog.messages) == 3
    assert all(message.startswith("MongoDB does not answer. Trying again in 0.0 s.") for message in caplog.messages)
    assert world.is_consistent()


def test_when_the_vector_store_fails_in_a_batch_the_batch_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdc, "FIRST_PAUSE_SECONDS", 0.001)
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    real, failures = world.vectors.upsert_chunks, iter([True, True])

    def failing(chunks: Any) -> None:
        if next(failures, False):
            raise DependencyUnavailableError("Qdrant does not answer.")
        real(chunks)

    monkeypatch.setattr(world.vectors, "upsert_chunks", failing)
    world.follow()
    assert world.is_consistent()
    assert [report.applied for report in world.reports] == [1]


def test_told_to_stop_it_does_not_wait_out_a_pause(world: World) -> None:
    def fail() -> None:
        world.stop.set()
        raise DependencyUnavailableError("MongoDB does not answer.")

    world.feed.load_token = fail  # type: ignore[method-assign]
    world.stop.clear()
    follow_changes(
        world.feed, world.documents, world.vectors, world.makers, world.stop, world.reports.append, SilentProgress()
    )
    assert world.reports == []


def test_a_malformed_record_is_reported_and_the_others_are_applied(world: World) -> None:
    bad = article("x", "https://e.com/bad")
    world.feed.log.append(
        Change(kind="upsert", document_id=bad.id, category=bad.category, problem="the record is malformed: title")
    )
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.follow()
    [report] = world.reports
    assert report.failed == {f"document {bad.id}": "the record is malformed: title"}
    assert "fish here." in world.texts()
    assert world.feed.token == {"at": 4}


def test_a_document_that_cannot_be_cut_is_reported_and_the_others_are_applied(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = making.prepare_document

    def faulty(raw: RawDocument, *arguments: Any) -> Any:
        if raw.link.endswith("/bad"):
            raise ValueError("no such heading")
        return real(raw, *arguments)

    monkeypatch.setattr(applying, "prepare_document", faulty)
    world.feed.upsert(article("x y", "https://e.com/bad"))
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.follow()
    assert world.reports[0].failed == {"https://e.com/bad": "ValueError: no such heading"}
    assert "fish here." in world.texts()


def test_it_refuses_an_index_of_other_models_and_forgets_no_change(world: World) -> None:
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.makers = FeatureMakers(WordEmbedder(model_id="other"), WordEncoder(), ChunkSizes())
    with pytest.raises(ModelMismatchError, match="--reindex"):
        world.follow()
    assert world.feed.token == {"at": 2}


def test_when_another_process_switches_to_another_index_it_stops_before_it_mixes_vectors(world: World) -> None:
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    others = FeatureMakers(WordEmbedder(model_id="other"), WordEncoder(), ChunkSizes())

    def switch() -> None:
        world.vectors.activate(others.spec())
        world.feed.upsert(article("bird there.", "https://e.com/4"))

    world.feed.when_idle = switch
    with pytest.raises(ModelMismatchError, match="--reindex"):
        world.follow()
    assert world.feed.token == {"at": 3}
    assert world.vectors.points == {}


def test_the_lag_counts_from_the_first_write_of_the_batch(world: World) -> None:
    world.feed.upsert(article("one fish.", "https://e.com/3"))
    world.feed.upsert(article("two fish.", "https://e.com/3"))
    world.feed.log[-1] = world.feed.log[-1].model_copy(update={"written_at": datetime.now(UTC)})
    before = datetime.now(UTC)
    world.follow()
    after = datetime.now(UTC)
    lag = timedelta(seconds=world.reports[0].lag_seconds)
    assert before - WRITTEN <= lag <= after - WRITTEN


def test_lines_learned_of_a_site_are_left_out_of_what_is_followed() -> None:
    pages = [article(f"cat number {i} sleeps.\n\nThe same line on every page.", f"https://s.org/{i}") for i in range(6)]
    world = World()
    world.documents.upsert(pages)
    sync_features(world.documents, world.vectors, world.makers, SilentProgress())
    world.feed.token = world.feed.now()
    world.feed.upsert(article("dog at last.\n\nThe same line on every page.", "https://s.org/new"))
    world.follow()
    assert "dog at last." in world.texts()
    assert world.is_consistent()


def test_an_empty_document_store_is_compared_once_and_then_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    real = world.feed.save_token

    def give_up_at_last(token: dict[str, Any]) -> None:
        real(token)
        if len(world.feed.tokens) > 20:
            world.stop.set()

    monkeypatch.setattr(world.feed, "save_token", give_up_at_last)
    world.follow()
    assert len(world.reports) == 1
    world.feed.upsert(article("fish here.", "https://e.com/1"))
    world.follow()
    assert [report.reconciliation is None for report in world.reports] == [False, True]
    assert world.texts() == ["fish here."]


def test_a_place_that_is_lost_after_every_comparison_is_waited_for_and_the_cause_named(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cdc, "FIRST_PAUSE_SECONDS", 0.001)
    world.feed.forgotten = 100
    real = world.feed.now

    def third_time_lucky() -> dict[str, Any]:
        if len(world.reports) == 2:
            world.feed.forgotten = 0
        return real()

    monkeypatch.setattr(world.feed, "now", third_time_lucky)
    with caplog.at_level(logging.WARNING):
        world.follow()
    assert len(world.reports) == 3
    assert [message.split(".")[1] for message in caplog.messages if message.startswith("Forgotten.")] == [
        " All documents are compared instead",
        " Trying again in 0",
        " Trying again in 0",
    ]
    [cause] = [message for message in caplog.messages if message.startswith("After 2 comparisons in a row")]
    assert "history is too small" in cause
    # What was in vain is forgotten with the first batch: the next loss is compared at once, and not complained of.
    world.feed.forgotten = 0
    caplog.clear()
    world.follow()
    assert caplog.messages == []


def test_the_place_may_be_lost_while_the_comparison_asks_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdc, "FIRST_PAUSE_SECONDS", 0.001)
    world.feed.forgotten = 3
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    real, lost = world.feed.now, iter([True, True])

    def losing() -> dict[str, Any]:
        if next(lost, False):
            raise ResumeTokenLostError("Forgotten.")
        return real()

    monkeypatch.setattr(world.feed, "now", losing)
    world.follow()
    assert len(world.reports) == 1
    assert world.is_consistent()


def test_what_is_learned_of_a_site_is_read_also_when_changes_never_cease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdc, "MAX_BATCH", 1)
    monkeypatch.setattr(cdc, "HOUSEKEEPING_SECONDS", -1.0)
    world = World()
    world.feed.token = {"at": 0}
    sync_features(world.documents, world.vectors, world.makers, SilentProgress())
    world.vectors.prepare(world.makers.spec())
    for number, animal in enumerate(("cat", "dog", "fish")):
        world.feed.upsert(article(f"{animal} sleeps.\n\nThe same line.", f"https://s.org/{number}"))
    real = world.vectors.upsert_documents

    def learning(documents: Any) -> None:
        real(documents)
        world.documents.save_site_noise({"s.org": ["the same line"]})

    monkeypatch.setattr(world.vectors, "upsert_documents", learning)
    world.follow()
    assert world.feed.sizes[:4] == [1, 1, 1, 0]
    assert [text for text in world.texts() if "The same line." not in text] == ["dog sleeps.", "fish sleeps."]


def refuse(world: World, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    """The vector store refuses whatever has the document /bad in it."""
    real = getattr(world.vectors, write)

    def refusing(items: Any) -> None:
        links = [item[0].link if isinstance(item, tuple) else item.chunk.document.link for item in items]
        if "https://e.com/bad" in links:
            raise RefusedWriteError("too large")
        real(items)

    monkeypatch.setattr(world.vectors, write, refusing)


@pytest.mark.parametrize("write", ["upsert_documents", "upsert_chunks"])
def test_a_document_that_the_vector_store_refuses_is_reported_and_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    refuse(world, monkeypatch, write)
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.feed.upsert(article("cat too large.", "https://e.com/bad"))
    world.feed.upsert(article("bird there.", "https://e.com/4"))
    world.follow()
    [report] = world.reports
    assert report.failed == {"https://e.com/bad": "RefusedWriteError: too large"}
    assert (report.applied, report.chunks) == (2, 2)
    assert {"fish here.", "bird there."} <= set(world.texts())
    assert "cat too large." not in world.texts()
    assert world.feed.token == {"at": 5}
    assert not world.is_consistent()  # so that the next run of the pipeline tries it again


def test_a_comparison_goes_past_a_document_that_the_vector_store_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(world, monkeypatch, "upsert_chunks")
    world.feed.upsert(article("cat too large.", "https://e.com/bad"))
    world.feed.upsert(article("fish here.", "https://e.com/3"))
    world.feed.token = None
    world.follow()
    [report] = world.reports
    assert report.reconciliation is not None
    assert report.failed == {"https://e.com/bad": "RefusedWriteError: too large"}
    assert (report.applied, report.unchanged, report.reconciliation.total.failed) == (1, 2, 1)
    assert "fish here." in world.texts()
    assert world.feed.token == {"at": 4}
