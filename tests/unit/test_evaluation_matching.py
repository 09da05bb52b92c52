"""Which expected passages the chunks have, however they were cut."""

import pytest

from llm_engineering.application.evaluation.baselines import strip_everything, window_chunks, window_document
from llm_engineering.application.evaluation.matching import document_ranks, has_passage, passage_ranks
from llm_engineering.application.words import words
from llm_engineering.domain.evaluation import Expected
from llm_engineering.domain.queries import RetrievedChunk
from tests.fakes import article, retrieved

LINK = "https://example.com/a"
PASSAGE = "The *model* reads at most 256 word-pieces; what is longer is cut silently, and can't be found."


def chunk(text: str, link: str = LINK, lead: str = "") -> RetrievedChunk:
    return retrieved(text, link=link, lead=lead)


def ranks(*chunks: RetrievedChunk, passage: str | None = PASSAGE) -> list[int | None]:
    return passage_ranks([Expected(link=LINK, passage=passage)], chunks)


def test_words_are_compared_without_markup_punctuation_and_case() -> None:
    assert words("Don't use `C++`, ＡＩ_model!") == ["don", "t", "use", "c", "ai", "model"]


def test_a_chunk_with_the_passage_is_found_where_it_stands_first() -> None:
    whole = f"Before. {PASSAGE} After."
    assert ranks(chunk("Something else."), chunk(whole), chunk(whole)) == [2]


def test_the_same_words_in_another_document_are_not_the_passage() -> None:
    assert ranks(chunk(PASSAGE, link="https://example.com/b")) == [None]


def test_the_same_words_in_another_order_are_not_the_passage() -> None:
    assert ranks(chunk(" ".join(reversed(words(PASSAGE))))) == [None]


def test_http_and_https_lead_to_the_same_document() -> None:
    assert ranks(chunk(PASSAGE, link="http://www.example.com/a/")) == [1]


@pytest.mark.parametrize("cut", range(3, 17))
def test_of_a_passage_that_is_cut_in_two_the_larger_part_is_found(cut: int) -> None:
    parts = PASSAGE.split()
    first, second = " ".join(parts[:cut]), " ".join(parts[cut:])
    larger_is_first = len(words(first)) >= len(words(second))
    larger, smaller = (first, second) if larger_is_first else (second, first)
    assert ranks(chunk(larger)) == [1]
    assert ranks(chunk(smaller), chunk(larger)) == [1 if len(words(smaller)) == len(words(larger)) else 2]


def test_of_a_passage_in_small_pieces_as_many_are_needed_as_make_up_half() -> None:
    parts = words(PASSAGE)
    pieces = [chunk(" ".join(parts[i : i + 4])) for i in range(0, 16, 4)]
    assert len(parts) == 19
    assert ranks(*pieces) == [3]  # 4 and 8 of 19 words are less than half, 12 are more


def test_the_lead_is_part_of_what_is_read() -> None:
    parts = PASSAGE.split()
    assert ranks(chunk(" ".join(parts[12:]), lead=" ".join(parts[:12]) + " ")) == [1]
    assert ranks(chunk(" ".join(parts[12:]))) == [None]


def test_the_plain_cut_is_measured_by_the_same_words() -> None:
    raw = article(f"# Title\n\n{'Filler text. ' * 100}\n\n{PASSAGE}\n\n{'More of it. ' * 100}", link=LINK)
    document = window_document(raw)
    windows = window_chunks(document, len)
    assert strip_everything("a *b* (c), d!") == "a b c , d!"
    assert "".join(window.text for window in windows) == document.text
    assert [len(window.text) for window in windows[:-1]] == [1500] * (len(windows) - 1)
    found = [number for number, window in enumerate(windows) if has_passage(window.text, PASSAGE, 0.5)]
    assert len(found) == 1
    assert ranks(*(chunk(window.text) for window in windows)) == [found[0] + 1]


def test_without_a_passage_any_chunk_of_the_document_counts() -> None:
    assert ranks(chunk("Anything.", link="https://example.com/b"), chunk("Anything else."), passage=None) == [2]


def test_a_passage_of_two_words_is_looked_for_as_they_are() -> None:
    assert ranks(chunk("By reciprocal rank fusion."), passage="Reciprocal rank") == [1]
    assert ranks(chunk("Rank reciprocal."), passage="Reciprocal rank") == [None]


def test_of_documents_each_counts_once_at_its_first_chunk() -> None:
    chunks = [chunk("1", link="https://e.com/b"), chunk("2", link="https://e.com/b"), chunk("3")]
    expected = [Expected(link=LINK), Expected(link="https://e.com/b", grade=2), Expected(link="https://e.com/c")]
    assert document_ranks(expected, chunks) == [2, 1, None]
    assert document_ranks(expected, chunks, skip="https://e.com/b") == [1, None, None]
