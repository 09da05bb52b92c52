"""What `tools.dataset_inspect` shows."""

from collections.abc import Sequence
from itertools import chain

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.dataset_inspection import DatasetDifference, DatasetFigures, DatasetQuality
from llm_engineering.domain.datasets import Sample, Split
from tools._dataset_report import gate_table, table_of

_SHOWN = 5
_CHARACTERS = 100


def print_figures(figures: DatasetFigures, console: Console) -> None:
    """Counts, lengths and strata of a dataset."""
    console.print(f"{figures.kind.value} dataset, version {figures.version}", markup=False, highlight=False)
    console.print(_lengths_table(figures))
    console.print(_strata_table(figures))
    for name, counts in (
        ("Methods", figures.methods),
        ("Models", figures.models),
        ("Languages", {code or "unknown": count for code, count in figures.languages.items()}),
        ("Dropped", figures.dropped),
    ):
        told = ", ".join(f"{key} {count:,}" for key, count in counts.items())
        console.print(f"{name}: {told or 'none'}", markup=False, highlight=False, soft_wrap=True)
    if bias := figures.length_bias:
        console.print(
            f"Chosen answers: {bias.mean_ratio:.2f} times as long as the rejected ones (geometric mean); the longer "
            f"ones in {bias.chosen_longer:.0%} of {bias.pairs:,} pairs",
            highlight=False,
            soft_wrap=True,
        )
    if figures.gate:
        console.print(gate_table(figures.gate))


def print_samples(samples: Sequence[tuple[Split, Sample]], console: Console) -> None:
    """Whole samples, with where they come from."""
    for split, sample in samples:
        source = sample.source
        about = (split.value, source.category.value, source.author_full_name, source.title, source.link)
        console.rule(escape(" · ".join(filter(None, about))), align="left")
        answer = "Answer" if sample.rejected is None else "Chosen"
        parts = (("Instruction", sample.instruction), (answer, sample.answer), ("Rejected", sample.rejected))
        for name, text in parts:
            if text is not None:
                console.print(f"[bold cyan]{name}[/bold cyan]")
                console.print(text, markup=False, highlight=False, soft_wrap=True)
    if not samples:
        console.print("There are no such samples.")


def print_quality(quality: DatasetQuality, console: Console) -> None:
    """A row a check, and examples of what it found."""
    table = table_of(f"Version {quality.version[:12]}: {quality.found:,} doubts", ("Check", "Looked at", "Found"))
    for doubt in quality.doubts:
        table.add_row(
            escape(doubt.check), f"{doubt.looked_at:,}", f"{doubt.found:,}", style="bold red" if doubt.found else ""
        )
    console.print(table)
    for doubt in quality.doubts:
        for example in doubt.examples:
            console.print(f"{doubt.check}: {example}", markup=False, highlight=False, soft_wrap=True)
    for note in quality.notes:
        console.print(f"Note: {note}", style="yellow", markup=False, soft_wrap=True)


def print_difference(difference: DatasetDifference, console: Console) -> None:
    """Counts side by side, and the first of what differs."""
    console.print(_side_by_side(difference))
    changed = [item.after for item in difference.changed]
    for name, samples in (
        ("New", difference.new), ("Gone", difference.gone), ("Changed", changed), ("MOVED", difference.moved),
    ):  # fmt: skip
        for sample in samples[:_SHOWN]:
            console.print(f"{name}: {_line(sample)}", markup=False, highlight=False, soft_wrap=True)
        if len(samples) > _SHOWN:
            console.print(f"{name}: and {len(samples) - _SHOWN:,} more", markup=False, highlight=False)
    for link in difference.moved_documents:
        console.print(f"In the other split before: {link}", style="bold red", markup=False, soft_wrap=True)


def _lengths_table(figures: DatasetFigures) -> Table:
    columns = ("Split", "Samples", "Documents", "Text", "Min", "P5", "Median", "P95", "Max", "Mean")
    table = table_of("Lengths in characters", columns)
    for split, part in figures.splits.items():
        first = (split.value, f"{part.samples:,}", f"{part.documents:,}")
        for name, spread in part.lengths.items():
            numbers = (spread.minimum, spread.p5, spread.median, spread.p95, spread.maximum, round(spread.mean))
            table.add_row(*first, name, *(f"{number:,}" for number in numbers))
            first = ("", "", "")
        if not part.lengths:
            table.add_row(*first)
    return table


def _strata_table(figures: DatasetFigures) -> Table:
    table = table_of(
        "By author and category", ("Author", "Category", "Documents: train", "test", "Samples: train", "test")
    )
    for s in figures.strata:
        numbers = (s.train_documents, s.test_documents, s.train_samples, s.test_samples)
        table.add_row(escape(s.author) or "unknown", s.category.value, *(f"{number:,}" for number in numbers))
    return table


def _side_by_side(difference: DatasetDifference) -> Table:
    before, after = difference.before, difference.after
    table = table_of("Two datasets", ("", "Before", "After"))
    table.add_row("Version", before.version[:12], after.version[:12])
    for split in Split:
        table.add_row(f"Samples, {split}", f"{before.splits[split].samples:,}", f"{after.splits[split].samples:,}")
        table.add_row(
            f"Documents, {split}", f"{before.splits[split].documents:,}", f"{after.splits[split].documents:,}"
        )
    for model in dict.fromkeys(chain(before.models, after.models)):
        table.add_row(f"By {escape(model)}", f"{before.models.get(model, 0):,}", f"{after.models.get(model, 0):,}")
    table.add_section()
    moved = len(difference.moved) + len(difference.moved_documents)
    for name, count in (
        ("The same", difference.same), ("New", len(difference.new)), ("Gone", len(difference.gone)),
        ("Changed", len(difference.changed)), ("Moved between splits (samples)", len(difference.moved)),
        ("Moved between splits (documents)", len(difference.moved_documents)),
    ):  # fmt: skip
        table.add_row(name, "", f"{count:,}", style="bold red" if name.startswith("Moved") and moved else "")
    return table


def _line(sample: Sample) -> str:
    text = " ".join(sample.instruction.split())
    return f"{text if len(text) <= _CHARACTERS else text[:_CHARACTERS] + '…'} ({sample.source.link})"
