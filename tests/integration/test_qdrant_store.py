"""The vector store on the real Qdrant engine, and the feature pipeline on it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.domain.chunks import Chunk, EmbeddedChunk, chunk_id
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, FeatureState
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError, StoreLockedError
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore, connect
from llm_engineering.infrastructure.local.qdrant_engine import embedded_holder, open_embedded
from tests.fakes import ADA, MemoryDocumentStore, MemoryVectorStore, SilentProgress, WordEmbedder, article

ARTICLES, POSTS = DataCategory.ARTICLES, DataCategory.POSTS


def embedded(text: str, vector: list[float], category: DataCategory = ARTICLES, author: Author = ADA) -> EmbeddedChunk:
    document = CleanedDocument(
        id=uuid4(),
        category=category,
        platform="p",
        link="https://e.com/a",
        author_id=author.id,
        author_full_name=author.full_name,
        title="t",
        text=text,
    )
    chunk = Chunk(id=chunk_id(document.id, 0), index=0, text=text, context="t", token_count=1, document=document)
    return EmbeddedChunk(chunk=chunk, vector=vector, model_id="m")


def test_results_of_all_categories_are_merged_by_score_and_not_shared_out(vectors: QdrantVectorStore) -> None:
    vectors.prepare(2)
    vectors.upsert_chunks(
        ARTICLES, [embedded("best", [1, 0]), embedded("second", [0.9, 0.1]), embedded("third", [0.8, 0.3])]
    )
    vectors.upsert_chunks(POSTS, [embedded("far", [0, 1], POSTS)])
    [found] = vectors.search([[1.0, 0.0]], list(DataCategory), 3)
    assert [chunk.text for chunk in found] == ["best", "second", "third"]
    # cos((1,0), (0.8,0.3)) = 0.8 / sqrt(0.73)
    assert [round(chunk.score, 4) for chunk in found] == [1.0, 0.9939, 0.9363]


def test_several_vectors_are_searched_in_one_call(vectors: QdrantVectorStore) -> None:
    vectors.prepare(2)
    vectors.upsert_chunks(ARTICLES, [embedded("east", [1, 0]), embedded("north", [0, 1])])
    found = vectors.search([[1.0, 0.0], [0.0, 1.0]], [ARTICLES], 1)
    assert [[chunk.text for chunk in results] for results in found] == [["east"], ["north"]]


def test_an_author_filter_keeps_the_others_out(vectors: QdrantVectorStore) -> None:
    babbage = Author.named("Charles Babbage")
    vectors.prepare(2)
    vectors.upsert_chunks(ARTICLES, [embedded("hers", [1, 0]), embedded("his", [0, 1], author=babbage)])
    [found] = vectors.search([[1.0, 0.0]], list(DataCategory), 5, babbage.id)
    assert [(chunk.text, chunk.author_full_name) for chunk in found] == [("his", "Charles Babbage")]


def test_a_search_before_anything_is_stored_finds_nothing(vectors: QdrantVectorStore) -> None:
    assert vectors.search([[1.0, 0.0]], list(DataCategory), 3) == [[]]
    assert vectors.feature_states(ARTICLES) == {}
    assert vectors.count_chunks(ARTICLES) == 0


def test_vectors_of_another_dimension_are_refused_with_the_remedy(vectors: QdrantVectorStore) -> None:
    vectors.prepare(2)
    with pytest.raises(ModelMismatchError, match=r"dimension 2, the embedding model makes 3.*TEXT_EMBEDDING_MODEL_ID"):
        vectors.prepare(3)
    with pytest.raises(ModelMismatchError):
        vectors.search([[1.0, 0.0, 0.0]], [ARTICLES], 3)


def test_features_outlive_the_process(tmp_path: Path) -> None:
    documents = MemoryDocumentStore([article("The cat and the dog.")])
    first = open_embedded(tmp_path)
    sync_features(documents, first, WordEmbedder(), SilentProgress())
    first.close()
    second = open_embedded(tmp_path)
    report = sync_features(documents, second, WordEmbedder(), SilentProgress())
    [found] = second.search([[1.0, 1.0, 0.0, 0.0]], list(DataCategory), 3)
    second.close()
    assert report.chunks_embedded == 0
    assert [chunk.text for chunk in found] == ["The cat and the dog."]


def test_the_engine_ends_up_with_the_same_points_as_the_reference_in_memory(vectors: QdrantVectorStore) -> None:
    long = " ".join(f"cat w{i}." for i in range(40))
    documents, memory = MemoryDocumentStore(), MemoryVectorStore()
    for texts in ([long, "dog", "bird fish"], ["cat", long, "bird fish"], ["dog"]):
        documents.documents.clear()
        documents.aliases.clear()
        documents.upsert([article(text, f"https://e.com/{i}") for i, text in enumerate(texts)])
        for store in (memory, vectors):
            sync_features(documents, store, WordEmbedder(), SilentProgress())
        assert vectors.count_chunks(ARTICLES) == len(memory.chunks)
        assert vectors.feature_states(ARTICLES) == memory.states
    [found] = vectors.search([[0.0, 1.0, 0.0, 0.0]], list(DataCategory), 20)
    assert {chunk.id for chunk in found} == set(memory.chunks)


def test_more_states_than_a_page_are_all_read(vectors: QdrantVectorStore) -> None:
    vectors.prepare(2)
    document = embedded("x", [1, 0]).chunk.document
    state = FeatureState(feature_hash="h", chunk_count=1)
    copies = [(document.model_copy(update={"id": UUID(int=i)}), state) for i in range(1, 2102)]
    vectors.upsert_documents(ARTICLES, copies)
    assert len(vectors.feature_states(ARTICLES)) == 2101


def test_all_points_of_an_author_are_forgotten_whatever_the_counts_say(vectors: QdrantVectorStore) -> None:
    babbage = Author.named("Charles Babbage")
    vectors.prepare(2)
    hers = [embedded("one", [1, 0]), embedded("two", [0, 1])]
    his = embedded("his", [1, 1], author=babbage)
    vectors.upsert_chunks(ARTICLES, [*hers, his])
    wrong = FeatureState(feature_hash="h", chunk_count=0)
    vectors.upsert_documents(ARTICLES, [(item.chunk.document, wrong) for item in (hers[0], his)])
    assert vectors.forget(ARTICLES, author_id=ADA.id) == {"embedded_articles": 2, "cleaned_articles": 1}
    assert vectors.forget(ARTICLES, author_id=ADA.id) == {"embedded_articles": 0, "cleaned_articles": 0}
    assert vectors.count_chunks(ARTICLES) == 1
    assert set(vectors.feature_states(ARTICLES)) == {his.chunk.document.id}


def test_documents_are_forgotten_by_their_ids_in_more_than_a_batch(vectors: QdrantVectorStore) -> None:
    vectors.prepare(2)
    kept, gone = embedded("kept", [1, 0]), embedded("gone", [0, 1])
    again = Chunk(id=uuid4(), index=7, text="x", context="t", token_count=1, document=gone.chunk.document)
    vectors.upsert_chunks(ARTICLES, [kept, gone, EmbeddedChunk(chunk=again, vector=[1, 1], model_id="m")])
    state = FeatureState(feature_hash="h", chunk_count=1)
    vectors.upsert_documents(ARTICLES, [(item.chunk.document, state) for item in (kept, gone)])
    ids = [*(UUID(int=i) for i in range(1, 1200)), gone.chunk.document.id]
    assert vectors.forget(ARTICLES, document_ids=ids) == {"embedded_articles": 2, "cleaned_articles": 1}
    assert set(vectors.feature_states(ARTICLES)) == {kept.chunk.document.id}


def test_nothing_is_forgotten_where_nothing_is_named_or_stored(vectors: QdrantVectorStore) -> None:
    assert vectors.forget(ARTICLES, author_id=ADA.id) == {"embedded_articles": 0, "cleaned_articles": 0}
    vectors.prepare(2)
    vectors.upsert_chunks(ARTICLES, [embedded("kept", [1, 0])])
    assert vectors.forget(ARTICLES) == {"embedded_articles": 0, "cleaned_articles": 0}
    assert vectors.count_chunks(ARTICLES) == 1


def test_a_second_process_is_told_who_holds_the_store_and_what_to_do(tmp_path: Path) -> None:
    store = open_embedded(tmp_path)
    code = (
        "from pathlib import Path; from llm_engineering.infrastructure.local.qdrant_engine import open_embedded;"
        "from llm_engineering.domain.errors import StoreLockedError\n"
        f"try: open_embedded(Path({str(tmp_path)!r}))\n"
        "except StoreLockedError as error: print(error)"
    )
    message = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert f"process {os.getpid()}" in message
    assert "QDRANT_DATABASE_HOST" in message
    assert str(os.getpid()) in (embedded_holder(tmp_path) or "")
    store.close()
    assert embedded_holder(tmp_path) is None
    open_embedded(tmp_path).close()


def test_a_lock_without_a_name_is_still_a_clear_error(tmp_path: Path) -> None:
    store = open_embedded(tmp_path)
    (tmp_path / "holder.json").write_text(json.dumps({"x": 1}))
    with pytest.raises(StoreLockedError, match="in use by another process"):
        open_embedded(tmp_path)
    store.close()


def test_a_server_that_is_down_is_named() -> None:
    store = connect("http://127.0.0.1:9", api_key=None)
    with pytest.raises(DependencyUnavailableError, match=r"Qdrant at http://127\.0\.0\.1:9 does not answer"):
        store.ping()
    store.close()
