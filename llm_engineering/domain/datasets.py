"""Samples to train on, where each comes from, and the datasets they make."""

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.dataset_reports import DatasetReport
from llm_engineering.domain.documents import CleanedDocument, DataCategory, text_hash


class DatasetKind(StrEnum):
    """What is learned from a dataset: to follow instructions (SFT), or to prefer one answer to another (DPO)."""

    INSTRUCT = "instruct"
    PREFERENCE = "preference"

    @property
    def artifact_name(self) -> str:
        """The name of its ZenML artifact, the handbook's."""
        return f"{self.value}_datasets"


class Method(StrEnum):
    """How a sample was made."""

    GENERATED = "generated"  # a model that follows instructions wrote it from an extract, as in the handbook
    BACK_TRANSLATED = (
        "back-translated"  # the author's text is the answer, its instruction was guessed (Li et al., 2023)
    )


class Split(StrEnum):
    """The halves of a dataset. A document's samples all stand in the same one."""

    TRAIN = "train"
    TEST = "test"


class Source(BaseModel):
    """Where a sample comes from."""

    model_config = ConfigDict(frozen=True)

    document_id: UUID
    link: str
    title: str
    category: DataCategory
    author_id: UUID
    author_full_name: str
    language: str | None = None

    @classmethod
    def of(cls, document: CleanedDocument) -> Self:
        """The source of what is made from this document."""
        return cls(
            document_id=document.id,
            link=document.link,
            title=document.title,
            category=document.category,
            author_id=document.author_id,
            author_full_name=document.author_full_name,
            language=document.language,
        )


class Extract(BaseModel):
    """A part of a document that a prompt is made of: whole paragraphs of the cleaned text, without wrapped lines."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="Hash of the document's id and the text: says which extracts are drawn first.")
    source: Source
    heading: str = Field(description="The headings above it, outermost first, joined by ' > '; '' without any.")
    text: str

    @classmethod
    def create(cls, document: CleanedDocument, heading: str, text: str) -> Self:
        """An extract with its deterministic key."""
        key = text_hash(str(document.id), text)
        return cls(key=key, source=Source.of(document), heading=heading, text=text)


class Scores(BaseModel):
    """What a judge made of an answer, each 1 (poor) to 3 (good): the handbook's rubric."""

    model_config = ConfigDict(frozen=True)

    accuracy: int = Field(ge=1, le=3)
    style: int = Field(ge=1, le=3)


class Sample(BaseModel):
    """An instruction with the answer to learn; for preferences with the one to turn away from, too."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Hash of the document's id and the texts.")
    instruction: str
    answer: str = Field(description="Of a preference: the chosen one, word for word from the source.")
    rejected: str | None = Field(default=None, description="Of a preference: the other answer.")
    source: Source
    method: Method
    model_id: str = Field(description="The model that wrote what is not the author's.")
    scores: Scores | None = None

    @classmethod
    def create(
        cls, extract: Extract, instruction: str, answer: str, method: Method, model_id: str, rejected: str | None = None
    ) -> Self:
        """A sample with its deterministic id."""
        return cls(
            id=text_hash(str(extract.source.document_id), instruction, answer, rejected or ""),
            instruction=instruction,
            answer=answer,
            rejected=rejected,
            source=extract.source,
            method=method,
            model_id=model_id,
        )


class Candidate(BaseModel):
    """A sample before the checks, with the extract it was made from."""

    model_config = ConfigDict(frozen=True)

    sample: Sample
    extract: Extract


class DroppedSample(BaseModel):
    """A sample that did not pass, and why."""

    model_config = ConfigDict(frozen=True)

    sample: Sample
    stage: str = Field(description="The stage of the funnel that dropped it.")
    reason: str = Field(description="A few words, the same for all of a kind: they are counted.")
    detail: str = Field(default="", description="What in it, or which other sample.")


class DatasetHead(BaseModel):
    """What a dataset's files tell beside its samples."""

    kind: DatasetKind
    version: str
    report: DatasetReport


class TrainTestSplit(BaseModel):
    """A dataset: what passed, in two splits; what did not; and how it came to be."""

    kind: DatasetKind
    train: list[Sample]
    test: list[Sample]
    dropped: list[DroppedSample] = Field(default_factory=list)
    report: DatasetReport

    def of(self, split: Split) -> list[Sample]:
        """The samples of a split."""
        return self.train if split is Split.TRAIN else self.test

    def samples(self) -> Iterator[tuple[Split, Sample]]:
        """All samples, those to train on first."""
        for split in Split:
            for sample in self.of(split):
                yield split, sample

    @cached_property
    def version(self) -> str:
        """Hash of the content, 40 hexadecimal digits like a commit's: the same samples are the same version.

        A sample's id is the hash of its document and its texts. Links are not in it: published, a file's is its name.
        """
        return text_hash(self.kind, *(f"{split}:{sample.id}" for split, sample in self.samples()))[:40]

    @property
    def head(self) -> DatasetHead:
        """The dataset without its samples."""
        return DatasetHead(kind=self.kind, version=self.version, report=self.report)
