"""Look at what is stored, back it up, restore it, or forget a part of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools._cli import EXIT_FAILED, clean_exit, configure_logging, fail

if TYPE_CHECKING:
    from llm_engineering.bootstrap import Services

_SHOWN_RUNS = 10


@click.command()
@click.option("--export-raw-data", is_flag=True, help="Write authors and raw documents to JSON files.")
@click.option("--import-raw-data", is_flag=True, help="Read them from JSON files; a document that differs is replaced.")
@click.option("--stats", is_flag=True, help="Show how many documents are stored, and the last runs.")
@click.option(
    "--forget",
    metavar="AUTHOR|LINK",
    help="Erase every trace of a person or a link in MongoDB and Qdrant.",
)
@click.option("--yes", is_flag=True, help="Do not ask before --forget erases.")
@click.option(
    "--data-dir",
    default="data/data_warehouse_raw_data",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the JSON files.",
)
@clean_exit
def main(
    export_raw_data: bool, import_raw_data: bool, stats: bool, forget: str | None, yes: bool, data_dir: Path
) -> None:
    """Show, export, import or forget the raw data; the JSON format is that of the LLM Engineer's Handbook.

    Exit code 1 when a record to import was rejected (the others are imported), 2 when there is nothing to forget.
    """
    if [export_raw_data, import_raw_data, stats, forget is not None].count(True) != 1:
        raise click.UsageError("Say one of --export-raw-data, --import-raw-data, --stats and --forget.")
    if forget is not None:
        _confirm(forget, yes)

    from llm_engineering.bootstrap import build_services, current_settings

    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    with build_services(settings) as services:
        if stats:
            _show(services)
        elif forget is not None:
            _forget(services, forget)
        elif export_raw_data:
            _export(services, data_dir)
        else:
            _import(services, data_dir)


def _confirm(what: str, yes: bool) -> None:
    """Ask on a terminal; elsewhere, nobody could answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("--forget erases for good: say --yes as well where nobody can be asked.")
    click.confirm(f"Erase every trace of {what!r} in MongoDB and Qdrant, for good?", abort=True)


def _show(services: "Services") -> None:
    from rich.console import Console

    from tools._warehouse_report import documents_table, runs_table

    console = Console()
    console.print(documents_table(services.documents.statistics()))
    console.print(runs_table(services.documents.runs(_SHOWN_RUNS)))


def _forget(services: "Services", what: str) -> None:
    from rich.console import Console

    from llm_engineering.application.forgetting import forget
    from llm_engineering.settings import PROJECT_ROOT
    from tools._warehouse_report import OUT_OF_REACH, forget_table

    report = forget(what, services.documents, services.vectors, PROJECT_ROOT)
    Console().print(forget_table(report))
    click.echo(OUT_OF_REACH)


def _export(services: "Services", data_dir: Path) -> None:
    from rich.console import Console

    from llm_engineering.application.warehouse import export_raw_data
    from llm_engineering.infrastructure.dumps import JsonDump
    from tools._warehouse_report import import_table

    report = export_raw_data(services.documents, JsonDump(data_dir), services.progress)
    Console().print(import_table(report, "Exported"))


def _import(services: "Services", data_dir: Path) -> None:
    from rich.console import Console

    from llm_engineering.application.warehouse import import_raw_data
    from llm_engineering.infrastructure.dumps import JsonDump
    from tools._warehouse_report import import_table

    report = import_raw_data(JsonDump(data_dir), services.documents, services.progress)
    Console().print(import_table(report, "Imported"))
    if report.rejected:
        fail(f"{len(report.rejected)} records were rejected, for the reasons above.", EXIT_FAILED)


if __name__ == "__main__":
    main()
