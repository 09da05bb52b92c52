"""What the application needs from the outside, as protocols. Adapters stand in `infrastructure`, fakes in `tests`.

What brings documents in has its protocols in `sources.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from llm_engineering.domain.chunks import EmbeddedChunk, Vector
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, FeatureState, RawDocument
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.domain.queries import Answer, Query, RetrievedChunk
from llm_engineering.domain.reports import DocumentCount, EtlReport, WriteCounts
from llm_engineering.domain.sources import SourceState


class DocumentStore(Protocol):
    """Authors and raw documents. Writing the same document twice changes nothing."""

    def get_or_create_author(self, full_name: str) -> Author: ...

    def authors(self) -> Iterator[Author]: ...

    def upsert(self, documents: Iterable[RawDocument]) -> WriteCounts:
        """Write what is new or changed; a text with the words of another of the author's is linked to it."""

    def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]: ...

    def ids(self, category: DataCategory) -> Iterator[UUID]: ...

    def count(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> int: ...

    def delete_vanished(self, source: str, author_id: UUID, present: Iterable[UUID]) -> int:
        """Delete the source's documents that are not among `present`; returns how many."""

    def count_source(self, source: str, author_id: UUID) -> int:
        """How many documents of the source are stored, or linked to stored ones."""

    def source_state(self, source: str, author_id: UUID) -> SourceState | None: ...

    def save_source_state(self, state: SourceState) -> None: ...

    def sources_listed_by(self, listing: str, author_id: UUID) -> list[SourceState]:
        """The sources that this listing once led to and that are not gone."""

    def save_run(self, report: EtlReport) -> None:
        """Write a run's report, also over an earlier state of it."""

    def runs(self, limit: int) -> list[EtlReport]:
        """The last runs, latest first."""

    def statistics(self) -> list[DocumentCount]:
        """How many documents there are by author, category and platform."""

    def documents_of_link(self, link: str) -> dict[DataCategory, list[UUID]]:
        """The documents with this link or from this source, whosever they are."""

    def forget_author(self, author_id: UUID) -> dict[str, int]:
        """Erase the author with every trace; returns how many records went, by collection."""

    def forget_link(self, link: str) -> dict[str, int]:
        """Erase the link's documents with every trace; returns how many records went, by collection."""

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the store does not answer."""


class VectorStore(Protocol):
    """Cleaned documents (without vectors) and embedded chunks, a collection of each a category."""

    def prepare(self, dimension: int) -> None:
        """Create what is missing. Raises ModelMismatchError when the chunks stored have another dimension."""

    def feature_states(self, category: DataCategory) -> dict[UUID, FeatureState]: ...

    def upsert_documents(
        self, category: DataCategory, documents: Sequence[tuple[CleanedDocument, FeatureState]]
    ) -> None: ...

    def upsert_chunks(self, category: DataCategory, chunks: Sequence[EmbeddedChunk]) -> None: ...

    def delete_chunks(self, category: DataCategory, chunk_ids: Sequence[UUID]) -> None: ...

    def delete_documents(self, category: DataCategory, document_ids: Sequence[UUID]) -> None: ...

    def search(
        self,
        vectors: Sequence[Vector],
        categories: Sequence[DataCategory],
        limit: int,
        author_id: UUID | None = None,
    ) -> list[list[RetrievedChunk]]:
        """For each vector, the `limit` nearest chunks of all the categories, nearest first."""

    def forget(
        self, category: DataCategory, *, author_id: UUID | None = None, document_ids: Sequence[UUID] = ()
    ) -> dict[str, int]:
        """Erase all points of the author or the documents; returns how many went, by collection."""

    def count_chunks(self, category: DataCategory) -> int: ...

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the store does not answer."""


class Embedder(Protocol):
    """Turns text into unit vectors."""

    @property
    def model_id(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text are read, without the model's special ones."""

    @property
    def batch_size(self) -> int:
        """How many texts of the window's length to embed at once."""

    def token_starts(self, text: str) -> list[int]:
        """The offset of each token's first character; its length is the token count."""

    def embed(self, texts: Sequence[str]) -> list[Vector]: ...


class LanguageModel(Protocol):
    """Writes text."""

    @property
    def model_id(self) -> str: ...

    @property
    def follows_instructions(self) -> bool:
        """Whether it takes a ChatPrompt; a base model takes a CompletionPrompt."""

    def generate(self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int) -> str:
        """Raises DependencyUnavailableError when the model cannot be reached or refuses."""

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the model does not answer."""


class Twin(Protocol):
    """What the HTTP API serves."""

    def answer(self, query: Query) -> Answer: ...

    def health(self) -> dict[str, str]:
        """'ok', or what is wrong, by dependency."""


class Advance(Protocol):
    """Moves one piece of work on."""

    def __call__(self, amount: float, found: int = 0) -> None:
        """`amount` more is done, and `found` more is to do than was known before."""


class Progress(Protocol):
    """Tells a person how far a long piece of work is."""

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """The context yields a function that adds to what is done."""
