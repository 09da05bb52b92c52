"""The tables of the data warehouse, as a terminal of 120 columns shows them."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console
from rich.table import Table

from llm_engineering.domain.reports import (
    DocumentCount,
    EtlReport,
    ForgetReport,
    ImportReport,
    SourceReport,
    WriteCounts,
)
from tools._warehouse_report import documents_table, forget_table, import_table, runs_table


def shown(table: Table) -> str:
    console = Console(width=120, file=StringIO())
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def rows(table: Table) -> list[list[str]]:
    """The cells of each row."""
    lines = [line for line in shown(table).splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_documents_are_shown_by_author_category_and_platform_with_their_sum() -> None:
    counts = [
        DocumentCount(author="Ada [red]Lovelace", category="articles", platform="medium", documents=3),
        DocumentCount(author="Plato", category="posts", platform="linkedin", documents=4),
    ]
    assert rows(documents_table(counts)) == [
        ["Ada [red]Lovelace", "articles", "medium", "3"],
        ["Plato", "posts", "linkedin", "4"],
        ["All", "", "", "7"],
    ]
    assert rows(documents_table([])) == [["All", "", "", "0"]]


def test_a_run_is_shown_in_a_line_and_one_that_did_not_end_as_unfinished() -> None:
    started = datetime(2024, 3, 5, 9, 30, tzinfo=UTC)
    source = SourceReport(link="https://e.com", documents=WriteCounts(new=3, linked=1), removed=2, skipped={"old": 5})
    source.fail("https://e.com/a", "answered 500")
    done = EtlReport(author="Plato", started_at=started, finished_at=started.replace(second=7), sources=[source])
    killed = EtlReport(author="Plato", started_at=started)
    assert rows(runs_table([done, killed])) == [
        ["2024-03-05 09:30", "Plato", "7.0", "80%", "3 new, 1 linked, 2 removed, 1 failed, 5 skipped"],
        ["2024-03-05 09:30", "Plato", "unfinished", "", "none"],
    ]


def test_that_there_was_no_run_yet_is_said() -> None:
    assert "No runs yet" in shown(runs_table([]))


def test_what_was_forgotten_is_shown_by_collection() -> None:
    table = forget_table(ForgetReport(what="https://e.com/[x]", removed={"articles": 2}))
    assert "https://e.com/[x]" in shown(table)
    assert rows(table) == [["articles", "2"]]


def test_an_import_shows_what_was_linked_and_rejected() -> None:
    report = ImportReport(authors=1, documents={"articles": WriteCounts(new=1, linked=2)}, rejected={"f, 3": "no text"})
    found = rows(import_table(report, "Imported"))
    assert found[0] == ["articles", "1", "0", "0", "2"]
    assert "no text" in shown(import_table(report, "Imported"))
