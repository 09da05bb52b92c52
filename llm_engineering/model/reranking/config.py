"""How a reranker is trained."""

from pydantic import BaseModel, ConfigDict, Field


class RerankerConfig(BaseModel):
    """The parameters of `configs/train_reranker.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: int = Field(default=600, ge=1, description="Training questions at most, drawn by hash.")
    evaluation_questions: int = Field(
        default=200, ge=1, description="Held-out questions at most; half as many for development."
    )
    development_share: float = Field(
        default=0.25, gt=0, lt=1, description="Of the documents that are not held out: these choose the epoch."
    )
    max_chunks: int = Field(default=20_000, ge=10, description="Of a larger corpus whole documents are drawn by hash.")
    candidates: int = Field(default=20, ge=2, le=20, description="Chunks a question that are put in order.")
    negatives: int = Field(default=3, ge=1, le=19, description="Wrong chunks beside the right one, a question.")
    max_score_ratio: float = Field(
        default=1.5, ge=1, description="A wrong chunk that scores more times the right one's is likely right: left out."
    )
    epochs: int = Field(default=2, ge=1, le=50)
    batch_size: int = Field(default=8, ge=1, description="Questions a step.")
    learning_rate: float = Field(default=3e-5, gt=0, le=1, description="Of the transformer's layers.")
    head_learning_rate: float = Field(default=2e-2, gt=0, le=1, description="Of what weighs the head's signals.")
    frozen_share: float = Field(default=0.5, ge=0, le=1, description="Of the layers, from the lowest: these stay.")
    warm_up: float = Field(default=0.1, ge=0, lt=1, description="Share of the steps in which the rates rise.")
    max_length: int = Field(default=256, ge=16, le=512, description="Tokens of a passage that are read.")
    seed: int = 42
    minimum_gain: float = Field(default=0.01, ge=0, description="In MRR; less is not worth the time that it costs.")
