"""Judge the twin's answers: faithful to the sources, relevant to the question, written from the right passages."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools._cli import EXIT_FAILED, clean_exit, configure_logging, fail

if TYPE_CHECKING:
    from rich.table import Table

    from llm_engineering.domain.answer_evaluation import AnswerReport, AnswerSample


@click.command()
@click.option(
    "--questions",
    "questions_file",
    default="configs/questions/quickstart.jsonl",
    show_default=True,
    help="A question set that names the passages with the answers; a relative path is below the project.",
)
@click.option("--split", default="test", show_default=True, help="Which half of the set.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many questions.")
@click.option("--offline", is_flag=True, help="Only the metrics that need no judge, even where one is configured.")
@click.option("--output", type=click.Path(path_type=Path), help="Write answers and scores to this file, as JSON.")
@clean_exit
def main(questions_file: str, split: str, limit: int, offline: bool, output: Path | None) -> None:
    """Let the twin answer questions, and score the answers with the library ragas (extra 'ragas').

    The judge is the model of OPENAI_*; without one, what can be compared without a language model is measured. Exit
    code 1 when a score could not be had; the table says how many.
    """
    from rich.console import Console

    from llm_engineering.application.evaluation.answers import answer_questions, draw
    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.bootstrap_evaluation import Evaluation
    from llm_engineering.domain.answer_evaluation import AnswerReport

    settings = current_settings()
    configure_logging("WARNING")
    with build_services(settings) as services:
        judge = services.answer_judge(offline)
        judge.check()
        questions = draw(Evaluation(services).question_set(questions_file), split, limit)
        samples, unanswered = answer_questions(
            questions,
            services.retriever,
            services.retrieval_options,
            services.vectors,
            services.language_model,
            services.progress,
        )
        with services.progress.task("Judging", total=len(samples)) as advance:
            report = AnswerReport(judge=judge.name, answers=judge.judge(samples, advance))
    console = Console(highlight=False)
    console.print(_table(report, len(questions)))
    for question_id, reason in unanswered.items():
        console.print(f"Not judged: {question_id}: {reason}", style="yellow", markup=False)
    if output:
        _write(output, report, samples)
    if report.failed:
        fail(f"{report.failed} scores could not be had; --output lists them by question.", EXIT_FAILED)


def _table(report: "AnswerReport", asked: int) -> "Table":
    from rich.table import Table

    table = Table(title=f"{len(report.answers)} of {asked} answers, {report.judge}", title_justify="left")
    table.add_column("Metric")
    table.add_column("Mean", justify="right")
    table.add_column("Answers", justify="right")
    for name, mean in report.means.items():
        scored = sum(name in answer.scores for answer in report.answers)
        table.add_row(name.replace("_", " "), f"{mean:.2f}", str(scored))
    return table


def _write(path: Path, report: "AnswerReport", samples: "Sequence[AnswerSample]") -> None:
    import json

    by_id = {sample.id: sample.model_dump(mode="json") for sample in samples}
    answers = [by_id[answer.id] | answer.model_dump(mode="json") for answer in report.answers]
    content = {"judge": report.judge, "means": report.means, "answers": answers}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
