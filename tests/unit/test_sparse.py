"""Sparse vectors: what counts as a word, and how much it weighs."""

import string
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.chunks import SparseVector
from llm_engineering.domain.errors import SettingsError
from llm_engineering.infrastructure.models.sparse import LANGUAGES, Bm25Encoder, words

ENGLISH = Bm25Encoder("english")


def weights(vector: SparseVector) -> dict[int, float]:
    return dict(zip(vector.indices, vector.values, strict=True))


def terms(text: str, encoder: Bm25Encoder = ENGLISH) -> set[int]:
    return set(encoder.encode_query(text).indices)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C, C++ or C#?", ["C", "C++", "or", "C#"]),
        ("F#, g++; C++17", ["F#", "g++", "C++", "17"]),
        ("on .NET 3.11 (.env)", ["on", ".NET", "NET", "3.11", ".env", "env"]),
        ("node.js v2.0.", ["node", "js", "v2", "0"]),
        ("my_file.py", ["my_file", "my", "file", "py"]),
        ("__init__ _x", ["__init__", "init", "_x", "x"]),
        ("parseHTTPResponse", ["parseHTTPResponse", "parse", "HTTP", "Response"]),
        ("OpenAI's PDFs", ["OpenAI", "Open", "AI", "s", "PDFs"]),
        ("gpt4o GPT-4o", ["gpt4o", "GPT", "4o"]),
        ("don't, doesn’t", ["dont", "doesnt"]),
        ("#MachineLearning @ada", ["MachineLearning", "Machine", "Learning", "ada"]),
        ("## Title\n# C", ["Title", "C"]),
        ("naïve café_olé", ["naïve", "café_olé", "café", "olé"]),
        ("𝗕𝗼𝗹𝗱 ﬁne", ["Bold", "fine"]),
        ("日本語 text", ["日", "本", "語", "text"]),
        ("한국어 привет", ["한국어", "привет"]),
        ("-- ++ # ... '' _ 🙂", []),
        ("", []),
    ],
)
def test_words_keep_what_tells_technical_terms_apart(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_any_text_can_be_encoded_and_no_word_has_a_blank(text: str) -> None:
    assert not any(character.isspace() for word in words(text) for character in word)
    query, passage = ENGLISH.encode_query(text), ENGLISH.encode_passage(text)
    assert set(query.indices) == set(passage.indices)
    assert len(set(query.indices)) == len(query.indices)
    assert set(query.values) <= {1.0}


@given(st.lists(st.text(string.ascii_lowercase, min_size=1), max_size=8))
def test_words_of_small_letters_stay_as_they_are(plain: list[str]) -> None:
    assert words(" ".join(plain)) == plain


def test_a_query_meets_a_passage_by_stem_by_whole_identifier_and_by_its_parts() -> None:
    assert terms("running cats") == terms("The cat runs")
    assert terms("parse_header") >= terms("header") | terms("parse")
    assert terms("parseHeader") & terms("parse_header") == terms("parse header")
    assert terms("C++").isdisjoint(terms("C C# cplusplus"))
    assert terms("don't use it") >= terms("don't") != set()


def test_a_term_weighs_more_where_it_is_more_frequent_and_the_passage_is_shorter() -> None:
    [cat] = terms("cat")
    by_count = [weights(ENGLISH.encode_passage("cat " * n + "dog " * (20 - n)))[cat] for n in range(1, 9)]
    by_length = [weights(ENGLISH.encode_passage("cat " + "dog " * n))[cat] for n in (0, 10, 100, 400)]
    assert all(low < high for low, high in pairwise(by_count))
    assert all(short > long for short, long in pairwise(by_length))
    # tf * (k + 1) / (tf + k * (1 - b + b * length / average)), with k = 1.2, b = 0.75 and an average of 100 words
    assert weights(ENGLISH.encode_passage("cat cat dog"))[cat] == pytest.approx(4.4 / (2 + 1.2 * (0.25 + 0.75 * 0.03)))


def test_without_a_language_nothing_is_dropped_or_stemmed() -> None:
    plain = Bm25Encoder("none")
    assert len(terms("the running of cats", plain)) == 4
    assert terms("runs", plain) != terms("run", plain)
    assert terms("The", plain) == terms("the", plain)
    assert terms("the of") == set()


def test_a_language_brings_its_own_stop_words_and_stems() -> None:
    german = Bm25Encoder("german")
    assert terms("der und die", german) == set()
    assert terms("Katzen", german) == terms("Katze", german) != terms("Katzen")


@pytest.mark.parametrize("language", ["klingon", "", "English"])
def test_a_language_that_is_not_known_is_an_error_that_lists_those_that_are(language: str) -> None:
    with pytest.raises(SettingsError, match=r"SPARSE_LANGUAGE=.*expected none or one of arabic, .*turkish"):
        Bm25Encoder(language)


def test_the_engine_knows_every_language_on_the_list() -> None:
    assert all(Bm25Encoder(language).encode_query("x").indices for language in LANGUAGES)


def test_the_name_tells_encoders_apart_whose_vectors_cannot_be_compared() -> None:
    assert Bm25Encoder("english").name == ENGLISH.name
    assert len({Bm25Encoder(language).name for language in ("none", "english", "german")}) == 3
    for part in ("english", "k=1.2", "b=0.75", "length=100", "words=1"):
        assert part in ENGLISH.name


def test_different_words_hardly_ever_share_a_number() -> None:
    """40,000 words in 2^31 numbers: 0.4 collisions are expected."""
    vocabulary = [f"{a}{b}{c}{n}" for a in "bcdfg" for b in "aeiou" for c in "klmnprst" for n in range(200)]
    assert len(vocabulary) == 40_000
    assert len(terms(" ".join(vocabulary))) >= 39_995


def test_several_threads_may_use_a_new_encoder_at_once() -> None:
    encoder, found = Bm25Encoder("english"), []
    threads = [threading.Thread(target=lambda: found.append(encoder.encode_query("cat dog"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [ENGLISH.encode_query("cat dog")] * 8
