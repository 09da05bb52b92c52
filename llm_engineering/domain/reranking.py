"""What came of training a reranker: the card that is kept beside the weights, and shown as the run's report."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.evaluation import Interval
from llm_engineering.domain.reports import Metadata


class RankingScores(BaseModel):
    """Means over the questions, of one order of the same candidates."""

    model_config = ConfigDict(frozen=True)

    mrr: float = Field(description="Mean of 1 / rank of the first right chunk among the first 10; else 0.")
    recall_at_1: float = Field(description="Share of the questions whose first chunk is a right one.")


class Epoch(BaseModel):
    """How training went, pass by pass; number 0 is before the first."""

    model_config = ConfigDict(frozen=True)

    number: int
    loss: float | None = Field(description="Mean over the pass; None before the first.")
    development_mrr: float


class RerankerReport(BaseModel):
    """The card of one trained reranker."""

    base_model: str
    base_sha256: str = Field(description="Of the weights that training began with.")
    trained_at: str = Field(description="ISO 8601, UTC.")
    corpus_hash: str = Field(description="Hash of the ids and texts of the chunks that it was trained and tested on.")
    chunks: int
    groups: dict[str, int] = Field(description="Training questions with mined negatives, by source.")
    development: dict[str, int] = Field(description="Questions that chose the epoch, by source.")
    held_out: dict[str, int] = Field(description="Questions that decided on the promotion, by source.")
    config: dict[str, Any]
    epochs: list[Epoch]
    kept_epoch: int
    candidates: int = Field(description="How many chunks a question were put in order.")
    without: RankingScores = Field(description="The retriever's own order of the candidates of the held-out questions.")
    reranked: RankingScores = Field(description="The reranker's order of the same candidates.")
    by_source: dict[str, tuple[RankingScores, RankingScores]] = Field(description="Without and with it, by source.")
    gain: Interval = Field(description="In MRR, paired by question.")
    gain_recall_at_1: Interval
    seconds_per_query: float = Field(description="Median time to score the candidates of a question.")
    promoted: bool
    why: str
    folder: str = Field(default="", description="Where the weights are.")
    seconds: float = Field(default=0.0, description="How long the whole took.")

    def metadata(self) -> Metadata:
        """The card as ZenML metadata."""
        return self.model_dump(mode="json", exclude={"epochs"}) | {
            "epochs": {str(epoch.number): epoch.model_dump(exclude={"number"}) for epoch in self.epochs}
        }
