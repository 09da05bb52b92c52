"""From questions to scores."""

from steps.rag_evaluation.evaluate_retrieval import evaluate_retrieval

__all__ = ["evaluate_retrieval"]
