"""Changes of the document store, as they are followed (change data capture)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import DataCategory, RawDocument


class Change(BaseModel):
    """One write of the document store. `document` is None for a deletion, and where the record cannot be read."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["upsert", "delete"]
    document_id: UUID
    category: DataCategory
    document: RawDocument | None = None
    problem: str = Field(default="", description="Why the record cannot be read; '' where it can.")
    written_at: datetime | None = None


class ChangeBatch(BaseModel):
    """Changes in the order of the writes, and where to go on after them. A batch without changes moves the token on."""

    model_config = ConfigDict(frozen=True)

    changes: tuple[Change, ...]
    token: dict[str, Any]


class ChangeFeed(Protocol):
    """The document store's changes after a resume token. At least once: after a restart some come again."""

    def load_token(self) -> dict[str, Any] | None:
        """Where the follower last stood; None where it never ran."""

    def save_token(self, token: dict[str, Any]) -> None:
        """Remember that all up to here is applied; an empty token stands for 'nowhere'."""

    def now(self) -> dict[str, Any]:
        """A token for 'from here on', to be taken before a full reconciliation."""

    def follow(self, token: dict[str, Any], max_batch: int) -> AbstractContextManager[Iterator[ChangeBatch]]:
        """Batches of at most `max_batch` changes, as they come; an empty one when there is nothing for a second.

        Raises:
            ResumeTokenLostError: the store has forgotten what came after the token.
            DependencyUnavailableError: the store does not answer.
        """
