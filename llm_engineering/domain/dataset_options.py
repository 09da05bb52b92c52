"""How a dataset is made. Every number that decides about a sample stands here."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.hub import RepositoryId

Share = Annotated[float, Field(ge=0.0, le=1.0)]
# From which two texts are held to be one: at 0 all would be.
Threshold = Annotated[float, Field(gt=0.0, le=1.0)]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        values = dict(self)
        for name, least in values.items():
            most = values.get(name.replace("min_", "max_", 1)) if name.startswith("min_") else None
            if most is not None and least > most:
                raise ValueError(f"{name} not above {name.replace('min_', 'max_', 1)}, which is {most}")
        return self


class GenerationOptions(_Options):
    """What is asked, of how much text, and at what cost."""

    author_full_names: tuple[str, ...] = Field(default=(), description="Whose texts; () for everybody's.")
    categories: tuple[DataCategory, ...] = Field(default=tuple(DataCategory), min_length=1)
    max_extracts: int | None = Field(
        default=200, ge=1, description="Drawn by hash; None for all there are, all of which must fit into memory."
    )
    samples_per_extract: int = Field(default=5, ge=1, le=20, description="By a model that follows instructions.")
    min_extract_characters: int = Field(default=1000, ge=100)
    max_extract_characters: int = Field(default=2000, ge=200, le=20_000)
    concurrency: int = Field(default=8, ge=1, le=256, description="Requests at once.")
    budget_usd: float | None = Field(
        default=None, ge=0.0, allow_inf_nan=False, description="No more is spent; None for no limit."
    )
    judge: bool = Field(default=False, description="Let the model score every answer, and drop the poor ones.")


class QualityOptions(_Options):
    """What a sample must be to stay."""

    min_instruction_words: int = Field(default=3, ge=1)
    max_instruction_words: int = Field(default=60, ge=1)
    min_answer_characters: int = Field(default=100, ge=1)
    max_answer_characters: int = Field(default=4000, ge=1)
    max_copied_share: Share = Field(
        default=0.6, description="Of an instruction that its answer repeats, from the first word on."
    )
    near_duplicate: Threshold = Field(default=0.7, description="Jaccard similarity of shingles from which two are one.")
    max_shared_text: Threshold = Field(
        default=0.3, description="Of the shorter of a text of train and one of test, runs of words from which one goes."
    )
    same_meaning: Threshold = Field(default=0.95, description="Cosine of two instructions from which they are one.")
    min_grounding: Share = Field(default=0.5, description="Of a sentence's content words that its extract has.")
    contaminated_words: int = Field(
        default=8,
        ge=3,
        description="Words in a row that an evaluation question has. Expected passages of the sets may be answers.",
    )
    contaminated_cosine: Threshold = Field(default=0.9, description="Of an instruction and an evaluation question.")
    question_sets: tuple[str, ...] = Field(
        default=("configs/questions/quickstart.jsonl",), description="What must not be trained on; below the project."
    )
    min_score: int = Field(default=2, ge=1, le=3, description="Of the judge, in accuracy and in style.")
    max_length_ratio: float = Field(default=3.0, gt=1.0, description="Of chosen to rejected answer, either way.")
    max_same_words: Share = Field(default=0.8, description="Of the words of the shorter answer, those in the other.")
    max_length_bias: float = Field(default=1.5, gt=1.0, description="Geometric mean of that ratio, either way.")
    max_longer_share: float = Field(
        default=0.65,
        ge=0.5,
        le=1.0,
        description="Of the pairs, those with the longer chosen answer; or the shorter one.",
    )
    min_samples: int = Field(default=20, ge=1, description="Fewer are not published.")
    max_malformed: Share = Field(
        default=0.5, description="Of the tasks, answers malformed, refused or failed; more are not published."
    )


class SplitOptions(_Options):
    """Which documents are kept for testing."""

    test_size: float = Field(default=0.2, gt=0.0, lt=1.0, description="Share of the documents, about.")
    seed: str = Field(default="moodswarm", min_length=1, description="Another one draws other documents.")


class DatasetOptions(_Options):
    """All of it; the parameters of the pipelines' YAML files."""

    generation: GenerationOptions = GenerationOptions()
    quality: QualityOptions = QualityOptions()
    split: SplitOptions = SplitOptions()


class PublishOptions(_Options):
    """Where a dataset goes. The Hugging Face Hub only where it is asked for: it is a person's words."""

    dataset_id: RepositoryId = Field(default="moodswarm/twin", description="OWNER/NAME.")
    push_to_huggingface: bool = Field(default=False, description="Else a folder: LOCAL_STATE_DIR/hub.")
    private: bool = True
    license: str = Field(default="other", min_length=1, description="As in Hugging Face's dataset cards.")
