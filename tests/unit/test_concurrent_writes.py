"""The feature pipeline beside a follower of changes: what is newest in the document store stands in the index."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from uuid import UUID

import pytest

from llm_engineering.application.preprocessing.engine import FeatureTask, FeatureWorker, ParallelEngine, WindowResult
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.verification import repair, verify
from llm_engineering.domain.chunks import EmbeddedChunk
from llm_engineering.domain.documents import RawDocument
from llm_engineering.domain.feature_reports import FeatureReport
from tests.fakes import MemoryDocumentStore, MemoryVectorStore, SilentProgress, article
from tests.unit.test_cdc import LONG, World

LINK = "https://e.com/1"
FIRST, SECOND, THIRD = article("dog only.", LINK), article("fish now.", LINK), article(LONG, LINK)


class Overtaken(MemoryVectorStore):
    """While the first chunks are embedded or written, another process does something."""

    meanwhile: Callable[[], object] | None = None

    def upsert_chunks(self, chunks: Sequence[EmbeddedChunk]) -> None:
        act, self.meanwhile = self.meanwhile, None
        if act:
            act()
        super().upsert_chunks(chunks)


@pytest.fixture
def world() -> World:
    world = World()
    world.feed.upsert(FIRST)
    world.feed.upsert(article("z z.", "https://e.com/2"))
    world.follow()
    world.documents.documents[FIRST.id] = SECOND  # which the follower has not seen yet
    return world


def newer(world: World) -> None:
    world.feed.upsert(THIRD)
    world.follow()


def deleted(world: World) -> None:
    world.feed.delete(SECOND)
    world.follow()


def in_one_process(world: World, vectors: MemoryVectorStore) -> FeatureReport:
    return sync_features(world.documents, vectors, world.makers, SilentProgress())


def by_workers(world: World, vectors: MemoryVectorStore) -> FeatureReport:
    def run(
        windows: Iterable[list[FeatureTask]], _: Callable[[list[FeatureTask]], WindowResult]
    ) -> Iterator[WindowResult]:
        worker = FeatureWorker(world.makers, None)
        yield from map(worker, windows)

    engine = ParallelEngine(world.makers, run)  # type: ignore[arg-type]
    return sync_features(world.documents, vectors, world.makers, SilentProgress(), engine=engine)


def by_repair(world: World, vectors: MemoryVectorStore) -> FeatureReport:
    report = repair(world.documents, vectors, world.makers, SilentProgress()).repaired
    assert report is not None
    return report


@pytest.mark.parametrize("sync", [in_one_process, by_workers, by_repair])
@pytest.mark.parametrize(("act", "chunks"), [(newer, 5), (deleted, 1)])
def test_what_a_follower_applied_meanwhile_is_not_undone(
    sync: Callable[[World, MemoryVectorStore], FeatureReport],
    act: Callable[[World], None],
    chunks: int,
    world: World,
) -> None:
    vectors = Overtaken(world.vectors._shared)
    vectors.meanwhile = partial(act, world)
    sync(world, vectors)
    expected = MemoryVectorStore()
    sync_features(world.documents, expected, world.makers, SilentProgress())
    assert len(expected.points) == chunks
    assert vectors.points == expected.points
    assert vectors.states == expected.states


def test_a_new_document_that_is_deleted_meanwhile_does_not_come_back(world: World) -> None:
    fresh = article("bird here.", "https://e.com/3")
    world.documents.documents[fresh.id] = fresh
    vectors = Overtaken(world.vectors._shared)
    vectors.meanwhile = lambda: world.documents.documents.pop(fresh.id)
    report = sync_features(world.documents, vectors, world.makers, SilentProgress())
    assert fresh.id not in vectors.states
    assert (report.total.new, report.total.changed, report.total.removed) == (1, 1, 1)
    assert verify(world.documents, vectors, world.makers).is_consistent


def test_chunks_that_no_count_covers_go_with_the_next_write_or_the_removal(world: World) -> None:
    sync_features(world.documents, world.vectors, world.makers, SilentProgress())
    orphans = MemoryVectorStore()
    sync_features(MemoryDocumentStore([THIRD]), orphans, world.makers, SilentProgress())

    def add_orphans() -> None:
        world.vectors.points.update({id_: item for id_, item in orphans.points.items() if item.chunk.index > 0})

    add_orphans()
    world.documents.documents[FIRST.id] = FIRST
    sync_features(world.documents, world.vectors, world.makers, SilentProgress())
    assert world.texts() == ["dog only.", "z z."]
    add_orphans()
    del world.documents.documents[FIRST.id]
    sync_features(world.documents, world.vectors, world.makers, SilentProgress())
    assert world.texts() == ["z z."]


class Moving(MemoryDocumentStore):
    """A document is found only when it is asked for once more: it was moving to another category."""

    asked = 0

    def by_ids(self, document_ids: Sequence[UUID]) -> list[RawDocument]:
        self.asked += 1
        return [] if self.asked == 1 else super().by_ids(document_ids)


def test_a_document_that_moves_while_it_is_read_again_is_not_taken_for_gone(world: World) -> None:
    documents, vectors = Moving([FIRST]), MemoryVectorStore()
    sync_features(documents, vectors, world.makers, SilentProgress())
    assert list(vectors.states) == [FIRST.id]
