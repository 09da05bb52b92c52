"""What a pipeline's run did, as tables."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.reports import EtlReport, FeatureReport, ImportReport

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse


def print_reports(run: "PipelineRunResponse") -> None:
    """Print the reports among the artifacts of a run."""
    console = Console()
    for step in run.steps.values():
        for versions in step.outputs.values():
            for version in versions:
                report = version.load() if version.data_type.attribute in ("EtlReport", "FeatureReport") else None
                if isinstance(report, EtlReport):
                    console.print(etl_table(report))
                    for link, reason in report.failures.items():
                        console.print(f"Failed: {link}: {reason}", style="red", markup=False, soft_wrap=True)
                elif isinstance(report, FeatureReport):
                    console.print(feature_table(report))


def etl_table(report: EtlReport) -> Table:
    """A row a source."""
    table = _table(
        f"Crawled for {report.author}", ("Source", "New", "Changed", "Unchanged", "Removed", "Left out", "Seconds")
    )
    for source in report.sources:
        counts = source.documents
        numbers = (counts.new, counts.changed, counts.unchanged, source.removed, sum(source.skipped.values()))
        name = f"[red]{escape(source.link)}[/red]" if source.failure else escape(source.link)
        table.add_row(name, *map(str, numbers), f"{source.seconds:.1f}")
    return table


def feature_table(report: FeatureReport) -> Table:
    """A row a category."""
    table = _table(
        f"Features by {report.embedding_model}, {report.seconds:.1f} s",
        ("Category", "New", "Changed", "Unchanged", "Removed", "Empty", "Chunks embedded"),
    )
    for name, category in report.categories.items():
        counts = category.documents
        numbers = (
            counts.new,
            counts.changed,
            counts.unchanged,
            category.removed,
            category.empty,
            category.chunks_embedded,
        )
        table.add_row(name, *map(str, numbers))
    return table


def import_table(report: ImportReport, verb: str) -> Table:
    """A row a category; records that were rejected, with the reason."""
    table = _table(f"{verb} {report.authors} authors", ("Category", "New", "Changed", "Unchanged"))
    for name, counts in report.documents.items():
        table.add_row(name, str(counts.new), str(counts.changed), str(counts.unchanged))
    for place, reason in report.rejected.items():
        table.add_row(f"[red]rejected: {escape(place)}: {escape(reason)}[/red]")
    return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table
