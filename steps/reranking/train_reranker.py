"""Train a reranker on what is stored."""

from typing import Annotated, Any

from zenml import log_metadata, step

from llm_engineering.bootstrap import build_services
from llm_engineering.bootstrap_reranking import RerankerTraining
from llm_engineering.domain.reranking import RerankerReport
from llm_engineering.model.reranking.config import RerankerConfig


# Not cached: the index is outside of what ZenML sees.
@step(enable_cache=False)
def train_reranker(question_set: str | None, training: dict[str, Any]) -> Annotated[RerankerReport, "reranker_report"]:
    """Train, compare with no reranking on held-out documents, promote what is better. One that is not is a result."""
    with build_services() as services:
        report = RerankerTraining(services).run(RerankerConfig(**training), question_set)
    log_metadata(metadata=report.metadata())
    return report
