"""The feature pipeline does no work twice, forgets nothing, and survives being killed."""

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from llm_engineering.application.preprocessing import feature_writer, features, making, window
from llm_engineering.application.preprocessing.features import FeatureSync, sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, RawDocument
from llm_engineering.domain.errors import InconsistentStoresError, ModelMismatchError
from llm_engineering.domain.feature_reports import FeatureReport
from llm_engineering.domain.features import ChunkSize, ChunkSizes, FeatureState
from tests.fakes import (
    ADA,
    Killed,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
    spec_of,
)

LONG = " ".join(f"cat w{i}." for i in range(30))
SHORT = "dog only."
FOOTER = "All of this is about cats and of interest to nobody else"
# Neither joined nor repeated: what comes out can be told beforehand.
PLAIN = ChunkSizes(articles=ChunkSize(), posts=ChunkSize())


def makers(
    embedder: WordEmbedder | None = None, sparse: WordEncoder | None = None, sizes: ChunkSizes = PLAIN
) -> FeatureMakers:
    return FeatureMakers(embedder or WordEmbedder(), sparse or WordEncoder(), sizes)


def sync(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore, embedder: WordEmbedder | None = None
) -> FeatureReport:
    return sync_features(documents, vectors, makers(embedder), SilentProgress())


def site(count: int, footer: str = FOOTER) -> list[RawDocument]:
    """Pages of one site that end in the same line."""
    return [article(f"cat number {i} sleeps.\n\n{footer}", f"https://site.org/{i}") for i in range(count)]


def stored(vectors: MemoryVectorStore) -> dict[str, str]:
    return {str(id_): item.chunk.text for id_, item in vectors.points.items()}


def test_every_document_is_cleaned_chunked_embedded_and_stored() -> None:
    long, short = article(LONG, "https://e.com/long"), article("  dog only. \n\n", "https://e.com/short")
    vectors = MemoryVectorStore()
    report = sync(MemoryDocumentStore([long, short]), vectors)
    assert "".join(vectors.texts(long.id)) == LONG
    assert vectors.texts(short.id) == [SHORT]
    assert vectors.documents[short.id].text == SHORT
    assert vectors.active() == spec_of(WordEmbedder())
    articles = report.categories["articles"]
    assert (articles.new, articles.unchanged, articles.removed) == (2, 0, 0)
    # 60 words in windows of 16: 16 + 16 + 16 + 12, and one chunk for the short text.
    assert report.chunks_embedded == len(vectors.points) == 5
    assert articles.characters == len(LONG) + len(SHORT)


def test_a_chunk_has_both_vectors_of_its_text() -> None:
    vectors = MemoryVectorStore()
    sync(MemoryDocumentStore([article("dog dog fish")]), vectors)
    [item] = vectors.points.values()
    assert item.vector == pytest.approx([0, 0.5**0.5, 0.5**0.5, 0])
    assert item.sparse == WordEncoder().encode_passage("dog dog fish")
    assert sorted(item.sparse.values) == [1.0, 2.0]


def test_a_second_run_embeds_nothing_and_does_not_even_load_the_model() -> None:
    documents, vectors = MemoryDocumentStore([article(LONG)]), MemoryVectorStore()
    sync(documents, vectors)

    class Unloaded(WordEmbedder):
        @property
        def dimension(self) -> int:
            raise AssertionError("the model is loaded")

        @dimension.setter
        def dimension(self, value: int) -> None:
            pass

    vectors.prepared_for = None
    report = sync(documents, vectors, Unloaded())
    assert vectors.prepared_for is None
    assert report.categories["articles"].unchanged == 1


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
    assert len(vectors.points) == 2
    assert report.categories["articles"].changed == 1


def test_what_vanished_from_the_document_store_vanishes_with_all_its_chunks() -> None:
    gone, kept = article(LONG, "https://e.com/1"), article(SHORT, "https://e.com/2")
    documents, vectors = MemoryDocumentStore([gone, kept]), MemoryVectorStore()
    sync(documents, vectors)
    del documents.documents[gone.id]
    report = sync(documents, vectors)
    assert report.categories["articles"].removed == 1
    assert set(vectors.documents) == set(vectors.states) == {kept.id}
    assert list(stored(vectors).values()) == [SHORT]


