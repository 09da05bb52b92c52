"""What came of making, publishing and exporting a dataset, as tables."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.dataset_reports import DatasetReport, ExportReport, GateCheck, PublishReport
from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit
from llm_engineering.domain.generation import Estimate


def estimate_lines(kind: DatasetKind, estimate: Estimate, budget_usd: float | None) -> str:
    """What a run will ask and cost, in words."""
    new = estimate.tasks - estimate.reused
    cost = (
        "unknown: configs/prices.yaml has no price of it" if estimate.cost_usd is None else _dollars(estimate.cost_usd)
    )
    budget = "" if budget_usd is None else f", of a budget of {_dollars(budget_usd)}"
    return (
        f"Estimate of the {kind} dataset: {estimate.tasks:,} requests to {estimate.model_id}, {estimate.reused:,} of "
        f"them answered before, {new:,} to ask: about {estimate.prompt_tokens:,} tokens to send, at most "
        f"{estimate.completion_tokens:,} to get. Cost at most: {cost}{budget}."
    )


def destination_line(publish: PublishOptions, where: str) -> str:
    """Where a dataset would go, in words."""
    seen = "" if not publish.push_to_huggingface else ", private" if publish.private else ", PUBLIC"
    return f"It would be published as {publish.dataset_id} in {where}{seen}, license '{publish.license}'."


def print_dataset(dataset: TrainTestSplit, console: Console) -> None:
    """Everything about a dataset but its samples."""
    report = dataset.report
    for line in _lines(dataset):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for table in (funnel_table(report), strata_table(report), gate_table(report.gate)):
        console.print(table)
    for line in (*report.generation.problems, *report.warnings):
        console.print(f"Note: {line}", style="yellow", markup=False, soft_wrap=True)


def print_published(report: PublishReport, console: Console) -> None:
    """Where a dataset is, or would be, and its files."""
    done = f"Published: {report.repository_id}@{report.revision}"
    if report.revision is None:
        done = f"Not sent: {report.repository_id}"
    seen = {None: "", True: ", private", False: ", public"}[report.private]
    console.print(f"{done} in {report.where}{seen}", markup=False, highlight=False, soft_wrap=True)
    table = table_of("", ("File", "Rows", "Bytes"))
    for file in report.files:
        table.add_row(escape(file.path), "" if file.rows is None else f"{file.rows:,}", f"{file.size:,}")
    console.print(table)
    if report.revision:
        line = f"Read it back: python -m tools.dataset_inspect stats {report.repository_id}@{report.revision}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_exported(report: ExportReport, console: Console) -> None:
    """A row an artifact; what was not there, with what to do."""
    table = table_of("Exported", ("Artifact", "Records", "Bytes", "File"))
    for name, file in report.files.items():
        table.add_row(name, f"{file.records:,}", f"{file.size:,}", escape(file.path))
    console.print(table)
    for name, what in report.missing.items():
        console.print(f"Missing: {name}: {what}", style="yellow", markup=False, soft_wrap=True)


def funnel_table(report: DatasetReport) -> Table:
    """A row a check: what was left after it, and what it dropped for which reason."""
    table = table_of("From candidates to samples", ("Check", "Kept", "Dropped", "Why"))
    for stage in report.funnel:
        reasons = ", ".join(f"{count} {reason}" for reason, count in stage.dropped.items())
        table.add_row(escape(stage.name), f"{stage.kept:,}", f"{sum(stage.dropped.values()):,}", escape(reasons))
    return table


def strata_table(report: DatasetReport) -> Table:
    """A row an author and category: documents and samples of each split, and the sums."""
    columns = ("Author", "Category", "Documents: train", "test", "Samples: train", "test")
    table = table_of(f"Split by document (seed {report.seed!r}, {report.test_size:.0%} for testing)", columns)
    rows = [(s.train_documents, s.test_documents, s.train_samples, s.test_samples) for s in report.strata]
    for stratum, row in zip(report.strata, rows, strict=True):
        table.add_row(escape(stratum.author), stratum.category.value, *map(str, row))
    if len(rows) > 1:
        table.add_section()
        table.add_row("All", "", *(str(sum(column)) for column in zip(*rows, strict=True)))
    return table


def gate_table(gate: Sequence[GateCheck]) -> Table:
    """A row a condition for publishing."""
    failed = sum(not check.passed for check in gate)
    title = "May be published" if gate and not failed else f"May not be published; checks that failed: {failed}"
    table = table_of(title, ("Check", "", "Measured", "Wanted"))
    for check in gate:
        verdict = "[green]ok[/green]" if check.passed else "[bold red]failed[/bold red]"
        table.add_row(escape(check.name), verdict, escape(check.measured), escape(check.wanted))
    return table


def _lines(dataset: TrainTestSplit) -> Iterator[str]:
    report, asked = dataset.report, dataset.report.generation
    documents = ", ".join(f"{count} {category}" for category, count in report.documents.items())
    cost = "cost unknown" if asked.cost_usd is None else f"cost {_dollars(asked.cost_usd)}"
    yield (
        f"The {dataset.kind} dataset {dataset.version[:12]}: {len(dataset.train):,} samples to train on, "
        f"{len(dataset.test):,} to test, {len(dataset.dropped):,} dropped"
    )
    yield f"{report.method} by {report.model_id} from {report.extracts:,} extracts of documents: {documents}"
    yield (
        f"Asked {asked.asked:,} of {asked.tasks:,} ({asked.reused:,} answered before): {asked.answered:,} answered, "
        f"{asked.repaired:,} of them the second time, {asked.malformed:,} malformed, {asked.refused:,} refused, "
        f"{asked.failed:,} failed; {asked.usage.prompt_tokens:,} + {asked.usage.completion_tokens:,} tokens, {cost}, "
        f"{asked.seconds:.1f} s"
    )
    if bias := report.length_bias:
        yield (
            f"Of {bias.pairs:,} pairs the chosen answer is the longer one in {bias.chosen_longer:.0%}; it is "
            f"{bias.mean_ratio:.2f} times as long on average (geometric)"
        )


def _dollars(amount: float) -> str:
    return f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def table_of(title: str, columns: Sequence[str]) -> Table:
    """A table of texts, to the left, and numbers, to the right."""
    texts = {"Author", "Category", "Check", "File", "Artifact", "Split", "Text", "Why", "Measured", "Wanted", ""}
    table = Table(title=escape(title) or None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in texts else "right", overflow="fold")
    return table
