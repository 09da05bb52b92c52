"""What the data warehouse holds, and what was moved or erased, as tables."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.reports import DocumentCount, EtlReport, ForgetReport, ImportReport

_WORDS = ("Author", "Category", "Platform", "What was read")
# What --forget cannot reach, and how what it erased could come back.
OUT_OF_REACH = (
    "Not reached: what ZenML keeps of past runs (metadata and artifacts, datasets among them), datasets that were "
    "published (LOCAL_STATE_DIR/hub, the Hugging Face Hub), models trained on them, log files, and files written with "
    "--export-raw-data and --run-export-artifact-to-json. Delete those by hand. Take the links out of your configs as "
    "well, or the next crawl brings them back."
)


def import_table(report: ImportReport, verb: str) -> Table:
    """A row a category; records that were rejected, with the reason."""
    table = _table(f"{verb} {report.authors} authors", ("Category", "New", "Changed", "Unchanged", "Linked"))
    for name, counts in report.documents.items():
        table.add_row(name, *map(str, (counts.new, counts.changed, counts.unchanged, counts.linked)))
    for place, reason in report.rejected.items():
        table.add_row(f"[red]rejected: {escape(place)}: {escape(reason)}[/red]")
    return table


def forget_table(report: ForgetReport) -> Table:
    """A row a collection that something was removed from."""
    table = _table(f"Forgot {escape(report.what)}", ("Collection", "Records removed"))
    for collection, count in report.removed.items():
        table.add_row(collection, str(count))
    return table


def documents_table(counts: Sequence[DocumentCount]) -> Table:
    """A row an author, category and platform, and the sum."""
    table = _table("Documents", ("Author", "Category", "Platform", "Documents"))
    for count in counts:
        table.add_row(escape(count.author), count.category, escape(count.platform), str(count.documents))
    table.add_section()
    table.add_row("All", "", "", str(sum(count.documents for count in counts)))
    return table


def runs_table(reports: Sequence[EtlReport]) -> Table:
    """A row a run of the ETL, latest first."""
    table = _table(
        "Last runs" if reports else "No runs yet", ("Started (UTC)", "Author", "Seconds", "Success", "What was read")
    )
    for report in reports:
        table.add_row(
            f"{report.started_at:%Y-%m-%d %H:%M}",
            escape(report.author),
            f"{report.seconds:.1f}" if report.finished_at else "unfinished",
            f"{report.success_rate:.0%}" if report.sources else "",
            _counts(report),
        )
    return table


def _counts(report: EtlReport) -> str:
    """What became of a run's documents, in words: twelve columns of numbers fit no terminal."""
    counts = {
        **report.documents.model_dump(),
        "removed": sum(source.removed for source in report.sources),
        "failed": sum(source.failed_count for source in report.sources),
        "skipped": sum(sum(source.skipped.values()) for source in report.sources),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="left" if column in _WORDS else "right", overflow="fold")
    return table
