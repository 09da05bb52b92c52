"""What the twin answers, and what the answer rests on."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import RetrievalNotes

EXCERPT_CHARACTERS = 300


class Source(BaseModel):
    """A retrieved chunk as a reader sees it: where it is from and how it begins."""

    model_config = ConfigDict(frozen=True)

    title: str
    link: str
    score: float
    excerpt: str

    @classmethod
    def of(cls, chunk: RetrievedChunk) -> Self:
        """Name the chunk's origin and cut its text to `EXCERPT_CHARACTERS`."""
        text = " ".join(chunk.text.split())
        excerpt = text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1].rstrip() + "…"
        return cls(title=chunk.title, link=chunk.link, score=round(chunk.score, 4), excerpt=excerpt)


class Answer(BaseModel):
    """What the twin says, and what it rests on.

    `method` tells how the text came about: `generated` by the language model; `quoted`, a passage word for word,
    because what a small base model wrote was not supported by the sources; `none`, because nothing is stored yet.
    """

    model_config = ConfigDict(frozen=True)

    answer: str
    sources: list[Source]
    method: Literal["generated", "quoted", "none"]
    model_id: str
    timings: dict[str, float] = Field(description="Seconds by stage.")
    retrieval: RetrievalNotes = Field(default=RetrievalNotes(), description="How the sources were found.")
