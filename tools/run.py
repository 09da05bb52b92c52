"""Run the pipelines: a flag each. Several flags in one call run in the natural order of the data."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from tools._cli import EXIT_FAILED, EXIT_USAGE, clean_exit, configure_logging, fail, quiet_libraries

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse
    from zenml.pipelines.pipeline_definition import Pipeline

    from llm_engineering.settings import Settings

# The pipelines in the natural order of the data, with what their flags' help says.
_PIPELINES = {
    "smoke_test": "Check that ZenML runs and the stores and models answer.",
    "digital_data_etl": "Crawl links into MongoDB.",
    "feature_engineering": "Clean, chunk and embed what is new into Qdrant.",
    "end_to_end_data": "Both of the above in one run; by default on this project.",
    "train_reranker": "Train a reranker on the stored chunks; kept if it is better.",
    "rag_evaluation": "Score retrieval on a set of questions.",
    "generate_instruct_datasets": "Make a dataset of instructions and answers (SFT), and publish it.",
    "generate_preference_datasets": "Make a dataset of preferred and rejected answers (DPO), and publish it.",
    "export_artifact_to_json": "Write documents and datasets to JSON files.",
}
_FLAGS = {f"run_{name.removeprefix('digital_data_')}": name for name in _PIPELINES}
_FILLING_THE_STORES = frozenset({"digital_data_etl", "feature_engineering", "end_to_end_data"})
_ON_THE_INDEX = frozenset({"feature_engineering", "end_to_end_data", "train_reranker", "rag_evaluation"})
_OF_DATASETS = frozenset({"generate_instruct_datasets", "generate_preference_datasets"})


def _a_flag_a_pipeline(command: Callable[..., None]) -> Callable[..., None]:
    for flag, name in reversed(_FLAGS.items()):
        command = click.option(f"--{flag.replace('_', '-')}", flag, is_flag=True, help=_PIPELINES[name])(command)
    return command


@click.command()
@_a_flag_a_pipeline
@click.option(
    "--run-cdc",
    is_flag=True,
    help="Follow MongoDB's changes into Qdrant until interrupted (Ctrl-C). No pipeline, for it has no end; the "
    "embedded Qdrant is its alone meanwhile.",
)
@click.option(
    "--etl-config-filename",
    default="digital_data_etl.yaml",
    show_default=True,
    help="Whose links --run-etl crawls: a file in configs/, or a path.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Of each dataset, instead of the configuration's; nothing is asked where it could cost more.",
)
@click.option(
    "--dry-run", is_flag=True, help="Of datasets: show what it would ask and cost, and where it would go; send nothing."
)
@click.option("--no-cache", is_flag=True, help="Run every step, even where ZenML has a result for the same input.")
@click.option("--export-settings", is_flag=True, help="Write the settings to the ZenML secret 'settings'.")
@clean_exit
def main(
    run_cdc: bool,
    etl_config_filename: str,
    budget: float | None,
    dry_run: bool,
    no_cache: bool,
    export_settings: bool,
    **flags: bool,
) -> None:
    """Run MoodSwarm's pipelines.

    Exit code: 0 when all went well, 1 when a pipeline failed, 2 when a flag, a setting or a configuration is wrong, or
    the index was made by other models (nothing was started then), or a dataset could cost more than its budget
    (nothing was asked then).
    """
    wanted = {name: f"{name}.yaml" for flag, name in _FLAGS.items() if flags[flag]}
    if "digital_data_etl" in wanted:
        wanted["digital_data_etl"] = etl_config_filename
    if not (wanted or export_settings or run_cdc):
        raise click.UsageError("Say what to run, for example --run-end-to-end-data. See --help.")
    if budget is not None and _OF_DATASETS.isdisjoint(wanted):
        raise click.UsageError("--budget is for datasets: --run-generate-instruct-datasets or -preference-datasets.")
    if dry_run and (not wanted or wanted.keys() - _OF_DATASETS or export_settings or run_cdc):
        raise click.UsageError("--dry-run is for datasets alone: run the other flags without it.")
    if dry_run:
        _rehearse(wanted, budget)
    elif wanted or export_settings:
        _run_pipelines(wanted, budget, no_cache, export_settings)
    if run_cdc:
        from tools import _cdc

        _cdc.run_cdc()


def _rehearse(wanted: dict[str, str], budget: float | None) -> None:
    from llm_engineering.bootstrap import current_settings
    from tools._datasets import plans_of, rehearse

    with TemporaryDirectory(prefix="moodswarm-configs-") as folder:
        plans = plans_of(_checked(wanted, budget, Path(folder)))
    configure_logging((settings := current_settings()).LOG_LEVEL)
    rehearse(settings, plans)


def _checked(wanted: dict[str, str], budget: float | None, folder: Path) -> dict[str, Path]:
    """The configurations, once they are known to be right; with another budget, copies in the folder."""
    from tools._datasets import with_budget
    from tools._pipeline_configs import check_config

    configs = {name: check_config(name, filename) for name, filename in wanted.items()}
    return configs if budget is None else with_budget(configs, budget, folder)


def _run_pipelines(wanted: dict[str, str], budget: float | None, no_cache: bool, export_settings: bool) -> None:
    """Check all configurations, then run one pipeline after the other."""
    from llm_engineering.bootstrap import current_settings
    from llm_engineering.bootstrap_environment import export_zenml_environment
    from tools import _datasets

    with TemporaryDirectory(prefix="moodswarm-configs-") as folder:
        configs = _checked(wanted, budget, Path(folder))
        plans = _datasets.plans_of(configs)
        settings = current_settings()
        quiet_libraries()
        _datasets.check_plans(settings, plans)
        announced = _FILLING_THE_STORES.isdisjoint(configs)
        for plan in plans.values() if announced else ():
            _datasets.announce(settings, plan)
        if not _ON_THE_INDEX.isdisjoint(configs):
            _check_index(settings)
        export_zenml_environment(settings)
        if export_settings:
            _export(settings.exportable())
        pipelines = {name: _configured(name, config, use_cache=not no_cache) for name, config in configs.items()}
        for name, (pipeline, run_name) in pipelines.items():
            if name in plans and not announced:  # what it is made of was not there before
                _datasets.announce(settings, plans[name])
            _run(pipeline, run_name)


def _check_index(settings: "Settings") -> None:
    """Leave with exit code 2 where the index was made by other models: each step on it would fail, some of them late.

    A store that does not answer, or that another process has open, is left to the steps.
    """
    from llm_engineering.application.index_models import check_names
    from llm_engineering.bootstrap import build_services
    from llm_engineering.bootstrap_stores import serves_many_processes
    from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError

    with build_services(settings) as services:
        makers = services.feature_makers
        try:
            active = services.vectors.active()
        except DependencyUnavailableError:
            return
        if active and serves_many_processes(settings):
            # The steps may run on another machine, where EMBEDDING_PRECISION=auto is another precision.
            active = active.model_copy(update={"precision": makers.embedder.precision})
        try:
            check_names(active, makers.embedder, makers.sparse)
        except ModelMismatchError as error:
            fail(str(error), EXIT_USAGE)


def _export(values: dict[str, str]) -> None:
    from llm_engineering.infrastructure.zenml_secrets import write_secret

    write_secret("settings", values)
    click.echo(
        f"Exported to the ZenML secret 'settings': {', '.join(sorted(values)) or 'nothing, all is at its default'}."
    )
    click.echo("Set SETTINGS_SECRET=settings where they are to be used.")


def _configured(name: str, config: Path, use_cache: bool) -> "tuple[Pipeline, str]":
    """The pipeline with its configuration, and its run's name, that has the time in it."""
    from importlib import import_module

    import yaml
    from pydantic import ValidationError
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    from llm_engineering.domain.errors import PipelineConfigError

    pipeline: Pipeline = getattr(import_module(f"pipelines.{name}"), name)
    run_name = f"{name}_run_{datetime.now().astimezone():%Y_%m_%d_%H_%M_%S_%f}"
    try:
        PipelineRunConfiguration.model_validate(yaml.safe_load(config.read_text(encoding="utf-8")))
        configured = pipeline.with_options(
            config_path=str(config), run_name=run_name, enable_cache=None if use_cache else False
        )
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise PipelineConfigError(f"{config.name}: ZenML refuses it: {'; '.join(problems)}") from error
    except ValueError as error:
        raise PipelineConfigError(f"{config.name}: ZenML refuses it: {' '.join(str(error).split())}") from error
    return configured, run_name


def _run(pipeline: "Pipeline", run_name: str) -> None:
    """Run one pipeline and print its reports; leave with exit code 1 when it fails."""
    from tools._datasets import print_left
    from tools._report import print_reports

    started = datetime.now(UTC)
    try:
        run: PipelineRunResponse | None = pipeline()
    except RuntimeError as error:
        _print_crawls_since(started)
        print_left(run_name)
        # ZenML's way to say that a step failed; the step's own error was logged above.
        fail(f"{error}. More in the dashboard: make dashboard", EXIT_FAILED)
    else:
        if run:  # a remote orchestrator that does not wait gives none
            print_reports(run)


def _print_crawls_since(started: datetime) -> None:
    """A step that failed leaves no artifact: what was crawled all the same stands in the document store."""
    from llm_engineering.bootstrap import build_services
    from llm_engineering.domain.errors import DependencyUnavailableError
    from tools._report import console_for_tables, print_etl_report

    with build_services() as services:
        try:
            runs = services.documents.runs(limit=20)
        except DependencyUnavailableError:
            return  # that the store does not answer is what the step has said
    for report in reversed(runs):
        if report.started_at >= started and report.finished_at:
            print_etl_report(report, console_for_tables())


if __name__ == "__main__":
    main()
