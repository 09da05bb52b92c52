"""What the application needs from the outside, as protocols. Adapters stand in `infrastructure`, fakes in `tests`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from llm_engineering.domain.chunks import EmbeddedChunk, Vector
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, FeatureState, RawDocument
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.domain.queries import Answer, Query, RetrievedChunk
from llm_engineering.domain.reports import WriteCounts


@dataclass(frozen=True)
class FetchedPage:
    """An HTML page after redirects."""

    url: str
    html: str


@dataclass(frozen=True)
class ExtractedArticle:
    """The main content of a page as Markdown, and what the page says of itself."""

    title: str
    markdown: str
    canonical_url: str | None = None
    subtitle: str | None = None
    language: str | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class SourceFile:
    """A text file of a folder or repository; `path` is relative to its root, with forward slashes."""

    path: str
    text: str


@dataclass
class FileTree:
    """The text files under a root, read one by one, and how many were left out and why."""

    name: str
    link: str
    files: Iterator[SourceFile]
    skipped: dict[str, int] = field(default_factory=dict)


class PageFetcher(Protocol):
    """Brings one page of the web."""

    def fetch(self, url: str) -> FetchedPage:
        """Raises CrawlError with the reason when there is no HTML page to be had."""


class ArticleExtractor(Protocol):
    """Finds the main content in a page's HTML."""

    def extract(self, page: FetchedPage) -> ExtractedArticle:
        """Raises CrawlError when the page has no article in it."""


class FileSource(Protocol):
    """Opens a folder or a repository for reading; what it needed to fetch is gone when the context ends."""

    def handles(self, link: str) -> bool:
        """Whether the link is of this kind; nothing is fetched to find out."""

    def open(self, link: str) -> AbstractContextManager[FileTree]:
        """Raises CrawlError when the link cannot be opened."""


class DocumentStore(Protocol):
    """Authors and raw documents. Writing the same document twice changes nothing."""

    def get_or_create_author(self, full_name: str) -> Author: ...

    def authors(self) -> Iterator[Author]: ...

    def upsert(self, documents: Iterable[RawDocument]) -> WriteCounts: ...

    def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]: ...

    def ids(self, category: DataCategory) -> Iterator[UUID]: ...

    def count(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> int: ...

    def delete_vanished(self, source: str, author_id: UUID, present: Iterable[UUID]) -> int:
        """Delete the source's documents that are not among `present`; returns how many."""

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


class Progress(Protocol):
    """Tells a person how far a long piece of work is."""

    def task(self, description: str, total: int) -> AbstractContextManager[Callable[[float], None]]:
        """The context yields a function that adds to what is done."""
