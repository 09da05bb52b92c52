"""What a run did: small, typed and readable as an artifact, a log line or JSON. Counts, never contents."""

from collections import Counter
from typing import Any, TypeAlias

from pydantic import BaseModel, Field

# What ZenML shows as metadata: text and numbers, in groups.
Metadata: TypeAlias = dict[str, Any]


class WriteCounts(BaseModel):
    """What an upsert met in the store."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        return WriteCounts(
            new=self.new + other.new,
            changed=self.changed + other.changed,
            unchanged=self.unchanged + other.unchanged,
        )

    @property
    def total(self) -> int:
        """Documents that are in the store now because of the upsert."""
        return self.new + self.changed + self.unchanged


class SourceReport(BaseModel):
    """What became of one link."""

    link: str
    crawler: str | None = None
    documents: WriteCounts = WriteCounts()
    removed: int = 0
    skipped: dict[str, int] = Field(default_factory=dict, description="Files left out, counted by reason.")
    failure: str | None = None
    seconds: float = 0.0


class EtlReport(BaseModel):
    """What a run of the ETL pipeline did, link by link."""

    author: str
    sources: list[SourceReport] = []

    @property
    def documents(self) -> WriteCounts:
        """New, changed and unchanged documents of all sources."""
        return sum((source.documents for source in self.sources), WriteCounts())

    @property
    def failures(self) -> dict[str, str]:
        """The reason of each failed link."""
        return {source.link: source.failure for source in self.sources if source.failure}

    @property
    def everything_failed(self) -> bool:
        """Whether there were links and none could be read."""
        return bool(self.sources) and len(self.failures) == len(self.sources)

    def metadata(self) -> Metadata:
        """The report as ZenML metadata."""
        skipped = sum((Counter(source.skipped) for source in self.sources), Counter[str]())
        result: Metadata = {
            "author": self.author,
            "links": {"attempted": len(self.sources), "failed": len(self.failures)},
            "documents": {
                **self.documents.model_dump(),
                "removed": sum(source.removed for source in self.sources),
            },
            "sources": {source.link: describe(source) for source in self.sources},
        }
        if skipped:
            result["skipped_files"] = dict(skipped)
        if self.failures:
            result["failures"] = dict(self.failures)
        return result


def describe(source: SourceReport) -> str:
    """One source in one line."""
    if source.failure:
        return f"failed: {source.failure}"
    counts = source.documents
    line = f"{counts.new} new, {counts.changed} changed, {counts.unchanged} unchanged, {source.removed} removed"
    return f"{line}, {sum(source.skipped.values())} files left out" if source.skipped else line


class CategoryFeatures(BaseModel):
    """What the feature pipeline did with one category."""

    documents: WriteCounts = WriteCounts()
    removed: int = Field(default=0, description="Documents that vanished from the document store.")
    empty: int = Field(default=0, description="Documents of which cleaning left no text.")
    chunks_embedded: int = 0
    characters: int = 0


class FeatureReport(BaseModel):
    """What a run of the feature pipeline did."""

    embedding_model: str
    categories: dict[str, CategoryFeatures] = {}
    seconds: float = 0.0
    seconds_by_stage: dict[str, float] = Field(
        default_factory=dict, description="load model, clean, chunk, embed, load."
    )

    @property
    def chunks_embedded(self) -> int:
        """Chunks of all categories that went through the embedding model."""
        return sum(category.chunks_embedded for category in self.categories.values())

    def metadata(self) -> Metadata:
        """The report as ZenML metadata."""
        result: Metadata = {
            "embedding_model": self.embedding_model,
            "chunks_embedded": self.chunks_embedded,
            "seconds": round(self.seconds, 2),
            "seconds_by_stage": {stage: round(seconds, 2) for stage, seconds in self.seconds_by_stage.items()},
        }
        for name, category in self.categories.items():
            counts = category.model_dump(exclude={"documents"})
            result[name] = {**category.documents.model_dump(), **counts}
        return result


class ImportReport(BaseModel):
    """What an import or an export of raw data moved."""

    authors: int = 0
    documents: dict[str, WriteCounts] = Field(default_factory=dict, description="By category.")
    rejected: dict[str, str] = Field(default_factory=dict, description="Reason by place in the files.")
