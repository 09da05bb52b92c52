"""Measure retrieval on a set of questions, make such sets, and write the best setting back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools._cli import clean_exit, configure_logging

if TYPE_CHECKING:
    from llm_engineering.application.evaluation.generator import Generation
    from llm_engineering.bootstrap import Services
    from llm_engineering.bootstrap_evaluation import Evaluation
    from llm_engineering.domain.evaluation import EvaluationReport

_DEFAULT_QUESTIONS = 100
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option("--questions", help="Question set (JSONL) instead of the configuration's; with --generate, how many.")
@click.option("--config", default="rag_evaluation.yaml", show_default=True, help="Grid: a file in configs/ or a path.")
@click.option("--split", default=None, help="Split of the set (or all), or of a BEIR folder.  [default: test]")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder of picture, page and JSON.")
@click.option("--write-best", is_flag=True, help="Tune on 'development', report on 'test', write retrieval.yaml.")
@click.option("--beir", type=_FOLDER, help="Score on a BEIR folder, which is indexed for the run only.")
@click.option("--generate", type=_FILE, help="Make questions from what is stored, into this file; goes on.")
@click.option(
    "--method",
    type=click.Choice(["model", "headings"]),
    default="model",
    show_default=True,
    help="Questions by the language model, or from the headings without one.",
)
@click.option("--seed", default="moodswarm", show_default=True, help="Which passages --generate draws.")
@click.option("--corpus-dir", type=_FOLDER, help="Make questions of the dump in this folder, not of what is stored.")
@clean_exit
def main(
    questions: str | None,
    config: str,
    split: str | None,
    output: Path | None,
    write_best: bool,
    beir: Path | None,
    generate: Path | None,
    method: str,
    seed: str,
    corpus_dir: Path | None,
) -> None:
    """Score every configuration of a grid: Recall, MRR, nDCG and the time of each stage.

    Exit code 2 when a question set or configuration is wrong, 1 when a store or model does not answer.
    """
    if [beir is not None, generate is not None, write_best].count(True) > 1:
        raise click.UsageError("Say one of --beir, --generate and --write-best.")

    from llm_engineering.application.evaluation.generator import Generation
    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.bootstrap_evaluation import Evaluation
    from llm_engineering.settings import PROJECT_ROOT
    from tools._retrieval_file import RETRIEVAL_FILE, tune

    wanted = _number(questions) if generate else 0
    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    with build_services(settings) as services:
        evaluation = Evaluation(services)
        if generate:
            _generate(evaluation, services, Generation(generate, wanted, seed), method, corpus_dir)
            return
        parameters = _parameters(config)
        split, grid = split or parameters["split"], parameters["grid"]
        if beir:
            reports = [evaluation.run_beir(beir, split, grid)]
        elif write_best:
            reports = tune(evaluation, PROJECT_ROOT / (questions or parameters["question_set"]), grid, RETRIEVAL_FILE)
        else:
            asked = evaluation.question_set(questions or parameters["question_set"])
            reports = [evaluation.run(asked, split, evaluation.configurations(grid))]
        for report in reports:
            _show(report, output or settings.local_state_dir / "evaluation" / report.run_id)


def _number(text: str | None) -> int:
    if text is None:
        return _DEFAULT_QUESTIONS
    if not text.isdecimal() or not int(text):
        raise click.UsageError(f"With --generate, --questions is how many questions to make; got {text!r}.")
    return int(text)


def _parameters(config: str) -> dict[str, Any]:
    import yaml

    from tools._pipeline_configs import PARAMETERS, check_config

    path = check_config("rag_evaluation", config)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return PARAMETERS["rag_evaluation"].model_validate(content.get("parameters") or {}).model_dump()


def _show(report: "EvaluationReport", folder: Path) -> None:
    """Print the table, and write the picture, the page and the JSON."""
    from rich.console import Console

    from llm_engineering.infrastructure.charts.evaluation import evaluation_page, evaluation_png
    from tools._evaluation_report import evaluation_table
    from tools._report import console_for_tables

    folder.mkdir(parents=True, exist_ok=True)
    name = f"evaluation-{report.split}"
    (folder / f"{name}.png").write_bytes(evaluation_png(report))
    (folder / f"{name}.html").write_text(evaluation_page(report), encoding="utf-8")
    (folder / f"{name}.json").write_text(report.model_dump_json(indent=1), encoding="utf-8")
    console: Console = console_for_tables()
    console.print(evaluation_table(report))
    for warning in report.warnings:
        console.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    console.print(f"Picture, page and figures: {folder / name}.png, .html, .json", markup=False, soft_wrap=True)


def _generate(
    evaluation: "Evaluation", services: "Services", generation: "Generation", method: str, corpus_dir: Path | None
) -> None:
    from llm_engineering.application.evaluation.generator import ask_heading, ask_model, generate
    from llm_engineering.infrastructure.dumps import JsonDump

    documents = evaluation.dumped_passages(JsonDump(corpus_dir)) if corpus_dir else evaluation.passages()
    if method == "headings":
        report = generate(documents, generation, ask_heading, "headings", services.progress, is_generated=False)
    else:
        model = services.language_model
        report = generate(documents, generation, ask_model(model), model.model_id, services.progress)
    dropped = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items()) or "none"
    click.echo(f"{report.path}: {report.taken} questions ({report.splits}) of {report.tried} passages.")
    click.echo(f"Dropped: {dropped}.")
    if report.taken < generation.questions:
        click.echo(f"The corpus gave no more than these of the {generation.questions} wanted.")


if __name__ == "__main__":
    main()
