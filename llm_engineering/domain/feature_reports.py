"""What the feature pipeline did, what a follower of changes applied, and how the two stores differ."""

from pydantic import BaseModel, Field

from llm_engineering.domain.errors import InconsistentStoresError
from llm_engineering.domain.reports import SHOWN_FAILURES, Metadata

# A store that lost everything does not make a report of a hundred thousand lines.
SHOWN_DIFFERENCES = 10


class CategoryFeatures(BaseModel):
    """What the feature pipeline did with one category."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = Field(default=0, description="Documents that vanished from the document store.")
    empty: int = Field(default=0, description="Documents of which cleaning left no text.")
    failed: int = Field(default=0, description="Documents that could not be cleaned or cut.")
    chunks_embedded: int = 0
    characters: int = Field(default=0, description="Of the cleaned texts.")

    def __add__(self, other: "CategoryFeatures") -> "CategoryFeatures":
        mine, others = self.model_dump(), other.model_dump()
        return CategoryFeatures(**{name: value + others[name] for name, value in mine.items()})


class FeatureReport(BaseModel):
    """What a run of the feature pipeline did."""

    embedding_model: str
    categories: dict[str, CategoryFeatures] = {}
    failures: dict[str, str] = Field(
        default_factory=dict, description=f"Reason by link, of the first {SHOWN_FAILURES} documents that failed."
    )
    seconds: float = 0.0
    seconds_by_stage: dict[str, float] = Field(
        default_factory=dict, description="learn noise, load model, clean and chunk, embed, load."
    )

    @property
    def total(self) -> CategoryFeatures:
        """All categories together."""
        return sum(self.categories.values(), CategoryFeatures())

    @property
    def chunks_embedded(self) -> int:
        """Chunks of all categories that went through the embedding model."""
        return self.total.chunks_embedded

    def fail(self, category: CategoryFeatures, link: str, reason: str) -> None:
        """Count a failure; the reasons of the first ones are kept one by one."""
        category.failed += 1
        if len(self.failures) < SHOWN_FAILURES:
            self.failures[link] = reason

    def absorb(self, later: "FeatureReport") -> None:
        """Add what a later pass over the same documents did; what it found unchanged is no news."""
        for name, category in later.categories.items():
            self.categories[name] += category.model_copy(update={"unchanged": 0, "failed": 0})
        for stage, seconds in later.seconds_by_stage.items():
            self.seconds_by_stage[stage] = self.seconds_by_stage.get(stage, 0.0) + seconds
        self.seconds += later.seconds

    def require_complete(self) -> None:
        """Raises InconsistentStoresError when a document failed."""
        if self.total.failed:
            link, reason = next(iter(self.failures.items()))
            raise InconsistentStoresError(
                f"{self.total.failed} documents have no up-to-date features, all others have. The first: {link}: "
                f"{reason}. Mend or delete them in MongoDB and run the feature pipeline again."
            )

    def metadata(self) -> Metadata:
        """The report as ZenML metadata."""
        result: Metadata = {
            "embedding_model": self.embedding_model,
            "chunks_embedded": self.chunks_embedded,
            "seconds": round(self.seconds, 2),
            "seconds_by_stage": {stage: round(seconds, 2) for stage, seconds in self.seconds_by_stage.items()},
        }
        for name, category in self.categories.items():
            result[name] = category.model_dump()
        if self.failures:
            result["failures"] = self.failures
        return result


class ChangeReport(BaseModel):
    """What a follower did with one batch of changes, or with all documents after it had lost its place."""

    applied: int = Field(default=0, description="Documents whose features were made anew.")
    removed: int = 0
    unchanged: int = Field(default=0, description="Changes that concern no feature, or were applied before.")
    failed: dict[str, str] = Field(default_factory=dict, description="Reason by link or id.")
    chunks: int = 0
    lag_seconds: float = Field(default=0.0, description="From the batch's first write until all was searchable.")
    reconciliation: FeatureReport | None = Field(default=None, description="Of a comparison of everything.")


class Differences(BaseModel):
    """How often the stores differ in one way."""

    count: int = 0
    examples: list[str] = Field(default_factory=list, description=f"Links or ids of the first {SHOWN_DIFFERENCES}.")

    def add(self, name: str) -> None:
        """Count one; the first ones are named."""
        self.count += 1
        if len(self.examples) < SHOWN_DIFFERENCES:
            self.examples.append(name)


class VerificationReport(BaseModel):
    """How the vector store differs from the document store, and what was done about it."""

    embedding_model: str
    index_problem: str | None = Field(default=None, description="How the index's models differ from the configured.")
    documents: int = Field(default=0, description="Documents in the document store.")
    chunks: int = Field(default=0, description="Chunks in the vector store.")
    missing: Differences = Field(default_factory=Differences, description="Documents without features.")
    stale: Differences = Field(default_factory=Differences, description="Features of an older text, or unfinished.")
    vanished: Differences = Field(default_factory=Differences, description="Features of documents that are no more.")
    incomplete: Differences = Field(
        default_factory=Differences, description="Documents that lack some of their chunks."
    )
    orphaned: Differences = Field(default_factory=Differences, description="Chunks that belong to no document.")
    edited: Differences = Field(
        default_factory=Differences, description="Texts edited in the document store, whose hash is another text's."
    )
    repaired: FeatureReport | None = Field(
        default=None, description="What a repair did; None where none was asked for."
    )
    chunks_deleted: int = Field(default=0, description="Orphaned chunks that a repair deleted.")
    rehashed: int = Field(default=0, description="Edited texts that a repair hashed anew.")

    @property
    def differences(self) -> dict[str, Differences]:
        """By kind."""
        return {
            "missing": self.missing,
            "stale": self.stale,
            "vanished": self.vanished,
            "incomplete": self.incomplete,
            "orphaned": self.orphaned,
            "edited": self.edited,
        }

    @property
    def is_consistent(self) -> bool:
        """Whether both stores say the same, as they were found."""
        return self.index_problem is None and not any(kind.count for kind in self.differences.values())

    def require_consistent(self) -> None:
        """Raises InconsistentStoresError with the remedy."""
        if self.index_problem:
            raise InconsistentStoresError(self.index_problem)
        if not self.is_consistent:
            found = ", ".join(f"{kind.count} {name}" for name, kind in self.differences.items() if kind.count)
            # The pipeline makes an edited text's features anew, but leaves its hash.
            also = "" if self.edited.count else ", or run the feature pipeline"
            raise InconsistentStoresError(
                f"The stores differ: {found}. Mend it: python -m tools.features --repair{also}."
            )
