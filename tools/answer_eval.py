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
    type=click.Path(path_type=Path),
    default=Path("configs/questions/quickstart.jsonl"),
    show_default=True,
    help="A question set; its questions name the passages that hold the answers.",
)
@click.option("--split", default="test", show_default=True, help="Which half of the set.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many questions.")
@click.option("--offline", is_flag=True, help="Only the metrics that need no judge, even where one is configured.")
@click.option("--output", type=click.Path(path_type=Path), help="Write answers and scores to this file, as JSON.")
@clean_exit
def main(questions_file: Path, split: str, limit: int, offline: bool, output: Path | None) -> None:
    """Let the twin answer questions, and score the answers with the library ragas (extra 'ragas').

    The judge is the model of OPENAI_*; without one, what can be compared without a language model is measured. Exit
    code 1 when a score could not be had; the table says how many.
    """
    from rich.console import Console

    from llm_engineering.application.evaluation.answers import answer_questions
    from llm_engineering.application.evaluation.question_sets import read_question_set
    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.domain.answer_evaluation import AnswerReport
    from llm_engineering.domain.errors import InvalidQuestionSetError

    question_set = read_question_set(questions_file)
    questions = [question for question in question_set.questions if question.split == split][:limit]
    if not questions:
        splits = ", ".join(sorted({question.split for question in question_set.questions}))
        raise InvalidQuestionSetError(f"{questions_file} has no questions of the split {split!r}; it has {splits}.")
    settings = current_settings()
    configure_logging("WARNING")
    with build_services(settings) as services:
        judge = services.answer_judge(offline)
        judge.check()
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
