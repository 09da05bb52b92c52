"""The feature pipeline does no work twice, forgets nothing, and survives being killed."""

import contextlib

import pytest

from llm_engineering.application.preprocessing import features
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.reports import FeatureReport
from tests.fakes import ADA, Killed, MemoryDocumentStore, MemoryVectorStore, SilentProgress, WordEmbedder, article

LONG = " ".join(f"cat w{i}." for i in range(30))
SHORT = "dog only."


def sync(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore, embedder: WordEmbedder | None = None
) -> FeatureReport:
    return sync_features(documents, vectors, embedder or WordEmbedder(), SilentProgress())


def test_every_document_is_cleaned_chunked_embedded_and_stored() -> None:
    long, short = article(LONG, "https://e.com/long"), article("  dog only. \n\n", "https://e.com/short")
    vectors = MemoryVectorStore()
    report = sync(MemoryDocumentStore([long, short]), vectors)
    assert "".join(vectors.texts(long.id)) == LONG
    assert vectors.texts(short.id) == [SHORT]
    assert vectors.documents[short.id].text == SHORT
    assert vectors.prepared_for == 4
    articles = report.categories["articles"]
    assert (articles.documents.new, articles.documents.unchanged, articles.removed) == (2, 0, 0)
    # 60 words in windows of 16: 16 + 16 + 16 + 12, and one chunk for the short text.
    assert report.chunks_embedded == len(vectors.chunks) == 5
    assert articles.characters == len(LONG) + len(SHORT)


def test_a_second_run_embeds_nothing_and_does_not_even_ask_for_the_dimension() -> None:
    documents, vectors = MemoryDocumentStore([article(LONG)]), MemoryVectorStore()
    sync(documents, vectors)
    vectors.prepared_for = None
    embedder = WordEmbedder()
    report = sync(documents, vectors, embedder)
    assert embedder.embedded == []
    assert vectors.prepared_for is None
    assert report.categories["articles"].documents.unchanged == 1


def test_only_a_changed_document_is_embedded_again_and_its_surplus_chunks_go() -> None:
    documents = MemoryDocumentStore([article(LONG, "https://e.com/1"), article(SHORT, "https://e.com/2")])
    vectors = MemoryVectorStore()
    sync(documents, vectors)
    changed = article("bird now.", "https://e.com/1")
    documents.upsert([changed])
    embedder = WordEmbedder()
    report = sync(documents, vectors, embedder)
    assert embedder.embedded == ["bird now."]
    assert vectors.texts(changed.id) == ["bird now."]
    assert len(vectors.chunks) == 2
    assert report.categories["articles"].documents.changed == 1


def test_what_vanished_from_the_document_store_vanishes_with_all_its_chunks() -> None:
    gone, kept = article(LONG, "https://e.com/1"), article(SHORT, "https://e.com/2")
    documents, vectors = MemoryDocumentStore([gone, kept]), MemoryVectorStore()
    sync(documents, vectors)
    del documents.documents[gone.id]
    report = sync(documents, vectors)
    assert report.categories["articles"].removed == 1
    assert set(vectors.documents) == set(vectors.states) == {kept.id}
    assert [item.chunk.text for item in vectors.chunks.values()] == [SHORT]


def test_another_embedding_model_embeds_everything_anew() -> None:
    documents, vectors = MemoryDocumentStore([article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    report = sync(documents, vectors, WordEmbedder(model_id="other"))
    assert report.categories["articles"].documents.changed == 1
    assert [item.model_id for item in vectors.chunks.values()] == ["other"]


def test_a_newer_way_of_preprocessing_does_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    documents, vectors = MemoryDocumentStore([article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    monkeypatch.setattr(features, "PREPROCESSING_VERSION", features.PREPROCESSING_VERSION + 1)
    assert sync(documents, vectors).chunks_embedded == 1


def test_the_authors_limit_what_is_computed_and_not_what_is_removed() -> None:
    babbage = Author.named("Charles Babbage")
    his, hers = article(SHORT, "https://e.com/1", author=babbage), article(SHORT, "https://e.com/2")
    documents, vectors = MemoryDocumentStore([his, hers]), MemoryVectorStore()
    sync(documents, vectors)
    fresh = article(SHORT, "https://e.com/3", author=babbage)
    documents.upsert([fresh])
    del documents.documents[his.id]
    report = sync_features(documents, vectors, WordEmbedder(), SilentProgress(), [ADA.id])
    assert report.categories["articles"].documents.unchanged == 1
    assert report.categories["articles"].removed == 1
    assert set(vectors.documents) == {hers.id}


def test_a_document_of_which_cleaning_leaves_nothing_is_counted_and_not_tried_again() -> None:
    documents, vectors = MemoryDocumentStore([article("![](x.png)")]), MemoryVectorStore()
    assert sync(documents, vectors).categories["articles"].empty == 1
    assert vectors.chunks == {}
    assert sync(documents, vectors).categories["articles"].documents.unchanged == 1


def test_batches_are_sorted_by_length_across_documents() -> None:
    texts = ["cat", "cat dog fish bird", "cat dog", "cat dog fish"]
    documents = [article(text, f"https://e.com/{i}") for i, text in enumerate(texts)]
    embedder = WordEmbedder()
    sync(MemoryDocumentStore(documents), MemoryVectorStore(), embedder)
    assert [len(text.split()) for text in embedder.embedded] == [4, 3, 2, 1]
    assert embedder.batches == [2, 2]


def test_a_long_corpus_is_embedded_window_by_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "WINDOW_CHUNKS", 3)
    documents = [article(f"cat {i}", f"https://e.com/{i}") for i in range(8)]
    vectors, progress = MemoryVectorStore(), SilentProgress()
    sync_features(MemoryDocumentStore(documents), vectors, WordEmbedder(), progress)
    assert len(vectors.chunks) == 8
    assert progress.done["Features of articles"] == pytest.approx(8)


def final_state(documents: MemoryDocumentStore) -> tuple[dict[str, str], int]:
    vectors = MemoryVectorStore()
    sync(documents, vectors)
    return {str(id_): item.chunk.text for id_, item in vectors.chunks.items()}, len(vectors.states)


@pytest.mark.parametrize("writes_before_the_kill", range(8))
def test_a_run_killed_at_any_write_is_completed_by_the_next_with_nothing_stale(writes_before_the_kill: int) -> None:
    documents, vectors = MemoryDocumentStore([article(LONG, "https://e.com/1")]), MemoryVectorStore()
    sync(documents, vectors)
    documents.upsert([article(SHORT, "https://e.com/1"), article(LONG, "https://e.com/2")])
    vectors.die_after = writes_before_the_kill
    with contextlib.suppress(Killed):
        sync(documents, vectors)
    # The text changes once more before the run is taken up again: chunks of all three states must not mix.
    documents.upsert([article("fish.", "https://e.com/2")])
    vectors.die_after = None
    sync(documents, vectors)
    stored = {str(id_): item.chunk.text for id_, item in vectors.chunks.items()}
    assert (stored, len(vectors.states)) == final_state(documents)


def test_categories_are_kept_apart() -> None:
    code = RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform="git",
        link="file:///r/a.py",
        author=ADA,
        title="r/a.py",
        content="def cat(): ...",
    )
    report = sync(MemoryDocumentStore([code, article(SHORT)]), MemoryVectorStore())
    assert {name: category.documents.new for name, category in report.categories.items()} == {
        "posts": 0,
        "articles": 1,
        "repositories": 1,
    }
