"""Publish the dataset that the last run made, or show what would be published."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from tools._cli import clean_exit, configure_logging

if TYPE_CHECKING:
    from llm_engineering.domain.dataset_options import PublishOptions


@click.command()
@click.argument("kind", type=click.Choice(["instruct", "preference"]))
@click.option("--dataset-id", metavar="OWNER/NAME", help="By default, that of configs/generate_KIND_datasets.yaml.")
@click.option(
    "--push-to-huggingface/--local",
    default=None,
    help="To the Hugging Face Hub, or to the local hub; by default, as configured.",
)
@click.option("--private/--public", default=None, help="Whether nobody else may see it; by default, as configured.")
@click.option("--license", help="As in Hugging Face's dataset cards; by default, as configured.")
@click.option("--dry-run", is_flag=True, help="Show where it would go, its files, the gate and the card; send nothing.")
@clean_exit
def main(kind: str, dry_run: bool, **given: str | bool | None) -> None:
    """Publish the latest dataset of a KIND: instruct or preference.

    Exit code 1 when it is not good enough to be published, also of a dry run; 2 when there is none, or a setting or
    option is wrong.
    """
    from llm_engineering.application.dataset.publishing import require_good
    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.bootstrap_datasets import DatasetRun
    from llm_engineering.domain.datasets import DatasetKind
    from tools._dataset_report import gate_table, print_published
    from tools._report import console_for_tables

    options = _options(kind, given)
    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    console = console_for_tables()
    with build_services(settings) as services:
        run = DatasetRun(services)
        run.hub(options)
        dataset = run.made(DatasetKind(kind))
        report = run.publish(dataset, options, dry_run)
    print_published(report, console)
    if dry_run:
        console.print(gate_table(report.gate))
        console.print(report.card, markup=False, highlight=False, soft_wrap=True)
        require_good(dataset)


def _options(kind: str, given: Mapping[str, str | bool | None]) -> "PublishOptions":
    """What the pipeline's configuration says, with what was given instead."""
    from pydantic import ValidationError

    from llm_engineering.domain.dataset_options import PublishOptions
    from tools._datasets import Plan
    from tools._pipeline_configs import check_config

    name = f"generate_{kind}_datasets"
    configured = Plan.of(name, check_config(name, f"{name}.yaml")).publish
    values = {**configured.model_dump(), **{key: value for key, value in given.items() if value is not None}}
    try:
        return PublishOptions.model_validate(values)
    except ValidationError as error:
        raise click.UsageError("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())) from None


if __name__ == "__main__":
    main()
