"""A switch to other models on the real vector engine, while somebody searches."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import pytest

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.reindexing import reindex
from llm_engineering.application.preprocessing.verification import repair, verify
from llm_engineering.domain.chunks import Vector, chunk_id
from llm_engineering.domain.errors import ModelMismatchError
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.retrieval import QueryVectors, SearchRequest
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from tests.fakes import ADA, MemoryDocumentStore, SilentProgress, WordEmbedder, WordEncoder, article, cleaned, embedded

DOCUMENTS = [article(f"cat number {i} is in here.", f"https://e.com/{i}") for i in range(40)]


class Wider(WordEmbedder):
    """Another model, with vectors of another length; before each batch it waits until somebody has searched."""

    WORDS: tuple[str, ...] = ("cat", "dog", "fish", "bird", "number", "here")  # type: ignore[assignment]

    def __init__(self, searched: Event) -> None:
        super().__init__(model_id="wider", revision="2")
        self._searched = searched

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        self._searched.clear()
        assert self._searched.wait(60)
        return super().embed_passages(texts)


class Searcher:
    """Searches as fast as it can until told to stop, with one query; counts what it got."""

    def __init__(self, vectors: QdrantVectorStore, vector: Vector) -> None:
        self.outcomes: Counter[str] = Counter()
        self.searched = Event()
        self._vectors = vectors
        self._request = SearchRequest(queries=[QueryVectors(dense=vector)], limit=5)
        self._stop = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> "Searcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                [found] = self._vectors.search(self._request)
                self.outcomes[f"{len(found)} found"] += 1
            except ModelMismatchError:
                self.outcomes["refused"] += 1
            self.searched.set()


def makers(embedder: WordEmbedder | None = None) -> FeatureMakers:
    return FeatureMakers(embedder or WordEmbedder(), WordEncoder(), ChunkSizes())


def test_searches_see_the_old_index_in_full_until_the_new_one_is_complete(vectors: QdrantVectorStore) -> None:
    documents = MemoryDocumentStore(DOCUMENTS)
    sync_features(documents, vectors, makers(), SilentProgress())
    with Searcher(vectors, [1.0, 0.0, 0.0, 0.0]) as searcher:
        new = Wider(searcher.searched)
        reindex(documents, vectors, makers(new), SilentProgress())
        searcher.searched.clear()
        assert searcher.searched.wait(60)
        searcher.searched.clear()
        assert searcher.searched.wait(60)
    # 5 of the old ones each time, then the old model's vectors fit no more: never an error of another kind, never less.
    assert set(searcher.outcomes) == {"5 found", "refused"}
    assert searcher.outcomes["5 found"] >= len(new.batches)
    query = QueryVectors(dense=[0.5, 0.0, 0.0, 0.0, 0.5, 0.5])
    assert len(vectors.search(SearchRequest(queries=[query], limit=50))[0]) == 40
    assert verify(documents, vectors, makers(new)).is_consistent


def test_a_switch_survives_opening_the_store_anew_and_the_old_index_is_gone(tmp_path: Path) -> None:
    documents, store = MemoryDocumentStore(DOCUMENTS[:3]), open_embedded(tmp_path / "qdrant")
    sync_features(documents, store, makers(), SilentProgress())
    new = WordEmbedder(model_id="other", revision="2")
    reindex(documents, store, makers(new), SilentProgress())
    store.close()
    store = open_embedded(tmp_path / "qdrant")
    assert verify(documents, store, makers(new)).is_consistent
    with pytest.raises(ModelMismatchError, match="--reindex"):
        sync_features(documents, store, makers(), SilentProgress())
    store.close()


def test_every_kind_of_damage_to_the_real_engine_is_found_and_mended(
    store: MongoDocumentStore, vectors: QdrantVectorStore
) -> None:
    store.upsert(DOCUMENTS)
    sync_features(store, vectors, makers(), SilentProgress())
    assert verify(store, vectors, makers()).is_consistent
    vectors.delete_chunks([chunk_id(DOCUMENTS[0].id, 0)])
    vectors.delete_documents([DOCUMENTS[1].id])  # its chunk is an orphan now
    vectors.upsert_chunks([embedded(cleaned("a ghost", "ghost"), [1, 0, 0, 0])])
    store.upsert([article("dog instead.", DOCUMENTS[2].link)])
    store.forget_link(DOCUMENTS[3].link)
    report = verify(store, vectors, makers())
    assert {kind: found.count for kind, found in report.differences.items()} == {
        "missing": 1,
        "stale": 1,
        "vanished": 1,
        "incomplete": 1,
        "orphaned": 2,
        "edited": 0,
    }
    mended = repair(store, vectors, makers(), SilentProgress())
    assert mended.repaired is not None
    assert (mended.repaired.chunks_embedded, mended.chunks_deleted) == (3, 2)
    assert verify(store, vectors, makers()).is_consistent


def test_what_was_learned_of_sites_is_kept_in_mongodb(store: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    assert store.site_noise() == {}
    store.save_site_noise({"a.org": ["one", "two"], "b.org": ["three"]})
    store.save_site_noise({"b.org": ["four"], "c.org": ["five"], "a.org": []})
    assert store.site_noise() == {"b.org": ["four"], "c.org": ["five"]}
    # By the pipeline: what it learns is there, and what is of no site any more is not.
    store.upsert([article(f"cat {i} sleeps.\n\nThe same line everywhere.", f"https://s.org/{i}") for i in range(6)])
    sync_features(store, vectors, makers(), SilentProgress())
    assert list(store.site_noise()) == ["s.org"]
    # They are words of the pages: whoever forgets one of these forgets them, too, until they are learned anew.
    store.save_site_noise({"other.org": ["a line"]})
    store.forget_link("https://s.org/0")
    assert list(store.site_noise()) == ["other.org"]
    sync_features(store, vectors, makers(), SilentProgress())
    assert list(store.site_noise()) == ["s.org"]
    store.forget_author(ADA.id)
    assert store.site_noise() == {}


def test_with_the_real_model_the_nearest_chunk_is_the_one_that_means_the_same(
    vectors: QdrantVectorStore, embedder: SentenceTransformerEmbedder
) -> None:
    texts = ("A cat sleeps on the sofa.", "The stock market fell sharply.", "Bread is baked from flour and water.")
    documents = MemoryDocumentStore([article(text, f"https://e.com/{i}") for i, text in enumerate(texts)])
    real = FeatureMakers(embedder, WordEncoder(), ChunkSizes())
    sync_features(documents, vectors, real, SilentProgress())
    dense = embedder.embed_queries(["share prices dropped"])[0]
    [[best, *_]] = vectors.search(SearchRequest(queries=[QueryVectors(dense=dense)], limit=3))
    assert best.text == texts[1]
    assert verify(documents, vectors, real).is_consistent
