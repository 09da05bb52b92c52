"""What a pipeline's run did, as tables."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.reports import EtlReport, SourceReport
from tools._dataset_report import print_dataset, print_exported, print_published
from tools._evaluation_report import evaluation_table
from tools._feature_report import feature_table
from tools._reranker_report import reranker_table

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse


WIDTH_OF_LOGS = 140


def print_reports(run: "PipelineRunResponse") -> None:
    """Print the reports among the artifacts of a run."""
    for step in run.steps.values():
        for versions in step.outputs.values():
            for version in versions:
                show = _PRINTERS.get(version.data_type.attribute or "")
                if show:
                    show(version.load(), console_for_tables())


def print_etl_report(report: EtlReport, console: Console) -> None:
    """The table of a run of the ETL, and why what was not read was not."""
    console.print(etl_table(report))
    for source in report.sources:
        for part, reason in source.failures.items():
            console.print(f"Failed: {part}: {reason}", style="red", markup=False, soft_wrap=True)
        hidden = source.failed_count - len(source.failures)
        if hidden > 0:
            console.print(f"Failed: {hidden} more of {source.link}", style="red", markup=False, soft_wrap=True)
        for part, limit in source.over_limit.items():
            console.print(f"Left out: {part}: {limit}", style="yellow", markup=False, soft_wrap=True)
        if source.skipped:
            reasons = ", ".join(f"{count} {reason}" for reason, count in source.skipped.items())
            console.print(f"Left out of {source.link}: {reasons}", markup=False, highlight=False, soft_wrap=True)


def etl_table(report: EtlReport) -> Table:
    """A row a source, and the totals; a column in which everything is 0 is left out."""
    total = SourceReport(link="All")
    for source in report.sources:
        total.absorb(source)
    shown = [name for name, value in _numbers(total).items() if value or name == "New"]
    columns = ("Source", "Read by", "Tried", *shown, "KiB", "Seconds", "Success")
    table = _table(f"Crawled for {report.author} in {report.seconds:.1f} s", columns)
    table.columns[1].justify = "left"
    for source in report.sources:
        style = "red" if source.failed and not source.documents.total else "yellow" if source.failed else ""
        table.add_row(*_row(source, shown, source.success_rate), style=style)
    if len(report.sources) > 1:
        table.add_section()
        table.add_row(*_row(total, shown, report.success_rate))
    return table


def _numbers(source: SourceReport) -> dict[str, int]:
    counts = source.documents
    return {
        "New": counts.new,
        "Changed": counts.changed,
        "Same": counts.unchanged,
        "Linked": counts.linked,
        "Removed": source.removed,
        "Failed": source.failed_count,
        "Left out": sum(source.skipped.values()),
    }


def _row(source: SourceReport, shown: list[str], success_rate: float) -> list[str]:
    numbers = _numbers(source)
    counts = (source.attempted, *(numbers[name] for name in shown), -(-source.bytes_read // 1024))
    return [
        escape(source.link), source.crawler or "", *map(str, counts), f"{source.seconds:.1f}", f"{success_rate:.0%}"
    ]  # fmt: skip


def console_for_tables() -> Console:
    """As wide as the terminal; where there is none, wide enough that no column is cut."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_LOGS)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


# By the name of the artifact's type: only these are loaded.
_PRINTERS: dict[str, Callable[[Any, Console], None]] = {
    "EtlReport": print_etl_report,
    "EvaluationReport": lambda report, console: console.print(evaluation_table(report)),
    "ExportReport": print_exported,
    "FeatureReport": lambda report, console: console.print(feature_table(report)),
    "PublishReport": print_published,
    "RerankerReport": lambda report, console: console.print(reranker_table(report)),
    "TrainTestSplit": print_dataset,
}
