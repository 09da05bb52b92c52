"""A reranker of the user's own corpus."""

from typing import Any

from zenml import pipeline

from steps import reranking


@pipeline
def train_reranker(question_set: str | None = None, training: dict[str, Any] | None = None) -> None:
    """Fine-tune a small cross-encoder on the stored chunks; it serves only if it is better than none."""
    reranking.train_reranker(question_set=question_set, training=training or {})
