"""What `tools.features --inspect` shows: a table on the terminal, and a picture and a page in a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.inspection import CategoryInspection, ChunkInspection, ChunkView

if TYPE_CHECKING:
    from llm_engineering.bootstrap import Services

PICTURE, PAGE = "chunks.png", "chunks.html"
_PREVIEW_CHARACTERS = 110


def inspect_features(services: "Services", folder: Path, category: DataCategory | None, samples: int) -> None:
    """Cut all documents, or those of a category, as the feature pipeline would now; show and write what comes of it."""
    from llm_engineering.application.preprocessing.inspection import inspect_chunks
    from llm_engineering.infrastructure.charts.chunks import chunk_chart_png, chunk_report_html
    from tools._report import console_for_tables

    categories = [category] if category else list(DataCategory)
    inspection = inspect_chunks(services.documents, services.feature_makers, services.progress, categories, samples)
    print_inspection(inspection, console_for_tables())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURE).write_bytes(chunk_chart_png(inspection))
    (folder / PAGE).write_text(chunk_report_html(inspection), encoding="utf-8")
    print(f"Written: {folder / PICTURE} and {folder / PAGE}")


def print_inspection(inspection: ChunkInspection, console: Console) -> None:
    """Print the table of lengths, and a line a sample and an outlier."""
    console.print(length_table(inspection))
    for category in inspection.categories:
        _print_chunks(console, f"Samples of {category.category}", category.samples)
        _print_chunks(console, f"Shortest of {category.category}", category.shortest)
        _print_chunks(console, f"Unusual characters in {category.category}", category.unusual)


def length_table(inspection: ChunkInspection) -> Table:
    """A row a category: how many chunks, and how long they are in tokens."""
    table = Table(title=f"Chunks, in tokens of {escape(inspection.model_id)}", title_justify="left")
    table.add_column("Category", overflow="fold")
    for name in ("Documents", "Chunks", "A document", "Min", "P5", "Median", "P95", "Max", "Limit", "Nearly full"):
        table.add_column(name, justify="right", overflow="fold")
    for category in inspection.categories:
        table.add_row(*_row(category))
    return table


def _row(category: CategoryInspection) -> Sequence[str]:
    tokens = category.tokens
    lengths = (tokens.minimum, tokens.p5, tokens.median, tokens.p95, tokens.maximum, category.window)
    counts = (f"{category.documents:,}", f"{tokens.count:,}", f"{category.chunks_of_document.mean:.1f}")
    return category.category.value, *counts, *map(str, lengths), f"{category.full_share:.0%}"


def _print_chunks(console: Console, heading: str, chunks: Sequence[ChunkView]) -> None:
    if not chunks:
        return
    console.print(f"\n[bold]{escape(heading)}[/bold]")
    for chunk in chunks:
        words = " ".join(chunk.text.split())
        text = words if len(words) <= _PREVIEW_CHARACTERS else f"{words[:_PREVIEW_CHARACTERS]}…"
        console.print(f"  {chunk.token_count:>4}  {chunk.context}", style="cyan", markup=False, highlight=False)
        console.print(f"        {text}", markup=False, highlight=False)
