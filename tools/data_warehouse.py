"""Back up and restore the raw data."""

from pathlib import Path

import click

from tools._cli import EXIT_FAILED, clean_exit, configure_logging, fail


@click.command()
@click.option("--export-raw-data", is_flag=True, help="Write authors and raw documents to JSON files.")
@click.option("--import-raw-data", is_flag=True, help="Read them from JSON files; a document that differs is replaced.")
@click.option(
    "--data-dir",
    default="data/data_warehouse_raw_data",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the JSON files.",
)
@clean_exit
def main(export_raw_data: bool, import_raw_data: bool, data_dir: Path) -> None:
    """Export or import the raw data, in the JSON format of the LLM Engineer's Handbook.

    Exit code 1 when a record was rejected; the others are imported.
    """
    if export_raw_data == import_raw_data:
        raise click.UsageError("Say one of --export-raw-data and --import-raw-data.")

    from rich.console import Console

    from llm_engineering.application import warehouse
    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.infrastructure.dumps import JsonDump
    from tools._report import import_table

    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    dump = JsonDump(data_dir)
    with build_services(settings) as services:
        if export_raw_data:
            report = warehouse.export_raw_data(services.documents, dump, services.progress)
        else:
            report = warehouse.import_raw_data(dump, services.documents, services.progress)
    Console().print(import_table(report, "Exported" if export_raw_data else "Imported"))
    if report.rejected:
        fail(f"{len(report.rejected)} records were rejected, for the reasons above.", EXIT_FAILED)


if __name__ == "__main__":
    main()
