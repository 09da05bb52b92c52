"""Score retrieval on a set of questions."""

from typing import Annotated, Any

from zenml import log_metadata, step
from zenml.types import HTMLString

from llm_engineering.bootstrap import build_services
from llm_engineering.bootstrap_evaluation import Evaluation
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.infrastructure.charts.evaluation import evaluation_page


# Not cached: the index is outside of what ZenML sees.
@step(enable_cache=False)
def evaluate_retrieval(
    question_set: str, split: str, grid: dict[str, list[Any]]
) -> tuple[Annotated[EvaluationReport, "evaluation_report"], Annotated[HTMLString, "evaluation_page"]]:
    """Put the questions of the file's split to every configuration of the grid, on the index that serves."""
    with build_services() as services:
        evaluation = Evaluation(services)
        report = evaluation.run(evaluation.question_set(question_set), split, evaluation.configurations(grid))
    log_metadata(metadata=report.metadata())
    return report, HTMLString(evaluation_page(report))
