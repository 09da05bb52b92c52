"""What the chunks are like is counted right, and shown with every text escaped."""

import io
import statistics
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llm_engineering.application.preprocessing.inspection import inspect_chunks, unusual_characters
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from llm_engineering.domain.inspection import ChunkInspection, Spread, histogram
from llm_engineering.infrastructure.charts.chunks import chunk_chart_png, chunk_report_html
from tests.fakes import ADA, MemoryDocumentStore, SilentProgress, WordEmbedder, WordEncoder, article
from tools._inspection import inspect_features, print_inspection

_PNG = b"\x89PNG\r\n\x1a\n"


def store(*texts: str, title: str = "") -> MemoryDocumentStore:
    documents = MemoryDocumentStore()
    documents.get_or_create_author(ADA.full_name)
    documents.upsert([article(text, link=f"https://example.com/{i}", title=title) for i, text in enumerate(texts)])
    return documents


def makers(**sizes: ChunkSize) -> FeatureMakers:
    return FeatureMakers(WordEmbedder(max_tokens=16), WordEncoder(), ChunkSizes(**sizes), lambda text: "en")


def inspected(*texts: str, title: str = "", samples: int = 5, **sizes: ChunkSize) -> ChunkInspection:
    documents = store(*texts, title=title)
    return inspect_chunks(documents, makers(**sizes), SilentProgress(), [DataCategory.ARTICLES], samples)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60))
def test_a_spread_is_that_of_the_numbers(numbers: list[int]) -> None:
    spread = Spread.of(Counter(numbers))
    ordered = sorted(numbers)
    assert (spread.count, spread.minimum, spread.maximum) == (len(numbers), ordered[0], ordered[-1])
    assert spread.median == statistics.median_low(numbers)
    assert spread.p95 == ordered[-(-len(ordered) * 95 // 100) - 1]
    assert spread.mean == pytest.approx(statistics.fmean(numbers))


def test_nothing_has_a_spread_of_zeros() -> None:
    assert Spread.of({}) == Spread()


@given(st.lists(st.integers(0, 254), max_size=60), st.integers(16, 254))
def test_every_chunk_is_in_one_bin(numbers: list[int], window: int) -> None:
    bins = histogram(Counter(min(number, window) for number in numbers), window)
    assert sum(found.count for found in bins) == len(numbers)
    assert [found.start for found in bins[1:]] == [found.end + 1 for found in bins[:-1]]
    assert (bins[0].start, bins[-1].end) == (1, window)


def test_chunks_are_counted_by_length_and_document() -> None:
    # 3 and 16 words are a chunk each; 40 words that nothing divides are 14 + 13 + 13.
    [found] = inspected("a b c", " ".join("x" * 16), " ".join("y" * 40)).categories
    assert (found.documents, found.empty, found.tokens.count) == (3, 0, 5)
    assert (found.tokens.minimum, found.tokens.median, found.tokens.maximum) == (3, 13, 16)
    assert (found.chunks_of_document.minimum, found.chunks_of_document.maximum) == (1, 3)
    assert found.full_share == 1 / 5
    assert [chunk.token_count for chunk in found.shortest] == [3, 13, 13, 14, 16]
    assert [chunk.token_count for chunk in found.longest] == [16, 14, 13, 13, 3]
    assert found.largest_documents[0].chunks == 3
    assert found.languages == {"en": 3}


def test_the_limit_is_the_size_of_the_category_where_that_is_less_than_the_window() -> None:
    [found] = inspected("word", articles=ChunkSize(max_tokens=16)).categories
    [wide] = inspected("word", articles=ChunkSize(max_tokens=500)).categories
    assert (found.window, wide.window) == (16, 16)


def test_samples_do_not_depend_on_the_order_of_the_documents() -> None:
    texts = [f"text number {i}" for i in range(20)]
    [one], [other] = inspected(*texts, samples=3).categories, inspected(*texts, samples=3).categories
    assert one.samples == other.samples
    assert len({sample.link for sample in one.samples}) == 3


def test_learned_lines_are_left_out_as_a_run_would() -> None:
    pages = [f"Page {i} is about something.\n\nMade with care" for i in range(5)]
    [found] = inspected(*pages, samples=5).categories
    assert {sample.text for sample in found.samples} == {f"Page {i} is about something." for i in range(5)}


def test_characters_of_no_alphabet_are_unusual_and_emojis_and_line_ends_are_not() -> None:
    assert unusual_characters("Zoë 🙂\n\tx²") == 0
    assert unusual_characters("caf\ufffd \ue000\x07") == 3


def test_a_chunk_with_unusual_characters_is_named() -> None:
    [found] = inspected("Fine.", "Broken \ufffd\ufffd here.").categories
    assert [(chunk.link, chunk.note) for chunk in found.unusual] == [("https://example.com/1", "2 unusual characters")]


def test_the_picture_is_a_png_also_of_nothing() -> None:
    assert chunk_chart_png(inspected("Some words.")).startswith(_PNG)
    assert chunk_chart_png(ChunkInspection(model_id="words", categories=[])).startswith(_PNG)


def test_the_page_is_self_contained_and_escapes_every_text() -> None:
    page = chunk_report_html(inspected("<script>alert(1)</script> & more", title="<b>Title</b>"))
    assert "<script" not in page
    assert "<b>Title" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert 'src="data:image/png;base64,' in page
    assert 'src="http' not in page


def test_the_table_has_a_row_a_category_and_the_text_is_no_markup() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_inspection(inspected("Some [bold]words[/nothing]."), console)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "articles" in printed
    assert "Some [bold]words[/nothing]." in printed


class _Services:
    """As much of the services as the command uses."""

    def __init__(self) -> None:
        self.documents = store("Some words.")
        self.feature_makers = makers()
        self.progress = SilentProgress()


def test_the_command_writes_a_picture_and_a_page(tmp_path: Path) -> None:
    inspect_features(_Services(), tmp_path / "new", DataCategory.ARTICLES, samples=1)  # type: ignore[arg-type]
    assert (tmp_path / "new" / "chunks.png").read_bytes().startswith(_PNG)
    assert "Some words." in (tmp_path / "new" / "chunks.html").read_text(encoding="utf-8")
