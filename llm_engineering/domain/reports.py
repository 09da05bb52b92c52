"""What a run did: small, typed and readable as an artifact, a log line or JSON. Counts, never contents."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

# What ZenML shows as metadata: text and numbers, in groups.
Metadata: TypeAlias = dict[str, Any]
# A feed with ten thousand dead links does not make a report of ten thousand lines.
SHOWN_FAILURES = 50


class WriteCounts(BaseModel):
    """What an upsert met in the store."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    linked: int = Field(default=0, description="Known by the same words under another link, and not stored again.")

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        return WriteCounts(
            new=self.new + other.new,
            changed=self.changed + other.changed,
            unchanged=self.unchanged + other.unchanged,
            linked=self.linked + other.linked,
        )

    @property
    def total(self) -> int:
        """Documents that are in the store now because of the upsert."""
        return self.new + self.changed + self.unchanged + self.linked


class SourceReport(BaseModel):
    """What became of one configured link, with all that it lists: pages of a feed, files of a repository."""

    link: str
    source: str = Field(default="", description="Canonical link of the source; '' where no crawler takes the link.")
    crawler: str | None = None
    documents: WriteCounts = WriteCounts()
    removed: int = Field(default=0, description="Documents that are at the source no more.")
    skipped: dict[str, int] = Field(default_factory=dict, description="What was left out on purpose, by reason.")
    failed: dict[str, int] = Field(default_factory=dict, description="What could not be read, by reason.")
    failures: dict[str, str] = Field(
        default_factory=dict, description=f"Reason by link or file, of the first {SHOWN_FAILURES}."
    )
    over_limit: dict[str, str] = Field(
        default_factory=dict, description=f"Of the first {SHOWN_FAILURES} files that a limit left out: which limit."
    )
    bytes_read: int = 0
    seconds: float = Field(default=0.0, description="Time spent on it; parts that ran side by side are added up.")

    @property
    def attempted(self) -> int:
        """Documents that were met, stored or not."""
        return self.documents.total + self.failed_count + sum(self.skipped.values())

    @property
    def failed_count(self) -> int:
        """How many parts failed."""
        return sum(self.failed.values())

    @property
    def success_rate(self) -> float:
        """Documents read, of those that were not left out on purpose; 1.0 where there was nothing to read."""
        wanted = self.documents.total + self.failed_count
        return self.documents.total / wanted if wanted else 1.0

    def fail(self, part: str, reason: str) -> None:
        """Count a failure; the reasons of the first ones are kept one by one."""
        self.failed[reason] = self.failed.get(reason, 0) + 1
        if len(self.failures) < SHOWN_FAILURES:
            self.failures[part] = reason

    def absorb(self, part: "SourceReport") -> None:
        """Add what became of a part."""
        self.documents += part.documents
        self.removed += part.removed
        self.bytes_read += part.bytes_read
        self.seconds = round(self.seconds + part.seconds, 3)
        for reason, count in part.skipped.items():
            self.skip(reason, count)
        for reason, count in part.failed.items():
            self.failed[reason] = self.failed.get(reason, 0) + count
        room = SHOWN_FAILURES - len(self.failures)
        self.failures |= dict(list(part.failures.items())[: max(room, 0)])
        room = SHOWN_FAILURES - len(self.over_limit)
        self.over_limit |= dict(list(part.over_limit.items())[: max(room, 0)])

    def skip(self, reason: str, count: int = 1) -> None:
        """Count what was left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + count


class EtlReport(BaseModel):
    """What a run of the ETL pipeline did, link by link."""

    id: UUID = Field(default_factory=uuid4)
    author: str
    started_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    finished_at: datetime | None = Field(default=None, description="None while it runs, and after a kill.")
    sources: list[SourceReport] = []

    @property
    def documents(self) -> WriteCounts:
        """New, changed, unchanged and linked documents of all sources."""
        return sum((source.documents for source in self.sources), WriteCounts())

    @property
    def failures(self) -> dict[str, str]:
        """Reason by link, of the failures that are kept one by one."""
        return {part: reason for source in self.sources for part, reason in source.failures.items()}

    @property
    def success_rate(self) -> float:
        """Mean of the sources' rates, so that a large repository does not hide a page that failed.

        A source in which there was nothing to read (a link given twice, what is gone for good) does not count.
        """
        rates = [source.success_rate for source in self.sources if source.documents.total + source.failed_count]
        return sum(rates) / len(rates) if rates else 1.0

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else 0.0

    def metadata(self) -> Metadata:
        """The report as ZenML metadata."""
        skipped = sum((Counter(source.skipped) for source in self.sources), Counter[str]())
        failed = sum((Counter(source.failed) for source in self.sources), Counter[str]())
        result: Metadata = {
            "author": self.author,
            "run": str(self.id),
            "success_rate": round(self.success_rate, 3),
            "seconds": round(self.seconds, 2),
            "bytes_read": sum(source.bytes_read for source in self.sources),
            "documents": {
                **self.documents.model_dump(),
                "removed": sum(source.removed for source in self.sources),
                "failed": failed.total(),
                "skipped": skipped.total(),
            },
            "sources": {source.link: describe(source) for source in self.sources},
        }
        if skipped:
            result["skipped"] = dict(skipped)
        if failed:
            result["failed"] = dict(failed)
            result["failures"] = self.failures
        return result


def describe(source: SourceReport) -> str:
    """One source in one line."""
    if source.failed and not source.documents.total:
        return f"failed: {'; '.join(source.failed)}"
    counts = {**source.documents.model_dump(), "removed": source.removed, "failed": source.failed_count}
    line = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name in ("new", "unchanged"))
    skipped = sum(source.skipped.values())
    return f"{line}, {skipped} left out" if skipped else line


class DocumentCount(BaseModel):
    """How many documents of one kind are stored."""

    author: str
    category: str
    platform: str
    documents: int


class ForgetReport(BaseModel):
    """What was erased, by place."""

    what: str
    removed: dict[str, int] = {}


class ImportReport(BaseModel):
    """What an import or an export of raw data moved."""

    authors: int = 0
    documents: dict[str, WriteCounts] = Field(default_factory=dict, description="By category.")
    rejected: dict[str, str] = Field(default_factory=dict, description="Reason by place in the files.")