@pytest.mark.parametrize(
    "other",
    [
        makers(WordEmbedder(model_id="other")),
        makers(WordEmbedder(precision="int8:1")),
        makers(WordEmbedder(revision="2")),
        makers(sparse=WordEncoder("other")),
    ],
    ids=["model", "precision", "revision", "sparse encoder"],
)
def test_other_models_are_refused_with_the_remedy_and_nothing_is_written(other: FeatureMakers) -> None:
    documents, vectors = MemoryDocumentStore([article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    documents.upsert([article(LONG, "https://e.com/new")])
    vectors.die_after = 0
    with pytest.raises(ModelMismatchError, match="--reindex"):
        sync_features(documents, vectors, other, SilentProgress())


def test_other_models_are_refused_before_they_are_loaded_where_their_names_tell() -> None:
    documents, vectors = MemoryDocumentStore([article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    # Nothing has changed, so that the model would not be loaded.
    with pytest.raises(ModelMismatchError, match=r"words@1 \(float32, 4 dimensions\).*python -m tools\.features"):
        sync(documents, vectors, WordEmbedder(model_id="other"))


def test_a_newer_way_of_preprocessing_does_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    documents, vectors = MemoryDocumentStore([article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    monkeypatch.setattr(making, "PREPROCESSING_VERSION", making.PREPROCESSING_VERSION + 1)
    assert sync(documents, vectors).chunks_embedded == 1


def test_another_size_does_the_documents_of_its_category_anew_and_no_others() -> None:
    post = article(SHORT, "https://e.com/post").model_copy(update={"category": DataCategory.POSTS})
    documents, vectors = MemoryDocumentStore([article(LONG), post]), MemoryVectorStore()
    sync(documents, vectors)
    # 60 words in windows of 20: 3 chunks.
    smaller = makers(WordEmbedder(max_tokens=32), sizes=PLAIN.model_copy(update={"articles": ChunkSize(max_tokens=20)}))
    report = sync_features(documents, vectors, smaller, SilentProgress())
    assert (report.categories["articles"].changed, report.categories["posts"].unchanged) == (1, 1)
    assert [len(item.chunk.text.split()) for item in vectors.points.values() if "cat" in item.chunk.text] == [20] * 3


def test_a_new_date_of_publication_reaches_the_index() -> None:
    from datetime import UTC, datetime

    documents, vectors = MemoryDocumentStore([article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    dated = article(SHORT).model_copy(update={"published_at": datetime(2024, 1, 2, tzinfo=UTC)})
    documents.documents[dated.id] = dated
    assert sync(documents, vectors).categories["articles"].changed == 1
    assert vectors.documents[dated.id].published_at == dated.published_at


def test_the_authors_limit_what_is_computed_and_not_what_is_removed() -> None:
    babbage = Author.named("Charles Babbage")
    his, hers = article(SHORT, "https://e.com/1", author=babbage), article(SHORT, "https://e.com/2")
    documents, vectors = MemoryDocumentStore([his, hers]), MemoryVectorStore()
    sync(documents, vectors)
    fresh = article(SHORT, "https://e.com/3", author=babbage)
    documents.upsert([fresh])
    del documents.documents[his.id]
    report = sync_features(documents, vectors, makers(), SilentProgress(), [ADA.id])
    assert report.categories["articles"].unchanged == 1
    assert report.categories["articles"].removed == 1
    assert set(vectors.documents) == {hers.id}


def test_a_document_of_which_cleaning_leaves_nothing_is_counted_and_not_tried_again() -> None:
    documents, vectors = MemoryDocumentStore([article("![](x.png)")]), MemoryVectorStore()
    assert sync(documents, vectors).categories["articles"].empty == 1
    assert vectors.points == {}
    assert sync(documents, vectors).categories["articles"].unchanged == 1


def test_a_document_that_cannot_be_cut_is_reported_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real = making.prepare_document

    def faulty(raw: RawDocument, *arguments: object) -> making.DocumentFeatures:
        if raw.link.endswith("/bad"):
            raise LookupError("no such heading")
        return real(raw, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "prepare_document", faulty)
    documents = MemoryDocumentStore([article(LONG, "https://e.com/bad"), article(SHORT, "https://e.com/good")])
    vectors = MemoryVectorStore()
    report = sync(documents, vectors)
    assert (report.total.failed, report.total.new) == (1, 1)
    assert report.failures == {"https://e.com/bad": "LookupError: no such heading"}
    assert list(stored(vectors).values()) == [SHORT]
    with pytest.raises(InconsistentStoresError, match=r"1 documents.*https://e\.com/bad"):
        report.require_complete()
    monkeypatch.undo()
    assert sync(documents, vectors).total.new == 1


def test_lines_that_repeat_on_a_site_go_and_are_remembered() -> None:
    documents, vectors = MemoryDocumentStore(site(6)), MemoryVectorStore()
    sync(documents, vectors)
    assert [len(lines) for lines in documents.site_noise().values()] == [1]
    assert all(FOOTER not in text for text in stored(vectors).values())
    assert len(vectors.points) == 6
    assert sync(documents, vectors).total.unchanged == 6


def test_when_a_line_is_learned_only_the_pages_that_have_it_are_done_anew() -> None:
    plain = [article(f"dog number {i} sleeps.", f"https://site.org/plain/{i}") for i in range(3)]
    documents, vectors = MemoryDocumentStore([*site(2), *plain]), MemoryVectorStore()
    sync(documents, vectors)
    assert sum(FOOTER in text for text in stored(vectors).values()) == 2
    documents.upsert(site(6))
    report = sync(documents, vectors).total
    assert (report.new, report.changed, report.unchanged) == (4, 2, 3)
    assert all(FOOTER not in text for text in stored(vectors).values())


def test_what_was_learned_of_a_site_goes_with_its_pages() -> None:
    documents, vectors = MemoryDocumentStore([*site(6), article(SHORT)]), MemoryVectorStore()
    sync(documents, vectors)
    for page in site(6):
        del documents.documents[page.id]
    sync(documents, vectors)
    assert documents.site_noise() == {}


def test_a_run_for_some_authors_learns_nothing_new() -> None:
    documents, vectors = MemoryDocumentStore(site(6)), MemoryVectorStore()
    sync_features(documents, vectors, makers(), SilentProgress(), [ADA.id])
    assert documents.site_noise() == {}
    assert sum(FOOTER in text for text in stored(vectors).values()) == 6


def test_batches_are_sorted_by_length_across_documents_and_hold_about_as_many_tokens() -> None:
    # As many as 2 texts of 16 words: 2 of 16, 2 of 10, 2 that begin with the last of 10, 16 of 2 (8 times 2 at most).
    lengths = [2] * 17 + [10] * 3 + [16] * 2
    documents = [
        article(" ".join(f"w{i}n{n}" for n in range(length)), f"https://e.com/{i}") for i, length in enumerate(lengths)
    ]
    embedder = WordEmbedder()
    sync(MemoryDocumentStore(documents), MemoryVectorStore(), embedder)
    assert [len(text.split()) for text in embedder.embedded] == sorted(lengths, reverse=True)
    assert embedder.batches == [2, 2, 2, 16]


def test_a_long_corpus_is_embedded_window_by_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW_CHUNKS", 3)
    documents = [article(f"cat {i}", f"https://e.com/{i}") for i in range(8)]
    vectors, progress, embedder = MemoryVectorStore(), SilentProgress(), WordEmbedder()
    sync_features(MemoryDocumentStore(documents), vectors, makers(embedder), progress)
    assert len(vectors.points) == 8
    assert embedder.batches == [3, 3, 2]
    assert progress.done["Features of articles"] == pytest.approx(8)


@pytest.mark.parametrize("limit", ["WINDOW_DOCUMENTS", "WINDOW_CHARACTERS"])
def test_a_window_ends_also_where_there_are_many_documents_or_much_text(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, limit, {"WINDOW_DOCUMENTS": 3, "WINDOW_CHARACTERS": 12}[limit])
    sizes: list[int] = []

    class Counting(MemoryVectorStore):
        def upsert_documents(self, documents: Sequence[tuple[CleanedDocument, FeatureState]]) -> None:
            sizes.append(len(documents))
            super().upsert_documents(documents)

    # Of five characters each.
    documents = [article(f"cat {i}", f"https://e.com/{i}") for i in range(8)]
    sync(MemoryDocumentStore(documents), Counting())
    assert sizes == [3, 3, 3, 3, 2, 2]  # each window marked and unmarked


def test_documents_that_clean_to_nothing_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW_DOCUMENTS", 3)
    held: list[int] = []
    add = window.Window.add

    def counting(self: window.Window, item: making.DocumentFeatures) -> None:
        add(self, item)
        held.append(len(self))

    monkeypatch.setattr(window.Window, "add", counting)
    images = [article("![](https://x.org/a.png)", f"https://e{i}.com/") for i in range(8)]
    report = sync(MemoryDocumentStore(images), MemoryVectorStore())
    assert (report.total.empty, held) == (8, [1, 2, 3, 1, 2, 3, 1, 2])


def test_the_engine_may_tidy_up_after_a_run_that_wrote_much_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_writer, "FLUSH_CHUNKS", 3)
    documents, vectors = MemoryDocumentStore([article(LONG)]), MemoryVectorStore()
    sync(documents, vectors)
    assert vectors.flushes == 1
    documents.upsert([article(SHORT, "https://e.com/2")])
    sync(documents, vectors)
    assert vectors.flushes == 1


def test_a_run_that_is_stopped_removes_nothing_and_the_next_completes_it() -> None:
    documents = MemoryDocumentStore([article(f"cat {i}", f"https://e.com/{i}") for i in range(5)])
    vectors = MemoryVectorStore()
    sync(MemoryDocumentStore([article(SHORT, "https://e.com/gone")]), vectors)
    asked: Iterator[bool] = iter([False, False, True, True, True, True, True])
    FeatureSync(documents, vectors, makers(), SilentProgress(), stopped=lambda: next(asked)).run()
    assert sorted(stored(vectors).values()) == ["cat 0", "cat 1", SHORT]
    sync(documents, vectors)
    assert sorted(stored(vectors).values()) == [f"cat {i}" for i in range(5)]


def final_state(documents: MemoryDocumentStore) -> tuple[dict[str, str], int]:
    vectors = MemoryVectorStore()
    sync(documents, vectors)
    return stored(vectors), len(vectors.states)


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
    assert (stored(vectors), len(vectors.states)) == final_state(documents)


def test_the_kills_above_reach_every_write() -> None:
    documents, vectors = MemoryDocumentStore([article(LONG, "https://e.com/1")]), MemoryVectorStore()
    sync(documents, vectors)
    documents.upsert([article(SHORT, "https://e.com/1"), article(LONG, "https://e.com/2")])
    vectors.die_after = 7
    sync(documents, vectors)
    # Marks, chunks, surplus, marks off: four writes for both documents, which are in one window.
    assert vectors.die_after == 3


@pytest.mark.parametrize("writes_before_the_kill", range(3))
def test_a_removal_killed_at_any_write_is_completed_by_the_next_run(writes_before_the_kill: int) -> None:
    documents, vectors = MemoryDocumentStore([article(LONG, "https://e.com/1")]), MemoryVectorStore()
    sync(documents, vectors)
    documents.documents.clear()
    vectors.die_after = writes_before_the_kill
    with contextlib.suppress(Killed):
        sync(documents, vectors)
    vectors.die_after = None
    sync(documents, vectors)
    assert (vectors.points, vectors.states) == ({}, {})


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
    assert {name: category.new for name, category in report.categories.items()} == {
        "posts": 0,
        "articles": 1,
        "repositories": 1,
    }


def test_a_document_that_moves_to_another_category_is_not_removed() -> None:
    documents, vectors = MemoryDocumentStore([article(LONG)]), MemoryVectorStore()
    sync(documents, vectors)
    post = RawDocument.create(
        category=DataCategory.POSTS, platform="e", link="https://example.com/a", author=ADA, title="", content=SHORT
    )
    documents.documents = {post.id: post}
    report = sync(documents, vectors)
    assert report.total.removed == 0
    assert vectors.texts(post.id) == [SHORT]
    assert vectors.states[post.id].category is DataCategory.POSTS
    assert len(vectors.points) == 1
