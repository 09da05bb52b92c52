"""What a look at a dataset shows: figures, doubtful samples, and the difference between two."""

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.dataset_reports import GateCheck, LengthBias, Stratum
from llm_engineering.domain.datasets import DatasetKind, Sample, Split
from llm_engineering.domain.inspection import Spread


class SplitFigures(BaseModel):
    """One split in numbers; lengths are in characters."""

    samples: int
    documents: int
    lengths: dict[str, Spread] = Field(description="By text: instruction, answer, rejected.")


class DatasetFigures(BaseModel):
    """A dataset in numbers."""

    kind: DatasetKind
    version: str
    splits: dict[Split, SplitFigures]
    strata: list[Stratum] = Field(description="Counted anew from the samples; documents without any are not in it.")
    methods: dict[str, int]
    models: dict[str, int]
    languages: dict[str, int] = Field(description="By ISO 639-1 code, most first; '' is unknown.")
    dropped: dict[str, int] = Field(description="By 'stage: reason', most first.")
    length_bias: LengthBias | None
    gate: list[GateCheck]


class Doubt(BaseModel):
    """What one check found."""

    model_config = ConfigDict(frozen=True)

    check: str
    looked_at: int = Field(description="How many samples, pairs or texts could be looked at.")
    found: int
    examples: list[str] = Field(default_factory=list, description="The first few, in words.")


class DatasetQuality(BaseModel):
    """What the checks found that need no language model."""

    kind: DatasetKind
    version: str
    doubts: list[Doubt] = Field(description="One for each check, also where it found nothing.")
    notes: list[str] = Field(default_factory=list, description="What could not be checked, and why.")

    @property
    def found(self) -> int:
        """How much is doubtful, by all checks together."""
        return sum(doubt.found for doubt in self.doubts)


class ChangedSample(BaseModel):
    """A sample whose instruction and document are in both datasets, with other answers."""

    before: Sample
    after: Sample


class DatasetDifference(BaseModel):
    """What became of one dataset in another."""

    before: DatasetFigures
    after: DatasetFigures
    new: list[Sample]
    gone: list[Sample]
    changed: list[ChangedSample]
    moved: list[Sample] = Field(description="In another split than before; there should be none.")
    moved_documents: list[str] = Field(description="Links of documents that were in the other split before.")
    same: int
