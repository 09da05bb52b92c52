"""What counts as a question."""

import pytest

from llm_engineering.domain.answers import EXCERPT_CHARACTERS, Source
from llm_engineering.domain.errors import InvalidQueryError
from llm_engineering.domain.queries import MAX_QUERY_CHARACTERS, Query
from tests.fakes import retrieved


def test_a_question_is_trimmed_and_kept() -> None:
    assert Query.create("  Was ist RAG?\n").text == "Was ist RAG?"
    assert Query.create("什么是RAG").text == "什么是RAG"
    assert Query.create("a" * MAX_QUERY_CHARACTERS).text == "a" * MAX_QUERY_CHARACTERS


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("?!...", "not text"),
        ("a\x00b", "not text"),
        ("caf\ufffd", "not text"),
        ("a\ud800", "not text"),
        ("a" * (MAX_QUERY_CHARACTERS + 1), "2,001 characters"),
    ],
)
def test_what_is_no_question_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(InvalidQueryError, match=complaint):
        Query.create(text)


@pytest.mark.parametrize("limit", [0, -1, 21])
def test_a_number_of_results_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(InvalidQueryError, match="between 1 and 20"):
        Query.create("why", limit=limit)


def test_a_source_shows_the_beginning_of_a_long_chunk_on_one_line() -> None:
    long = Source.of(retrieved("one\n  two " + "x" * 400))
    assert long.excerpt.startswith("one two xxx")
    assert long.excerpt.endswith("…")
    assert len(long.excerpt) == EXCERPT_CHARACTERS
    assert Source.of(retrieved("one\n two")).excerpt == "one two"
