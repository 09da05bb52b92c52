"""How well retrieval finds what it should."""

from typing import Any

from zenml import pipeline

from steps.rag_evaluation import evaluate_retrieval


@pipeline
def rag_evaluation(question_set: str, split: str = "test", grid: dict[str, list[Any]] | None = None) -> None:
    """Score every configuration of the grid on the questions of a split, or of 'all'."""
    evaluate_retrieval(question_set=question_set, split=split, grid=grid or {})
