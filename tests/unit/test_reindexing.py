"""Another model gets an index of its own, which searches see when it is complete and not before."""

import contextlib
from collections.abc import Callable, Sequence

import pytest

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.reindexing import reindex
from llm_engineering.application.preprocessing.verification import verify
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.features import ChunkSizes, IndexSpec
from tests.fakes import (
    Killed,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
    spec_of,
)

DOCUMENTS = [article(f"cat number {i} is here.", f"https://e.com/{i}") for i in range(3)]


def makers(embedder: WordEmbedder | None = None) -> FeatureMakers:
    return FeatureMakers(embedder or WordEmbedder(), WordEncoder(), ChunkSizes())


@pytest.fixture
def documents() -> MemoryDocumentStore:
    return MemoryDocumentStore(DOCUMENTS)


@pytest.fixture
def vectors(documents: MemoryDocumentStore) -> MemoryVectorStore:
    vectors = MemoryVectorStore()
    sync_features(documents, vectors, makers(), SilentProgress())
    return vectors


class Watching(WordEmbedder):
    """Another model; at each batch it notes which index searches see, and does what it is told."""

    def __init__(self, vectors: MemoryVectorStore) -> None:
        super().__init__(model_id="new", revision="2")
        self.seen: list[IndexSpec | None] = []
        self._vectors = vectors
        self.meanwhile: Callable[[], None] = lambda: None

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        self.seen.append(self._vectors.active())
        self.meanwhile()
        return super().embed_passages(texts)


def test_the_old_index_serves_until_the_new_one_is_complete(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore
) -> None:
    old, new = spec_of(WordEmbedder()), Watching(vectors)
    report = reindex(documents, vectors, makers(new), SilentProgress())
    assert set(new.seen) == {old}
    assert vectors.active() == spec_of(new)
    assert set(vectors.indexes) == {spec_of(new)}
    assert (report.total.new, report.chunks_embedded) == (3, 3)
    assert verify(documents, vectors, makers(new)).is_consistent


def test_what_changes_meanwhile_is_in_the_new_index(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    new = Watching(vectors)

    def change() -> None:
        documents.upsert([article("dog instead.", "https://e.com/0"), article("bird.", "https://e.com/new")])
        documents.documents.pop(DOCUMENTS[1].id, None)

    new.meanwhile = change
    report = reindex(documents, vectors, makers(new), SilentProgress())
    assert verify(documents, vectors, makers(new)).is_consistent
    assert (report.total.new, report.total.changed, report.total.removed) == (4, 1, 1)


@pytest.mark.parametrize("writes_before_the_kill", range(5))
def test_a_second_run_goes_on_where_the_first_was_killed(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore, writes_before_the_kill: int
) -> None:
    old = spec_of(WordEmbedder())
    vectors.die_after = writes_before_the_kill
    with contextlib.suppress(Killed):
        reindex(documents, vectors, makers(Watching(vectors)), SilentProgress())
        raise AssertionError("it was not killed")
    assert vectors.active() == old
    assert verify(documents, vectors, makers()).is_consistent
    vectors.die_after = None
    new = Watching(vectors)
    reindex(documents, vectors, makers(new), SilentProgress())
    # Marks, chunks, surplus, marks off, the switch: after four writes all is there, and nothing is embedded again.
    assert len(new.embedded) == (0 if writes_before_the_kill == 4 else 3)
    assert verify(documents, vectors, makers(new)).is_consistent


def test_with_the_models_of_the_active_index_it_is_a_run_of_the_pipeline(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore
) -> None:
    documents.upsert([article("bird.", "https://e.com/new")])
    report = reindex(documents, vectors, makers(), SilentProgress())
    assert (report.total.new, report.total.unchanged) == (1, 3)
    assert vectors.active() == spec_of(WordEmbedder())
    assert len(vectors.points) == 4
