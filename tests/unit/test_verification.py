"""Both stores are compared to the chunk, every difference is named, and a repair mends exactly those."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import pytest

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.verification import repair, verify
from llm_engineering.domain.chunks import chunk_id
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import InconsistentStoresError, ModelMismatchError
from llm_engineering.domain.feature_reports import SHOWN_DIFFERENCES, VerificationReport
from llm_engineering.domain.features import ChunkSize, ChunkSizes, FeatureState, StoredChunk
from tests.fakes import (
    Killed,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
    cleaned,
    embedded,
)

LONG = article(" ".join(f"cat w{i}." for i in range(30)), "https://e.com/long")  # 4 chunks
SHORT = article("dog only.", "https://e.com/short")
OTHER = article("fish and bird.", "https://e.com/other")
Damage = Callable[[MemoryDocumentStore, MemoryVectorStore], object]


def makers(embedder: WordEmbedder | None = None) -> FeatureMakers:
    return FeatureMakers(embedder or WordEmbedder(), WordEncoder(), ChunkSizes(articles=ChunkSize()))


@pytest.fixture
def documents() -> MemoryDocumentStore:
    return MemoryDocumentStore([LONG, SHORT, OTHER])


@pytest.fixture
def vectors(documents: MemoryDocumentStore) -> MemoryVectorStore:
    vectors = MemoryVectorStore()
    sync_features(documents, vectors, makers(), SilentProgress())
    return vectors


def found(report: VerificationReport) -> dict[str, list[str]]:
    return {kind: one.examples for kind, one in report.differences.items() if one.count}


def contents(vectors: MemoryVectorStore) -> tuple[dict[UUID, str], dict[UUID, FeatureState]]:
    return {id_: item.chunk.text for id_, item in vectors.points.items()}, dict(vectors.states)


def lose_document(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    vectors.delete_chunks([chunk_id(SHORT.id, 0)])
    vectors.delete_documents([SHORT.id])


def write_new_text(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    documents.upsert([article("bird now.", LONG.link)])


def mark_unfinished(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    vectors.states[LONG.id] = vectors.states[LONG.id].model_copy(update={"feature_hash": ""})


def delete_at_source(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    del documents.documents[LONG.id]


def lose_chunk(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    vectors.delete_chunks([chunk_id(LONG.id, 2)])


def leave_chunk(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    vectors.upsert_chunks([embedded(vectors.documents[SHORT.id], [1, 0, 0, 0], index=7)])


def leave_chunk_of_nothing(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    vectors.upsert_chunks([embedded(cleaned("a ghost", "ghost"), [1, 0, 0, 0])])


DAMAGES = {
    "missing": (lose_document, {"missing": [SHORT.link]}, 1),
    "stale": (write_new_text, {"stale": [LONG.link]}, 1),
    "unfinished": (mark_unfinished, {"stale": [LONG.link]}, 4),
    "vanished": (delete_at_source, {"vanished": [f"document {LONG.id}"]}, 0),
    "incomplete": (lose_chunk, {"incomplete": [LONG.link]}, 4),
    "surplus": (leave_chunk, {"orphaned": [f"chunk {chunk_id(SHORT.id, 7)} (7 of {SHORT.id})"]}, 0),
    "orphaned": (
        leave_chunk_of_nothing,
        {
            "orphaned": [
                f"chunk {chunk_id(cleaned('', 'ghost').id, 0)} (0 of {cleaned('', 'ghost').id})",
            ]
        },
        0,
    ),
}


def test_stores_that_say_the_same_are_found_to(documents: MemoryDocumentStore, vectors: MemoryVectorStore) -> None:
    report = verify(documents, vectors, makers())
    assert (report.is_consistent, report.documents, report.chunks) == (True, 3, 6)
    report.require_consistent()


@pytest.mark.parametrize(("damage", "expected", "embedded_chunks"), DAMAGES.values(), ids=DAMAGES.keys())
def test_each_difference_is_named_and_exactly_that_is_mended(
    documents: MemoryDocumentStore,
    vectors: MemoryVectorStore,
    damage: Damage,
    expected: dict[str, list[str]],
    embedded_chunks: int,
) -> None:
    damage(documents, vectors)
    report = verify(documents, vectors, makers())
    assert found(report) == expected
    with pytest.raises(InconsistentStoresError, match=rf"1 {next(iter(expected))}\. .*--repair"):
        report.require_consistent()
    mended = repair(documents, vectors, makers(), SilentProgress())
    assert found(mended) == expected
    assert mended.repaired is not None
    assert mended.repaired.chunks_embedded == embedded_chunks
    assert verify(documents, vectors, makers()).is_consistent
    fresh = MemoryVectorStore()
    sync_features(documents, fresh, makers(), SilentProgress())
    assert contents(vectors) == contents(fresh)


def edit_by_hand(documents: MemoryDocumentStore, **fields: str) -> None:
    """Another text, and the hash of the one before."""
    documents.documents[SHORT.id] = SHORT.model_copy(update=fields)


@pytest.mark.parametrize("fields", [{"content": "bird now."}, {"title": "Another title"}, {"subtitle": "New"}])
def test_a_text_that_was_edited_by_hand_is_named_and_gets_its_own_hash_and_features(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore, fields: dict[str, str]
) -> None:
    edit_by_hand(documents, **fields)
    report = verify(documents, vectors, makers())
    assert found(report) == {"stale": [SHORT.link], "edited": [SHORT.link]}
    with pytest.raises(InconsistentStoresError, match=r"1 stale, 1 edited\. Mend it: .*--repair\.$"):
        report.require_consistent()
    mended = repair(documents, vectors, makers(), SilentProgress())
    assert mended.rehashed == 1
    assert verify(documents, vectors, makers()).is_consistent
    fresh = MemoryVectorStore()
    sync_features(documents, fresh, makers(), SilentProgress())
    assert contents(vectors) == contents(fresh)


def test_the_feature_pipeline_sees_an_edited_text_and_leaves_only_its_hash_to_mend(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore
) -> None:
    edit_by_hand(documents, content="bird now.")
    assert sync_features(documents, vectors, makers(), SilentProgress()).total.changed == 1
    assert vectors.points[chunk_id(SHORT.id, 0)].chunk.text == "bird now."
    assert found(verify(documents, vectors, makers())) == {"edited": [SHORT.link]}
    mended = repair(documents, vectors, makers(), SilentProgress())
    assert mended.repaired is not None
    assert (mended.rehashed, mended.repaired.chunks_embedded) == (1, 0)
    assert verify(documents, vectors, makers()).is_consistent


@pytest.mark.parametrize("writes_before_the_kill", range(9))
def test_a_repair_killed_at_any_write_is_completed_by_the_next(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore, writes_before_the_kill: int
) -> None:
    for damage in (lose_document, delete_at_source, leave_chunk_of_nothing):
        damage(documents, vectors)
    write_new_text(documents, vectors)
    vectors.die_after = writes_before_the_kill
    with contextlib.suppress(Killed):
        repair(documents, vectors, makers(), SilentProgress())
    vectors.die_after = None
    repair(documents, vectors, makers(), SilentProgress())
    assert verify(documents, vectors, makers()).is_consistent


def test_all_differences_are_counted_and_the_first_ones_named(vectors: MemoryVectorStore) -> None:
    many = [article(f"text {i}", f"https://e.com/{i}") for i in range(SHOWN_DIFFERENCES + 5)]
    report = verify(MemoryDocumentStore([LONG, SHORT, OTHER, *many]), vectors, makers())
    assert report.missing.count == SHOWN_DIFFERENCES + 5
    assert report.missing.examples == [document.link for document in many[:SHOWN_DIFFERENCES]]


def test_an_empty_index_lacks_every_document(documents: MemoryDocumentStore) -> None:
    report = verify(documents, MemoryVectorStore(), makers())
    assert report.missing.count == 3
    repair(documents, vectors := MemoryVectorStore(), makers(), SilentProgress())
    assert verify(documents, vectors, makers()).is_consistent


def test_an_index_of_other_models_is_one_difference_and_no_repair_mixes_them(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore
) -> None:
    others = makers(WordEmbedder(model_id="other"))
    report = verify(documents, vectors, others)
    assert found(report) == {}
    assert not report.is_consistent
    with pytest.raises(InconsistentStoresError, match="--reindex"):
        report.require_consistent()
    with pytest.raises(ModelMismatchError, match="--reindex"):
        repair(documents, vectors, others, SilentProgress())


def test_what_another_process_writes_meanwhile_is_no_difference(
    documents: MemoryDocumentStore, vectors: MemoryVectorStore
) -> None:
    fresh = article("a new bird.", "https://e.com/fresh")

    class Busy(MemoryVectorStore):
        """Another process applies a new document and a changed one after the states were read."""

        def stored_chunks(self) -> Iterator[StoredChunk]:
            sync_features(documents, vectors, makers(), SilentProgress())
            return super().stored_chunks()

    documents.upsert([fresh, article("bird now.", LONG.link)])
    busy = Busy(vectors._shared)
    assert verify(documents, busy, makers()).is_consistent
    assert verify(documents, vectors, makers()).is_consistent


def test_lines_learned_of_a_site_are_no_difference() -> None:
    pages = [article(f"cat number {i} sleeps.\n\nThe same line on every page.", f"https://s.org/{i}") for i in range(6)]
    documents, vectors = MemoryDocumentStore(pages), MemoryVectorStore()
    sync_features(documents, vectors, makers(), SilentProgress())
    assert documents.site_noise() != {}
    assert verify(documents, vectors, makers()).is_consistent


def test_a_document_whose_record_cannot_be_read_has_not_vanished(vectors: MemoryVectorStore) -> None:
    class Malformed(MemoryDocumentStore):
        """The record is there, and the document is left out."""

        def ids(self, category: DataCategory) -> Iterator[UUID]:
            yield from (document.id for document in super().stream(category))

        def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]:
            yield from (document for document in super().stream(category, author_ids) if document.id != SHORT.id)

    documents, before = Malformed([LONG, SHORT]), contents(vectors)
    report = repair(documents, vectors, makers(), SilentProgress())
    assert found(report) == {"vanished": [f"document {OTHER.id}"]}
    assert SHORT.id in vectors.states
    assert len(vectors.points) == len(before[0]) - 1
