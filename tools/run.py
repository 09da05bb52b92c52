"""Run the pipelines: a flag each. Several flags in one call run in the natural order of the data."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools._cli import EXIT_FAILED, clean_exit, fail, quiet_libraries

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse
    from zenml.pipelines.pipeline_definition import Pipeline


@click.command()
@click.option("--run-smoke-test", is_flag=True, help="Check that ZenML runs and the stores and models answer.")
@click.option("--run-etl", is_flag=True, help="Crawl links into MongoDB.")
@click.option("--run-feature-engineering", is_flag=True, help="Clean, chunk and embed what is new into Qdrant.")
@click.option("--run-end-to-end-data", is_flag=True, help="Both of the above in one run; by default on this project.")
@click.option("--run-train-reranker", is_flag=True, help="Train a reranker on the stored chunks; kept if it is better.")
@click.option("--run-rag-evaluation", is_flag=True, help="Score retrieval on a set of questions.")
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
@click.option("--no-cache", is_flag=True, help="Run every step, even where ZenML has a result for the same input.")
@click.option("--export-settings", is_flag=True, help="Write the settings to the ZenML secret 'settings'.")
@clean_exit
def main(
    run_smoke_test: bool,
    run_etl: bool,
    run_feature_engineering: bool,
    run_end_to_end_data: bool,
    run_train_reranker: bool,
    run_rag_evaluation: bool,
    run_cdc: bool,
    etl_config_filename: str,
    no_cache: bool,
    export_settings: bool,
) -> None:
    """Run MoodSwarm's pipelines.

    Exit code: 0 when all went well, 1 when a pipeline failed, 2 when a flag, a setting or a configuration is wrong
    (nothing was started then).
    """
    wanted = {
        "smoke_test": (run_smoke_test, "smoke_test.yaml"),
        "digital_data_etl": (run_etl, etl_config_filename),
        "feature_engineering": (run_feature_engineering, "feature_engineering.yaml"),
        "end_to_end_data": (run_end_to_end_data, "end_to_end_data.yaml"),
        "train_reranker": (run_train_reranker, "train_reranker.yaml"),
        "rag_evaluation": (run_rag_evaluation, "rag_evaluation.yaml"),
    }
    has_pipelines = export_settings or any(chosen for chosen, _ in wanted.values())
    if not has_pipelines and not run_cdc:
        raise click.UsageError("Say what to run, for example --run-end-to-end-data. See --help.")
    if has_pipelines:
        _run_pipelines(
            {name: filename for name, (chosen, filename) in wanted.items() if chosen}, no_cache, export_settings
        )
    if run_cdc:
        from tools import _cdc

        _cdc.run_cdc()


def _run_pipelines(wanted: dict[str, str], no_cache: bool, export_settings: bool) -> None:
    """Check all configurations, then run one pipeline after the other."""
    from llm_engineering.bootstrap import current_settings
    from llm_engineering.bootstrap_environment import export_zenml_environment
    from tools._pipeline_configs import check_config

    configs = {name: check_config(name, filename) for name, filename in wanted.items()}
    settings = current_settings()
    quiet_libraries()
    export_zenml_environment(settings)
    if export_settings:
        _export(settings.exportable())
    pipelines = [_configured(name, config, use_cache=not no_cache) for name, config in configs.items()]
    for pipeline in pipelines:
        _run(pipeline)


def _export(values: dict[str, str]) -> None:
    from llm_engineering.infrastructure.zenml_secrets import write_secret

    write_secret("settings", values)
    click.echo(
        f"Exported to the ZenML secret 'settings': {', '.join(sorted(values)) or 'nothing, all is at its default'}."
    )
    click.echo("Set SETTINGS_SECRET=settings where they are to be used.")


def _configured(name: str, config: Path, use_cache: bool) -> "Pipeline":
    """The pipeline with its configuration and a run name that has the time in it."""
    from importlib import import_module

    import yaml
    from pydantic import ValidationError
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    from llm_engineering.domain.errors import PipelineConfigError

    pipeline: Pipeline = getattr(import_module(f"pipelines.{name}"), name)
    run_name = f"{name}_run_{datetime.now().astimezone():%Y_%m_%d_%H_%M_%S_%f}"
    try:
        PipelineRunConfiguration.model_validate(yaml.safe_load(config.read_text(encoding="utf-8")))
        return pipeline.with_options(
            config_path=str(config), run_name=run_name, enable_cache=None if use_cache else False
        )
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise PipelineConfigError(f"{config.name}: ZenML refuses it: {'; '.join(problems)}") from error
    except ValueError as error:
        raise PipelineConfigError(f"{config.name}: ZenML refuses it: {' '.join(str(error).split())}") from error


def _run(pipeline: "Pipeline") -> None:
    """Run one pipeline and print its reports; leave with exit code 1 when it fails."""
    from tools._report import print_reports

    started = datetime.now(UTC)
    try:
        run: PipelineRunResponse | None = pipeline()
    except RuntimeError as error:
        _print_crawls_since(started)
        # ZenML's way to say that a step failed; the step's own error was logged above.
        fail(f"{error}. More in the dashboard: make dashboard", EXIT_FAILED)
    else:
        if run:  # a remote orchestrator that does not wait gives none
            print_reports(run)


def _print_crawls_since(started: datetime) -> None:
    """A step that failed leaves no artifact: what was crawled all the same stands in the document store."""
    from llm_engineering.bootstrap import build_services
    from llm_engineering.domain.errors import DependencyUnavailableError
    from tools._report import print_etl_report

    with build_services() as services:
        try:
            runs = services.documents.runs(limit=20)
        except DependencyUnavailableError:
            return  # that the store does not answer is what the step has said
    for report in reversed(runs):
        if report.started_at >= started and report.finished_at:
            print_etl_report(report)


if __name__ == "__main__":
    main()
