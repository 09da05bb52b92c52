"""Chunks fit the window, lose nothing, and are cut where a reader would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from tests.fakes import ADA, article, word_starts

WINDOW = 16


def document(text: str, category: DataCategory = DataCategory.ARTICLES, title: str = "") -> CleanedDocument:
    return clean(article("x", title=title)).model_copy(update={"text": text, "category": category})


def chunks_of(text: str, category: DataCategory = DataCategory.ARTICLES, title: str = "") -> list[Chunk]:
    return chunk(document(text, category, title), word_starts, WINDOW)


# Texts in which structure is likely: headings, fences, paragraphs, long words, blank lines.
_PIECES = st.sampled_from(
    [
        "# Head\n",
        "## Sub head\n",
        "```\n",
        "# in code\n",
        "word ",
        "Sentence ends. ",
        "\n",
        "\n\n",
        "- item\n",
        "x" * 40,
        "é𝗕",
        "\t",
    ]
)
_TEXTS = st.one_of(st.lists(_PIECES, max_size=80).map("".join), st.text(max_size=300))


@given(text=_TEXTS, category=st.sampled_from(list(DataCategory)), title=st.sampled_from(["", "A title", "w " * 30]))
def test_joined_chunks_give_the_text_back_and_each_fits_the_window(
    text: str, category: DataCategory, title: str
) -> None:
    chunks = chunks_of(text, category, title)
    if text.strip():
        assert "".join(chunk.text for chunk in chunks) == text
    assert all(len(chunk.embedding_text.split()) <= WINDOW for chunk in chunks)
    assert [chunk.token_count for chunk in chunks] == [len(chunk.embedding_text.split()) for chunk in chunks]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_a_text_without_a_word_gives_no_chunk() -> None:
    assert chunks_of(" \n ") == []


def test_a_short_article_is_one_chunk() -> None:
    assert [chunk.text for chunk in chunks_of("Just a few words.")] == ["Just a few words."]


def test_an_article_is_cut_before_its_headings_and_each_chunk_knows_those_above_it() -> None:
    text = "# One\n" + "a " * 12 + "\n## Deep\n" + "b " * 12 + "\n# Two\n" + "c " * 12
    chunks = chunk(document(text, title="T"), word_starts, 50)
    # Each section has 14 tokens, too few to stand alone; two fit into three quarters of 50, three do not.
    assert [chunk.text.split()[1] for chunk in chunks] == ["One", "Two"]
    assert [chunk.context for chunk in chunks] == ["T > One", "T > Two"]


def test_a_large_section_stands_alone_under_its_whole_heading_path() -> None:
    text = "# One\n\n" + "a " * 50 + "\n\n## Deep\n\n" + "b " * 50
    chunks = chunk(document(text, title="T"), word_starts, 100)
    assert [chunk.context for chunk in chunks] == ["T > One", "T > One > Deep"]
    assert chunks[1].text.startswith("## Deep")


def test_a_hash_inside_a_code_fence_is_no_heading() -> None:
    text = "Intro.\n\n```python\n# a comment\nx = 1\n```\n\nEnd."
    assert [chunk.context for chunk in chunks_of(text, title="T")] == ["T"]


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    text = "One two three four five six. Seven eight nine ten eleven twelve. A b c d e f."
    assert [chunk.text for chunk in chunks_of(text)] == [
        "One two three four five six. Seven eight nine ten eleven twelve. ",
        "A b c d e f.",
    ]


def test_a_sentence_longer_than_the_window_is_cut_between_words() -> None:
    chunks = chunks_of(" ".join(f"w{i}" for i in range(40)))
    assert [chunk.token_count for chunk in chunks] == [16, 16, 8]
    assert chunks[1].text.split()[0] == "w16"


def test_code_is_cut_before_a_definition() -> None:
    body = "    x = 1\n" * 3
    text = f"import os\n\ndef first():\n{body}\nclass Second:\n{body}"
    assert [chunk.text.split()[0] for chunk in chunks_of(text, DataCategory.REPOSITORIES)] == ["import", "class"]


def test_a_decorator_and_a_comment_stay_with_what_they_stand_above() -> None:
    body = "    x = 1\n" * 3
    text = f"import os\n\n# why\n@cached\ndef first():\n{body}\n# how\n@cached\ndef second():\n{body}"
    assert [chunk.text.split("\n")[0] for chunk in chunks_of(text, DataCategory.REPOSITORIES)] == ["import os", "# how"]


def test_a_wrapped_sentence_is_not_cut_at_its_line_end() -> None:
    text = "One two three four\nfive six seven. Eight nine ten\neleven twelve thirteen fourteen.\nA b c."
    assert [chunk.text for chunk in chunks_of(text)] == [
        "One two three four\nfive six seven. Eight nine ten\neleven twelve thirteen fourteen.\n",
        "A b c.",
    ]


def test_a_line_of_code_that_begins_like_a_fence_does_not_end_the_code() -> None:
    text = "```\n```python\n# still code\n```\n"
    assert [chunk.context for chunk in chunks_of(text, title="T")] == ["T"]


def test_a_title_that_fills_the_window_leaves_three_quarters_for_the_text() -> None:
    chunks = chunks_of("a " * 12, title="very long title " * 20)
    assert [len(chunk.context.split()) for chunk in chunks] == [4]


def test_a_heading_that_repeats_the_title_stands_once_in_the_context() -> None:
    assert chunks_of("# Same\n\nText.", title="Same")[0].context == "Same"


@pytest.mark.parametrize("category", list(DataCategory))
def test_the_same_document_gives_the_same_chunk_ids(category: DataCategory) -> None:
    first, again = chunks_of("Some text.", category), chunks_of("Some text.", category)
    assert [chunk.id for chunk in first] == [chunk.id for chunk in again]


def test_a_word_that_splits_into_many_tokens_when_cut_is_halved_until_it_fits() -> None:
    """WordPiece reads a word of over 100 characters as one token, and a part of it as many."""

    def starts(text: str) -> list[int]:
        return [0] if len(text) > 100 else list(range(0, len(text), 2))

    chunks = chunk(document("y" * 99), starts, 10)
    assert "".join(piece.text for piece in chunks) == "y" * 99
    assert all(len(starts(piece.embedding_text)) <= 10 for piece in chunks)


def test_the_author_and_the_link_travel_with_each_chunk() -> None:
    [only] = chunks_of("Text.")
    assert (only.document.author_full_name, only.document.link) == (ADA.full_name, "https://example.com/a")
