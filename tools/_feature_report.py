"""What the feature pipeline and the follower of changes did, and how the stores differ, as tables and lines."""

from rich.markup import escape
from rich.table import Table

from llm_engineering.domain.feature_reports import ChangeReport, FeatureReport, VerificationReport

_MEANINGS = {
    "missing": "documents without features",
    "stale": "features of an older text, or unfinished",
    "vanished": "features of documents that are no more",
    "incomplete": "documents that lack some of their chunks",
    "orphaned": "chunks that belong to no document",
    "edited": "texts edited in MongoDB, whose hash is another text's",
}


def feature_table(report: FeatureReport) -> Table:
    """A row a category, the documents that failed, and the seconds by stage."""
    columns = ("New", "Changed", "Unchanged", "Removed", "Empty", "Failed", "Chunks embedded")
    table = _table(f"Features by {report.embedding_model}, {report.seconds:.1f} s", ("Category", *columns))
    for name, category in report.categories.items():
        done = (category.new, category.changed, category.unchanged, category.removed)
        rest = (category.empty, category.failed, category.chunks_embedded)
        table.add_row(name, *map(str, (*done, *rest)), style="red" if category.failed else "")
    for link, reason in report.failures.items():
        table.add_row(f"[red]failed: {escape(link)}: {escape(reason)}[/red]")
    table.caption = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds_by_stage.items())
    table.caption_justify = "left"
    return table


def verification_table(report: VerificationReport) -> Table:
    """A row a kind of difference, with the first of each by name."""
    title = f"{report.documents} documents in MongoDB, {report.chunks} chunks in Qdrant"
    table = _table(title, ("Difference", "Found"))
    for kind, found in report.differences.items():
        table.add_row(f"{kind}: {_MEANINGS[kind]}", str(found.count), style="red" if found.count else "green")
        for example in found.examples:
            table.add_row(f"  {escape(example)}")
        if found.count > len(found.examples):
            table.add_row(f"  and {found.count - len(found.examples)} more")
    return table


def repair_line(report: VerificationReport) -> str:
    """What a repair did, in a sentence."""
    if report.repaired is None or report.is_consistent:
        return "Nothing to repair."
    total = report.repaired.total
    edited = f"{report.rehashed} edited texts hashed anew, " if report.rehashed else ""
    return (
        f"Repaired: {total.new + total.changed} documents done anew ({total.chunks_embedded} chunks), "
        f"{total.removed} removed, {report.chunks_deleted} orphaned chunks deleted, "
        f"{edited}{total.failed} failed."
    )


def change_line(report: ChangeReport) -> str:
    """One batch of the follower in one line, and a line for each document that failed."""
    counts = f"{report.applied} applied, {report.removed} removed, {report.unchanged} unchanged"
    lag = "all documents compared" if report.reconciliation else f"{report.lag_seconds:.1f} s after the first write"
    line = f"{counts}, {len(report.failed)} failed, {report.chunks} chunks embedded; {lag}"
    return "\n".join([line, *(f"  failed: {name}: {reason}" for name, reason in report.failed.items())])


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table
