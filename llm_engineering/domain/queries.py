"""A question, and the chunks that are retrieved for it."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import InvalidQueryError

MAX_QUERY_CHARACTERS = 2_000
MAX_RESULTS = 20


class Query(BaseModel):
    """A question that was checked to be one; build it with `create`."""

    model_config = ConfigDict(frozen=True)

    text: str
    author_full_name: str | None = None
    limit: int = Field(default=3, ge=1, le=MAX_RESULTS)

    @classmethod
    def create(cls, text: str, author_full_name: str | None = None, limit: int = 3) -> Self:
        """Check and trim a question.

        Raises:
            InvalidQueryError: it is empty, has no letter or digit, is binary, is longer than `MAX_QUERY_CHARACTERS`,
                or asks for a number of results outside 1 to `MAX_RESULTS`.
        """
        text = text.strip()
        if not text:
            raise InvalidQueryError("The query is empty. Ask a question, for example 'How are documents chunked?'.")
        if len(text) > MAX_QUERY_CHARACTERS:
            raise InvalidQueryError(
                f"The query has {len(text):,} characters, more than the {MAX_QUERY_CHARACTERS:,} allowed. Shorten it."
            )
        if any(_is_binary(character) for character in text) or not any(c.isalnum() for c in text):
            raise InvalidQueryError("The query is not text. Ask a question in words.")
        if not 1 <= limit <= MAX_RESULTS:
            raise InvalidQueryError(f"The number of results must be between 1 and {MAX_RESULTS}; got {limit}.")
        return cls(text=text, author_full_name=author_full_name, limit=limit)


def _is_binary(character: str) -> bool:
    code = ord(character)
    return (code < 32 and character not in "\t\n\r") or 0xD800 <= code <= 0xDFFF or character == "\ufffd"


class RetrievedChunk(BaseModel):
    """A chunk that the vector store found. What `score` means depends on the search; higher is better.

    Dense: cosine, -1 to 1. Sparse: BM25. Hybrid: the sum of reciprocal ranks. After reranking: the reranker's.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    document_id: UUID
    category: DataCategory
    author_full_name: str
    title: str
    link: str
    text: str
    context: str
    lead: str = ""
    index: int = 0
    platform: str = ""
    language: str | None = None
    published_at: datetime | None = None
    score: float
