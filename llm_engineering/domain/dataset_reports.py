"""How a dataset came to be: what was asked, what passed each check, and whether it may be published."""

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.generation import GenerationReport
from llm_engineering.domain.reports import Metadata


class FunnelStage(BaseModel):
    """One check, in the order of the checks."""

    model_config = ConfigDict(frozen=True)

    name: str
    kept: int
    dropped: dict[str, int] = Field(default_factory=dict, description="By reason.")


class Stratum(BaseModel):
    """The documents and samples of one author and category, by split."""

    model_config = ConfigDict(frozen=True)

    author: str
    category: DataCategory
    train_documents: int
    test_documents: int
    train_samples: int
    test_samples: int


class GateCheck(BaseModel):
    """One condition that a dataset must meet to be published."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    measured: str = Field(description="What was found, in words.")
    wanted: str = Field(description="What is asked for, in words.")


class LengthBias(BaseModel):
    """Whether the chosen answer could be told by its length alone."""

    model_config = ConfigDict(frozen=True)

    pairs: int
    chosen_longer: float = Field(
        description="Share of the pairs whose chosen answer is the longer one, 0 to 1; of a tie, half of it."
    )
    mean_ratio: float = Field(description="Geometric mean of chosen to rejected length, in characters.")


class DatasetReport(BaseModel):
    """Everything but the samples."""

    model_id: str
    method: str
    seed: str
    test_size: float
    documents: dict[DataCategory, int] = Field(description="Documents read, by category; those without any, too.")
    extracts: int
    generation: GenerationReport
    funnel: list[FunnelStage] = Field(default_factory=list)
    strata: list[Stratum] = Field(default_factory=list)
    length_bias: LengthBias | None = None
    gate: list[GateCheck] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether it may be published."""
        return bool(self.gate) and all(check.passed for check in self.gate)

    @property
    def dropped(self) -> dict[str, int]:
        """How many samples were dropped, by 'stage: reason', most first."""
        counts = {f"{stage.name}: {reason}": n for stage in self.funnel for reason, n in stage.dropped.items()}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def metadata(self) -> Metadata:
        """What ZenML shows beside the artifact."""
        samples = {
            split: sum(getattr(stratum, f"{split}_samples") for stratum in self.strata) for split in ("train", "test")
        }
        return {
            "samples": dict(samples),
            "model": self.model_id,
            "method": self.method,
            "extracts": self.extracts,
            "documents": {str(category): count for category, count in self.documents.items()},
            "asked": self.generation.asked,
            "reused": self.generation.reused,
            "malformed": self.generation.malformed,
            "cost_usd": self.generation.cost_usd if self.generation.cost_usd is not None else "unknown",
            "dropped": dict(self.dropped),
            "gate": "passed" if self.passed else "failed",
        }


class PublishedFile(BaseModel):
    """A file of a published dataset."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(description="Below the repository's root.")
    size: int = Field(description="Bytes.")
    rows: int | None = Field(default=None, description="Samples; None for a file of something else.")


class PublishReport(BaseModel):
    """What of a dataset went where; of a dry run, what would."""

    repository_id: str
    where: str
    private: bool | None = Field(description="Whether only its owner sees it; None for a folder.")
    revision: str | None = Field(default=None, description="None: nothing was sent.")
    content: str = Field(description="The dataset's version, a hash of its samples.")
    files: list[PublishedFile]
    gate: list[GateCheck]
    card: str

    @property
    def failed(self) -> list[GateCheck]:
        """What the dataset does not meet, and must."""
        return [check for check in self.gate if not check.passed]

    def metadata(self) -> Metadata:
        """What ZenML shows beside the artifact."""
        return {
            "repository": self.repository_id,
            "where": self.where,
            "revision": self.revision or "not published",
            "content": self.content,
            "bytes": sum(file.size for file in self.files),
            "rows": {file.path: file.rows for file in self.files if file.rows is not None},
        }


class ExportedFile(BaseModel):
    """What an artifact became."""

    model_config = ConfigDict(frozen=True)

    path: str
    records: int
    size: int = Field(description="Bytes.")


class ExportReport(BaseModel):
    """What was exported to JSON, and what was not there to be exported."""

    files: dict[str, ExportedFile] = Field(default_factory=dict, description="By artifact.")
    missing: dict[str, str] = Field(default_factory=dict, description="By artifact, what to do.")

    def metadata(self) -> Metadata:
        """What ZenML shows beside the artifact."""
        return {
            "records": {name: file.records for name, file in self.files.items()},
            "files": {name: file.path for name, file in self.files.items()},
            "missing": dict(self.missing),
        }
