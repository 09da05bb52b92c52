"""Chunks fit the window, lose nothing, and are cut where a reader would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from llm_engineering.domain.features import ChunkSize
from tests.fakes import ADA, article, word_starts

WINDOW = 16
ARTICLES = DataCategory.ARTICLES


def document(text: str, category: DataCategory = ARTICLES, title: str = "") -> CleanedDocument:
    return clean(article("x", title=title)).model_copy(update={"text": text, "category": category})


def chunks_of(
    text: str, category: DataCategory = ARTICLES, title: str = "", window: int = WINDOW, size: ChunkSize | None = None
) -> list[Chunk]:
    return chunk(document(text, category, title), word_starts, window, size)


def words(name: str, count: int) -> str:
    return " ".join(f"{name}{i}" for i in range(count))


# Texts in which structure is likely: headings, fences, tables, lists, paragraphs, long words, blank lines.
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
        "1. one\n",
        "| a | b |\n",
        "|---|---|\n",
        "x" * 40,
        "é𝗕",
        "\t",
        "def f():\n",
        "class A:\n",
        "    x = 1\n",
        "key: value\n",
        "\r",
        "\x0c",
    ]
)
_TEXTS = st.one_of(st.lists(_PIECES, max_size=80).map("".join), st.text(max_size=300))
_SIZES = st.builds(
    ChunkSize,
    max_tokens=st.sampled_from([None, 16, 24, 500]),
    min_tokens=st.sampled_from([0, 8, 48]),
    overlap_tokens=st.sampled_from([0, 4, 12, 100]),
)


@given(
    text=_TEXTS,
    category=st.sampled_from(list(DataCategory)),
    title=st.sampled_from(
        ["", "A title", "w " * 30, "repo/a.py", "repo/a.md", "repo/a.yaml", "repo/a.json", "repo/a.go"]
    ),
    window=st.sampled_from([16, 24, 60]),
    size=_SIZES,
)
def test_joined_chunks_give_the_text_back_and_each_fits_the_window(
    text: str, category: DataCategory, title: str, window: int, size: ChunkSize
) -> None:
    chunks = chunks_of(text, category, title, window, size)
    if text.strip():
        assert "".join(chunk.text for chunk in chunks) == text
    limit = min(size.max_tokens or window, window)
    assert [chunk.token_count for chunk in chunks] == [len(chunk.embedding_text.split()) for chunk in chunks]
    assert all(chunk.token_count <= limit for chunk in chunks)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    for before, after in zip(["", *(part.text for part in chunks)], chunks, strict=False):
        assert before.endswith(after.lead)
        assert len(after.lead.split()) <= size.overlap_tokens


def test_a_text_without_a_word_gives_no_chunk() -> None:
    assert chunks_of(" \n ") == []


def test_an_article_of_900_characters_is_one_chunk() -> None:
    text = "Nine hundred characters are few. " * 27
    assert [chunk.text for chunk in chunks_of(text, window=254)] == [text]


def test_a_section_with_enough_words_stands_alone_under_its_heading_path() -> None:
    text = f"# One\n\n{words('a', 60)}\n\n## Deep\n\n{words('b', 60)}\n\n# Two\n\n{words('c', 60)}"
    chunks = chunks_of(text, title="T", window=100, size=ChunkSize(min_tokens=48))
    assert [chunk.context for chunk in chunks] == ["T > One", "T > One > Deep", "T > Two"]
    assert [chunk.text.split("\n")[0] for chunk in chunks] == ["# One", "## Deep", "# Two"]


def test_small_sections_share_a_chunk_under_the_heading_that_they_share() -> None:
    text = f"# One\n\n{words('a', 60)}\n\n# Two\n\n## Left\n\n{words('b', 12)}\n\n## Right\n\n{words('c', 12)}"
    chunks = chunks_of(text, title="T", window=80, size=ChunkSize(min_tokens=48))
    assert [chunk.context for chunk in chunks] == ["T > One", "T > Two"]


def test_a_trailing_bit_is_joined_to_what_stands_before_it() -> None:
    text = f"# One\n\n{words('a', 50)}\n\n# Two\n\nb1 b2 b3"
    assert len(chunks_of(text, title="T", window=80, size=ChunkSize(min_tokens=48))) == 1


@pytest.mark.parametrize("length", [10, 60, 200, 400])
def test_a_heading_is_never_a_chunk_of_its_own(length: int) -> None:
    text = f"# One\n\n## Two\n\n{words('a', length)}\n\n### Three"
    for part in chunks_of(text, title="T", window=60, size=ChunkSize(min_tokens=48)):
        assert any(line.strip() and not line.startswith("#") for line in part.text.split("\n"))


def test_a_heading_with_nothing_below_it_names_what_follows() -> None:
    [only] = chunks_of("# One\n\n## Deep\n\nText of it.", title="T", window=60)
    assert only.context == "T > One > Deep"


def test_a_heading_is_named_without_its_markup() -> None:
    [only] = chunks_of("## **2\\. The [plan](https://x.org)** for `run`\n\nText.", title="T", window=60)
    assert only.context == "T > 2. The plan for run"


def test_a_hash_inside_a_code_fence_is_no_heading() -> None:
    text = "Intro.\n\n```python\n# a comment\nx = 1\n```\n\nEnd."
    assert [chunk.context for chunk in chunks_of(text, title="T")] == ["T"]


def test_a_section_that_must_be_cut_is_cut_evenly() -> None:
    text = "\n\n".join(words(f"p{i}_", 10) for i in range(12))
    # 120 words do not fit twice into 100, and 12 paragraphs of 10 words go evenly into two chunks.
    assert [chunk.token_count for chunk in chunks_of(text, window=100)] == [60, 60]


def test_no_small_rest_is_left_behind_a_full_chunk() -> None:
    sentences = [f"{words(f's{i}_', 9).capitalize()} end." for i in range(10)]
    text = f"{' '.join(sentences)}\n\n{words('tail', 12)}"
    counts = [chunk.token_count for chunk in chunks_of(text, window=105)]
    assert len(counts) == 2
    assert min(counts) >= 40


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    text = "One two three four five six. Seven eight nine ten eleven twelve. A b c d e f."
    assert [chunk.text[:5] for chunk in chunks_of(text)] in (["One t", "A b c"], ["One t", "Seven"])


def test_no_cut_is_made_after_an_abbreviation() -> None:
    text = f"{words('A', 10)} as Dr. Who said e.g. Here it goes on. {words('B', 8)}."
    chunks = chunks_of(text, window=20)
    assert [chunk.text.split()[-1] for chunk in chunks][:1] == ["on."]


def test_a_sentence_of_6000_characters_is_cut_between_words_into_even_parts() -> None:
    text = " ".join(f"word{i:04}" for i in range(660))  # 660 words of 8 letters and the spaces between them
    chunks = chunks_of(text, window=254)
    assert [chunk.token_count for chunk in chunks] == [220, 220, 220]
    assert [chunk.text.split()[0] for chunk in chunks] == ["word0000", "word0220", "word0440"]


def test_a_code_fence_that_fits_is_not_cut() -> None:
    fence = "```python\n" + "x = 1\n\n" * 8 + "```"  # 26 words
    text = f"{words('a', 20)}\n\n{fence}\n\n{words('b', 20)}"
    assert any(fence in chunk.text for chunk in chunks_of(text, window=40))


def test_a_table_that_fits_is_not_cut() -> None:
    table = "| a | b |\n|---|---|\n" + "| 1 | Two. Three. |\n" * 4  # 5 + 1 + 4 * 6 words
    text = f"{words('a', 20)}\n\n{table}\n{words('b', 20)}"
    assert any(table in chunk.text for chunk in chunks_of(text, window=40))


def test_a_list_is_cut_between_its_items() -> None:
    items = [f"- {words(f'i{n}_', 6)}. Then {words(f'j{n}_', 6)}." for n in range(6)]  # 14 words each
    chunks = chunks_of("\n".join(items), window=50)
    assert all(chunk.text.startswith("- ") for chunk in chunks)
    assert len(chunks) == 2


def test_a_cut_through_a_paragraph_repeats_whole_sentences_before_it() -> None:
    sentences = [f"S{i} b c d e." for i in range(12)]  # 5 words each
    chunks = chunks_of(" ".join(sentences), window=40, size=ChunkSize(overlap_tokens=12))
    assert len(chunks) == 2
    assert [chunk.lead for chunk in chunks] == ["", " ".join(sentences[4:6]) + " "]
    assert chunks[1].text == " ".join(sentences[6:])


def test_a_cut_between_paragraphs_or_items_repeats_nothing() -> None:
    paragraphs = "\n\n".join(f"{words(f'p{i}_', 12)}." for i in range(4))
    items = "\n".join(f"- {words(f'i{n}_', 11)}." for n in range(4))
    size = ChunkSize(overlap_tokens=12)
    assert {chunk.lead for chunk in chunks_of(paragraphs, window=30, size=size)} == {""}
    assert {chunk.lead for chunk in chunks_of(items, window=30, size=size)} == {""}


def test_a_post_that_fits_is_whole() -> None:
    text = "# one\n\nTwo three. Four five.\n\n#hashtag @ada"
    assert [chunk.text for chunk in chunks_of(text, DataCategory.POSTS)] == [text]


def test_a_size_above_the_window_is_the_window() -> None:
    text = words("a", 100)
    assert [len(chunks_of(text, window=50, size=ChunkSize(max_tokens=most))) for most in (None, 500, 25)] == [2, 2, 4]


def test_a_wrapped_sentence_is_not_cut_at_its_line_end() -> None:
    text = "One two three four\nfive six seven. Eight nine ten\neleven twelve thirteen fourteen.\nA b c."
    assert {chunk.text.rstrip()[-1] for chunk in chunks_of(text)} == {"."}


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
