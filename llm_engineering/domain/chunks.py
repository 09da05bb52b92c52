"""Pieces of a cleaned document, small enough for the embedding model's window."""

from typing import TypeAlias
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import NAMESPACE, CleanedDocument

Vector: TypeAlias = list[float]


class Chunk(BaseModel):
    """An exact slice of a cleaned text. The chunks of a document, joined in order, give the text back."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    index: int
    text: str
    context: str = Field(description="Title and headings above the slice; embedded with it, stored apart.")
    token_count: int = Field(description="Tokens of `embedding_text`, without the model's special ones.")
    document: CleanedDocument = Field(repr=False)

    @property
    def embedding_text(self) -> str:
        """What the embedding model reads."""
        return embedding_text(self.context, self.text)


class EmbeddedChunk(BaseModel):
    """A chunk with its dense vector."""

    model_config = ConfigDict(frozen=True)

    chunk: Chunk
    vector: Vector = Field(repr=False)
    model_id: str


def chunk_id(document_id: UUID, index: int) -> UUID:
    """The id of a document's chunk at a position, counted from 0."""
    return uuid5(NAMESPACE, f"chunk:{document_id}:{index}")


def embedding_text(context: str, text: str) -> str:
    """The context on a line of its own, then the slice."""
    return f"{context}\n{text.strip()}" if context else text.strip()
