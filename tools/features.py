"""Look at the features, compare them with the documents, mend them, or make them anew with other models."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools._cli import clean_exit, configure_logging

if TYPE_CHECKING:
    from llm_engineering.bootstrap import Services

_SAMPLES = 5


@click.command()
@click.option("--inspect", is_flag=True, help="Show how long the chunks are, samples of them, and outliers.")
@click.option("--verify", is_flag=True, help="Compare MongoDB and Qdrant, and name what differs.")
@click.option("--repair", is_flag=True, help="Compare them, and mend exactly what differs.")
@click.option(
    "--reindex", is_flag=True, help="Fill an index by the configured models while the old one serves, then switch."
)
@click.option(
    "--output",
    default=Path("data/features"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the picture and the page of --inspect.",
)
@click.option(
    "--category", type=click.Choice(["posts", "articles", "repositories"]), help="Only these documents, for --inspect."
)
@clean_exit
def main(inspect: bool, verify: bool, repair: bool, reindex: bool, output: Path, category: str | None) -> None:
    """Inspect, verify, repair or re-index the features.

    Exit code 1 when --verify finds that the stores differ, or a document has no up-to-date features after --repair or
    --reindex. A re-index that was interrupted goes on where it was when it is run again.
    """
    if [inspect, verify, repair, reindex].count(True) != 1:
        raise click.UsageError("Say one of --inspect, --verify, --repair and --reindex.")

    from llm_engineering.bootstrap import build_services, current_settings

    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    with build_services(settings) as services:
        if inspect:
            _inspect(services, output, category)
        elif verify:
            _verify(services)
        elif repair:
            _repair(services)
        else:
            _reindex(services)


def _inspect(services: "Services", output: Path, category: str | None) -> None:
    from llm_engineering.domain.documents import DataCategory
    from tools._inspection import inspect_features

    inspect_features(services, output, DataCategory(category) if category else None, _SAMPLES)


def _verify(services: "Services") -> None:
    from llm_engineering.application.preprocessing.verification import verify
    from tools._feature_report import verification_table
    from tools._report import console_for_tables

    report = verify(services.documents, services.vectors, services.feature_makers)
    if not report.index_problem:
        console_for_tables().print(verification_table(report))
    report.require_consistent()


def _repair(services: "Services") -> None:
    from llm_engineering.application.preprocessing.verification import repair
    from tools._feature_report import repair_line, verification_table
    from tools._report import console_for_tables

    report = repair(services.documents, services.vectors, services.feature_makers, services.progress)
    console_for_tables().print(verification_table(report))
    click.echo(repair_line(report))
    if report.repaired:
        report.repaired.require_complete()


def _reindex(services: "Services") -> None:
    from llm_engineering.application.preprocessing.reindexing import reindex
    from tools._feature_report import feature_table
    from tools._report import console_for_tables

    report = reindex(
        services.documents, services.vectors, services.feature_makers, services.progress, services.feature_engine
    )
    console_for_tables().print(feature_table(report))
    click.echo(f"Searches see the index by {services.feature_makers.spec().describe()} now.")
    report.require_complete()


if __name__ == "__main__":
    main()
