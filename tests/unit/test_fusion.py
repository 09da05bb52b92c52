"""Several rankings become one."""

from uuid import UUID

import pytest

from llm_engineering.application.rag.fusion import merge_wordings, reciprocal_ranks, without_repetitions
from tests.fakes import retrieved

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def test_reciprocal_ranks_add_up_over_the_rankings() -> None:
    scores = reciprocal_ranks([[A, B], [B, C]], [1.0, 0.5], k=60)
    assert list(scores) == [B, A, C]
    assert scores[A] == pytest.approx(1 / 61)
    assert scores[B] == pytest.approx(1 / 62 + 0.5 / 61)
    assert scores[C] == pytest.approx(0.5 / 62)


def test_of_equal_scores_the_first_seen_wins() -> None:
    assert list(reciprocal_ranks([[B], [A]], [1.0, 1.0], k=1)) == [B, A]


def test_rankings_without_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        reciprocal_ranks([[A], [B]], [1.0], k=1)


def test_a_single_list_keeps_its_scores() -> None:
    chunks = [retrieved("a", 0.9), retrieved("b", 0.1)]
    assert merge_wordings([chunks], 60) == chunks
    assert merge_wordings([], 60) == []


def test_the_question_counts_as_much_as_all_other_wordings_together() -> None:
    asked, added = retrieved("asked"), retrieved("added")
    merged = merge_wordings([[asked], [added], [added]], 60)
    assert [chunk.text for chunk in merged] == ["asked", "added"]
    assert merged[0].score == pytest.approx(merged[1].score) == pytest.approx(1 / 61)


def test_a_chunk_that_several_wordings_find_comes_first_and_once() -> None:
    a, b, c = retrieved("a"), retrieved("b"), retrieved("c")
    merged = merge_wordings([[a, b], [b, c]], 60)
    assert [chunk.text for chunk in merged] == ["b", "a", "c"]


def test_the_same_text_under_two_links_stands_once_at_its_best_place() -> None:
    chunks = [retrieved("one  two", 0.9), retrieved("x", 0.8), retrieved("one\ntwo", 0.7)]
    assert without_repetitions(chunks) == chunks[:2]
