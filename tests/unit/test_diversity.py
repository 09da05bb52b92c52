"""The results are not the same paragraph several times."""

from uuid import UUID

import pytest

from llm_engineering.application.rag.diversity import cap_per_document, maximal_marginal_relevance
from llm_engineering.domain.queries import RetrievedChunk
from tests.fakes import retrieved

ONE, TWO = UUID(int=1), UUID(int=2)


def texts(chunks: list[RetrievedChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def chunks_of(*documents: UUID) -> list[RetrievedChunk]:
    return [
        retrieved("abcdef"[place], 1 - place / 10, document_id=document) for place, document in enumerate(documents)
    ]


@pytest.mark.parametrize(
    ("most", "limit", "kept"),
    [
        (1, 2, "ad"),
        (2, 3, "abd"),
        (2, 2, "ab"),
        (0, 3, "abc"),
        # There are no more documents: the best of those that were passed over fill up.
        (1, 4, "adbc"),
        (1, 9, "adbc"),
    ],
)
def test_a_document_has_its_share_of_the_results(most: int, limit: int, kept: str) -> None:
    assert texts(cap_per_document(chunks_of(ONE, ONE, ONE, TWO), most, limit)) == kept


def test_a_likeness_of_the_one_before_falls_behind_what_is_new() -> None:
    chunks = [retrieved("a", 1.0), retrieved("b", 0.9), retrieved("c", 0.5), retrieved("d", 0.0)]
    vectors = dict(zip((chunk.id for chunk in chunks), ([1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]), strict=True))
    # After a: b = .5*.9 - .5*1 = -.05, c = .5*.5 - 0 = .25, d = 0 - .5*.6 = -.3. After c: d is as near to c as .8.
    assert texts(maximal_marginal_relevance(chunks, vectors, 0.5, 4)) == "acbd"
    assert texts(maximal_marginal_relevance(chunks, vectors, 0.5, 2)) == "ac"
    assert texts(maximal_marginal_relevance(chunks, vectors, 0.0, 4)) == "abcd"


def test_a_chunk_is_held_against_the_likest_of_those_chosen_not_the_last() -> None:
    chunks = [retrieved("a", 1.0), retrieved("b", 0.9), retrieved("c", 0.8), retrieved("d", 0.0)]
    vectors = dict(
        zip(
            (chunk.id for chunk in chunks),
            ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
            strict=True,
        )
    )
    # After a and b: c = .5*.8 - .5*1 = -.1, for it is a again; d = 0.
    assert texts(maximal_marginal_relevance(chunks, vectors, 0.5, 4)) == "abdc"


def test_relevance_is_the_score_stretched_so_that_fused_ranks_count_too() -> None:
    chunks = [retrieved("a", 0.0164), retrieved("b", 0.0163), retrieved("c", 0.0161)]
    vectors = dict(zip((chunk.id for chunk in chunks), ([1.0, 0.0], [0.8, 0.6], [0.0, 1.0]), strict=True))
    # b = .7*2/3 - .3*.8 = .227, c = 0 - 0. With plain scores c would win: .7*.0161 > .7*.0163 - .24.
    assert texts(maximal_marginal_relevance(chunks, vectors, 0.3, 3)) == "abc"


def test_a_chunk_whose_vector_is_gone_is_like_nothing() -> None:
    chunks = [retrieved("a", 1.0), retrieved("b", 0.9)]
    assert texts(maximal_marginal_relevance(chunks, {chunks[0].id: [1.0]}, 0.5, 2)) == "ab"


def test_of_nothing_nothing_is_chosen() -> None:
    assert maximal_marginal_relevance([], {}, 0.5, 3) == []
