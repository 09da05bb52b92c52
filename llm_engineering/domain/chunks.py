"""Pieces of a cleaned document, small enough for the embedding model's window."""

from typing import Self, TypeAlias
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_engineering.domain.documents import NAMESPACE, CleanedDocument

Vector: TypeAlias = list[float]


class SparseVector(BaseModel):
    """Weights of the terms of a text, by the term's number; terms that it does not have are left out."""

    model_config = ConfigDict(frozen=True)

    indices: list[int]
    values: list[float]

    @model_validator(mode="after")
    def _has_a_weight_for_each_term(self) -> Self:
        if len(self.indices) != len(self.values):
            raise ValueError("a weight for each index")
        return self


class Chunk(BaseModel):
    """An exact slice of a cleaned text. The slices of a document, joined in order, give the text back.

    `lead` repeats the end of the slice before, where the cut between the two went through a paragraph. Context and
    lead are embedded with the slice and stored apart from it.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    index: int
    text: str
    context: str = Field(description="Title and headings above the slice, or a file's path and the definition's name.")
    lead: str = Field(default="", description="The end of the slice before; '' where the cut is at a boundary.")
    token_count: int = Field(description="Tokens of `embedding_text`, without the model's special ones.")
    document: CleanedDocument = Field(repr=False)

    @property
    def embedding_text(self) -> str:
        """What the embedding model and the sparse encoder read."""
        return embedding_text(self.context, self.text, self.lead)


class EmbeddedChunk(BaseModel):
    """A chunk with its dense and its sparse vector."""

    model_config = ConfigDict(frozen=True)

    chunk: Chunk
    vector: Vector = Field(repr=False)
    sparse: SparseVector = Field(repr=False)


def chunk_id(document_id: UUID, index: int) -> UUID:
    """The id of a document's chunk at a position, counted from 0."""
    return uuid5(NAMESPACE, f"chunk:{document_id}:{index}")


def embedding_text(context: str, text: str, lead: str = "") -> str:
    """The context on a line of its own, then the lead and the slice as they stood in the text."""
    body = f"{lead}{text}".strip()
    return f"{context}\n{body}" if context else body
