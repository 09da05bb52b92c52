"""What `tools.run` does around the pipelines that make datasets: the budget, the estimate, the dry run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from llm_engineering.application.dataset.costs import check_budget
from llm_engineering.domain.dataset_options import DatasetOptions, PublishOptions
from llm_engineering.domain.datasets import DatasetKind
from llm_engineering.domain.errors import BudgetTooSmallError
from tools._dataset_report import destination_line, estimate_lines, print_dataset
from tools._pipeline_configs import check_config

if TYPE_CHECKING:
    from llm_engineering.bootstrap_datasets import DatasetRun
    from llm_engineering.settings import Settings

# By the name of the pipeline.
KINDS = {f"generate_{kind.artifact_name}": kind for kind in DatasetKind}


@dataclass(frozen=True)
class Plan:
    """A dataset that is to be made."""

    kind: DatasetKind
    options: DatasetOptions
    publish: PublishOptions

    @classmethod
    def of(cls, pipeline: str, config: Path) -> "Plan":
        """What the checked configuration of a pipeline says."""
        parameters = _content(config).get("parameters") or {}
        sections = {name: value for name, value in parameters.items() if value is not None}
        publish = PublishOptions.model_validate(sections.pop("publish", {}))
        return cls(KINDS[pipeline], DatasetOptions.model_validate(sections), publish)


def plans_of(configs: Mapping[str, Path]) -> dict[str, Plan]:
    """The datasets among what is to be run, by pipeline."""
    return {name: Plan.of(name, config) for name, config in configs.items() if name in KINDS}


def with_budget(configs: Mapping[str, Path], budget_usd: float, folder: Path) -> dict[str, Path]:
    """The configurations, those of datasets as copies in the folder with this budget.

    ZenML refuses a parameter that stands in the file and is given beside it as well.
    """
    budgeted = dict(configs)
    for name in KINDS.keys() & configs.keys():
        content = _content(configs[name])
        parameters = content.setdefault("parameters", {}) or {}
        generation = {**(parameters.get("generation") or {}), "budget_usd": budget_usd}
        content["parameters"] = {**parameters, "generation": generation}
        copy = folder / f"{name}.yaml"
        copy.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        budgeted[name] = check_config(name, str(copy))
    return budgeted


def check_plans(settings: "Settings", plans: Mapping[str, Plan]) -> None:
    """Look for what would stop the runs, before anything is started. Raises as `DatasetRun.check`."""
    for plan in plans.values():
        with _open(settings) as run:
            run.check(plan.options, plan.publish)


def announce(settings: "Settings", plan: Plan) -> None:
    """Say what a run will ask and cost, just before it.

    Raises:
        BudgetTooSmallError: it could cost more than the budget.
        UnknownAuthorError: nothing is stored of an author that is named.
    """
    with _open(settings) as run:
        estimate = run.estimate(plan.kind, plan.options)
        click.echo(estimate_lines(plan.kind, estimate, plan.options.generation.budget_usd))
        check_budget(estimate, plan.options.generation.budget_usd)


def rehearse(settings: "Settings", plans: Mapping[str, Plan]) -> None:
    """Say what runs would ask and cost, and where their datasets would go. Nothing is asked or sent."""
    check_plans(settings, plans)
    for plan in plans.values():
        try:
            announce(settings, plan)
        except BudgetTooSmallError as error:
            click.echo(f"A run would be refused: {error}")
        with _open(settings) as run:
            click.echo(destination_line(plan.publish, run.hub(plan.publish).where))


def print_left(run_name: str) -> None:
    """The dataset of a run whose publishing failed: it is there to be looked at."""
    from zenml.client import Client

    from tools._report import console_for_tables

    try:
        run = Client().get_pipeline_run(run_name)
    except KeyError:  # it failed before it was one
        return
    for step in run.steps.values():
        for version in (version for versions in step.outputs.values() for version in versions):
            if version.data_type.attribute == "TrainTestSplit":
                print_dataset(version.load(), console_for_tables())


def _content(config: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8"))
    return content


@contextmanager
def _open(settings: "Settings") -> Iterator["DatasetRun"]:
    """Closed before a pipeline runs, for its steps open the embedded stores themselves."""
    from llm_engineering.bootstrap import build_services
    from llm_engineering.bootstrap_datasets import DatasetRun

    with build_services(settings) as services:
        yield DatasetRun(services)
