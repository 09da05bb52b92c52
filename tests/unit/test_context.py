"""What the language model is given to read."""

from llm_engineering.application.rag.context import build_context, count_tokens
from llm_engineering.domain.chunks import Chunk, EmbeddedChunk, SparseVector, chunk_id
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import Passage, RetrievalOptions
from tests.fakes import MemoryVectorStore, WordEmbedder, cleaned, spec_of

ROOMY = RetrievalOptions(context_tokens=10_000)
ALONE = RetrievalOptions(context_tokens=10_000, neighbours=0)
DOCUMENT, OTHER = cleaned("", "a"), cleaned("", "b")


def stored(
    *slices: str, leads: dict[int, str] | None = None, document: CleanedDocument = DOCUMENT
) -> list[EmbeddedChunk]:
    """The document's chunks with these texts."""
    nothing = SparseVector(indices=[], values=[])
    return [
        EmbeddedChunk(
            chunk=Chunk(
                id=chunk_id(document.id, index),
                index=index,
                text=text,
                context=document.title,
                lead=(leads or {}).get(index, ""),
                token_count=1,
                document=document,
            ),
            vector=[0.0] * 4,
            sparse=nothing,
        )
        for index, text in enumerate(slices)
    ]


def store_of(*chunks: EmbeddedChunk) -> MemoryVectorStore:
    store = MemoryVectorStore()
    store.prepare(spec_of(WordEmbedder()))
    store.upsert_chunks(chunks)
    return store


def hit(store: MemoryVectorStore, index: int, document: CleanedDocument = DOCUMENT) -> RetrievedChunk:
    [chunk] = store.chunks([chunk_id(document.id, index)])
    return chunk


def read(passages: tuple[Passage, ...]) -> list[tuple[int, int, str]]:
    """Number, index of the best hit, text."""
    return [(passage.number, passage.chunk.index, passage.text) for passage in passages]


def test_hits_that_follow_each_other_are_one_passage_in_the_order_of_the_text() -> None:
    store = store_of(*stored("zero ", "one ", "two ", "three ", "four "))
    passages = build_context([hit(store, 4), hit(store, 2), hit(store, 1)], store, ALONE)
    assert read(passages) == [(1, 4, "four"), (2, 2, "one two")]


def test_the_passage_of_the_best_hit_is_number_one() -> None:
    store = store_of(*stored("a0 ", "a1 "), *stored("b0 ", document=OTHER))
    passages = build_context([hit(store, 1), hit(store, 0, OTHER), hit(store, 0)], store, ALONE)
    assert [(passage.number, passage.text) for passage in passages] == [(1, "a0 a1"), (2, "b0")]
    assert passages[0].chunk.index == 1


def test_chunks_of_two_documents_are_never_one_passage() -> None:
    store = store_of(*stored("a0 "), *stored("b0 ", "b1 ", document=OTHER))
    passages = build_context([hit(store, 0), hit(store, 1, OTHER)], store, ALONE)
    assert [passage.text for passage in passages] == ["a0", "b1"]


def test_neighbours_are_added_where_there_is_room() -> None:
    store = store_of(*stored("zero ", "one ", "two ", "three ", "four "))
    assert read(build_context([hit(store, 2)], store, ROOMY)) == [(1, 2, "one two three")]
    wider = ROOMY.model_copy(update={"neighbours": 2})
    assert read(build_context([hit(store, 2)], store, wider)) == [(1, 2, "zero one two three four")]


def test_a_neighbour_that_joins_two_hits_makes_one_passage() -> None:
    store = store_of(*stored("zero ", "one ", "two "))
    assert read(build_context([hit(store, 2), hit(store, 0)], store, ROOMY)) == [(1, 2, "zero one two")]


def test_what_the_first_chunk_repeats_of_the_one_before_leads_in_and_stands_once() -> None:
    store = store_of(*stored("zero and ", "one. ", "two ", leads={1: "and "}))
    assert read(build_context([hit(store, 1)], store, ALONE)) == [(1, 1, "and one.")]
    assert read(build_context([hit(store, 1)], store, ROOMY)) == [(1, 1, "zero and one. two")]


def test_the_rest_of_a_paragraph_goes_before_other_neighbours() -> None:
    # Each text is 40 bytes, 10 tokens; the frame and the context 'a' of a hit take 17 more.
    texts = [letter * 39 + " " for letter in "zotf"]
    store = store_of(*stored(*texts, leads={3: "t"}))
    # Room for two hits' frames, both hits and one neighbour: of hit 2 it is 3, which goes on with its paragraph.
    options = RetrievalOptions(context_tokens=64, neighbours=1)
    passages = build_context([hit(store, 2)], store, options.model_copy(update={"context_tokens": 17 + 20 + 1}))
    assert [passage.text for passage in passages] == ["t" * 39 + " " + "f" * 39]


def test_a_neighbour_is_not_added_over_a_gap() -> None:
    store = store_of(*stored("zero", "x" * 4_000, "two"))
    options = RetrievalOptions(context_tokens=100, neighbours=2)
    assert read(build_context([hit(store, 0)], store, options)) == [(1, 0, "zero")]


def test_a_hit_that_does_not_fit_is_left_out_and_a_shorter_one_behind_it_is_not() -> None:
    store = store_of(*stored("x" * 120), *stored("b" * 4_000, "b1", "c " * 20, document=OTHER))
    hits = [hit(store, 0), hit(store, 0, OTHER), hit(store, 2, OTHER)]
    options = RetrievalOptions(context_tokens=100, neighbours=0)
    assert [(passage.number, passage.text[0]) for passage in build_context(hits, store, options)] == [
        (1, "x"),
        (2, "c"),
    ]


def test_the_best_hit_is_given_however_long_it_is() -> None:
    store = store_of(*stored("x" * 4_000, "y"))
    assert [
        passage.chunk.index for passage in build_context([hit(store, 0)], store, RetrievalOptions(context_tokens=64))
    ] == [0]


def test_of_no_hits_there_is_no_context() -> None:
    assert build_context([], MemoryVectorStore(), ROOMY) == ()


def test_tokens_are_a_quarter_of_the_bytes_rounded_up() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde", "检索", "a\ud800")] == [0, 1, 1, 2, 2, 1]
