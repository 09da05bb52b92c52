"""What the application needs from the outside, as protocols. Adapters stand in `infrastructure`, fakes in `tests`.

What brings documents in has its protocols in `sources.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from llm_engineering.domain.answers import Answer
from llm_engineering.domain.chunks import EmbeddedChunk, SparseVector, Vector
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, RawDocument
from llm_engineering.domain.features import FeatureState, IndexSpec, StoredChunk
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.domain.queries import Query, RetrievedChunk
from llm_engineering.domain.reports import DocumentCount, EtlReport, WriteCounts
from llm_engineering.domain.retrieval import SearchRequest
from llm_engineering.domain.sources import SourceState

Structured = TypeVar("Structured", bound=BaseModel)


class DocumentStore(Protocol):
    """Authors and raw documents. Writing the same document twice changes nothing."""

    def get_or_create_author(self, full_name: str) -> Author: ...

    def authors(self) -> Iterator[Author]: ...

    def upsert(self, documents: Iterable[RawDocument]) -> WriteCounts:
        """Write what is new or changed; a text with the words of another of the author's is linked to it."""

    def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]: ...

    def ids(self, category: DataCategory) -> Iterator[UUID]: ...

    def by_ids(self, document_ids: Sequence[UUID]) -> list[RawDocument]:
        """Those of the documents that are there, as they are now, in no order."""

    def rehash(self, document_ids: Sequence[UUID]) -> int:
        """Hash the stored texts anew where they were edited by hand; returns how many were."""

    def site_noise(self) -> dict[str, list[str]]:
        """Lines that repeat from page to page, by site; what `save_site_noise` stored last."""

    def save_site_noise(self, noise: dict[str, list[str]]) -> None:
        """Remember the lines that were learned of the sites given, forget a site without any; others stay."""

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
    """Cleaned documents (without vectors) and embedded chunks of one index, in two collections with fixed names.

    The names are aliases; behind them stands the active index, made by one set of models. `generation` gives another
    index to write into while the active one serves, `activate` lets the names lead to it.
    """

    def active(self) -> IndexSpec | None:
        """What the index that searches see was made by; None where there is none yet."""

    def prepare(self, spec: IndexSpec) -> None:
        """Create what is missing. Raises ModelMismatchError when the active index was made by other models."""

    def generation(self, spec: IndexSpec) -> "VectorStore":
        """The index of these models, active or not, created where it is missing."""

    def activate(self, spec: IndexSpec) -> None:
        """Let searches see this index from now on. The one before stays until the next `prepare`."""

    def cleaned_documents(
        self, category: DataCategory, author_ids: Sequence[UUID] | None = None
    ) -> Iterator[CleanedDocument]:
        """The cleaned documents of a category, of these authors or of all, in the order of their ids."""

    def feature_states(self, document_ids: Sequence[UUID] | None = None) -> dict[UUID, FeatureState]:
        """By document; of those of the given ones that are there, or of all."""

    def upsert_documents(self, documents: Sequence[tuple[CleanedDocument, FeatureState]]) -> None: ...

    def upsert_chunks(self, chunks: Sequence[EmbeddedChunk]) -> None: ...

    def delete_chunks(self, chunk_ids: Sequence[UUID]) -> None: ...

    def delete_chunks_from(self, first_index: Mapping[UUID, int]) -> None:
        """Delete the chunks of each of the documents from its index on, however many there are."""

    def delete_documents(self, document_ids: Sequence[UUID]) -> None: ...

    def stored_chunks(self) -> Iterator[StoredChunk]:
        """All chunks, without their texts, in no order."""

    def chunks(self, chunk_ids: Sequence[UUID]) -> list[RetrievedChunk]:
        """Those of the chunks that are there, in no order; their score is 0."""

    def search(self, request: SearchRequest) -> list[list[RetrievedChunk]]:
        """For each wording the best chunks, best first. A search of one branch scores as that branch does.

        Raises:
            ModelMismatchError: the dense vectors are of another length than the index's.
        """

    def vectors(self, chunk_ids: Sequence[UUID]) -> dict[UUID, Vector]:
        """The dense vectors of those of the chunks that are there."""

    def forget(self, *, author_id: UUID | None = None, document_ids: Sequence[UUID] = ()) -> dict[str, int]:
        """Erase all points of the author or the documents; returns how many went, by collection."""

    def count_chunks(self, category: DataCategory | None = None) -> int: ...

    def flush(self) -> None:
        """Let the engine tidy up after many writes: build indexes, merge segments."""

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the store does not answer."""


class Embedder(Protocol):
    """Turns text into unit vectors. Queries and passages are told apart, for some models read a prefix before them."""

    @property
    def model_id(self) -> str: ...

    @property
    def precision(self) -> str:
        """What it computes in, see IndexSpec. Known without loading the model."""

    @property
    def revision(self) -> str:
        """Which weights, see IndexSpec. May load the model."""

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """How many tokens of a passage are read, without the model's special ones and the passage's prefix."""

    @property
    def batch_size(self) -> int:
        """How many texts of the window's length to embed at once."""

    def token_starts(self, text: str) -> list[int]:
        """The offset of each token's first character; its length is the token count."""

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]: ...

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]: ...


class SparseEncoder(Protocol):
    """Turns text into term weights of BM25 (Robertson and Zaragoza, 2009); the vector store multiplies by IDF."""

    @property
    def name(self) -> str:
        """With its parameters: vectors of two encoders of the same name can be compared."""

    def encode_query(self, text: str) -> SparseVector: ...

    def encode_passage(self, text: str) -> SparseVector: ...


class Reranker(Protocol):
    """Reads question and passage together (a cross-encoder) and says how well they fit."""

    @property
    def model_id(self) -> str: ...

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """A score a passage, higher is better; only their order means something."""


class LanguageModel(Protocol):
    """Writes text."""

    @property
    def model_id(self) -> str: ...

    @property
    def follows_instructions(self) -> bool:
        """Whether it takes a ChatPrompt; a base model takes a CompletionPrompt."""

    def generate(
        self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int, timeout_seconds: float | None = None
    ) -> str:
        """Raises DependencyUnavailableError when the model cannot be reached, refuses, or is too slow."""

    def generate_structured(
        self, prompt: ChatPrompt, answer: type[Structured], max_tokens: int, timeout_seconds: float | None = None
    ) -> Structured:
        """An answer in the form of a pydantic model, held to its JSON schema by the server.

        Raises:
            DependencyUnavailableError: as `generate`.
            MalformedAnswerError: the answer is not of that form.
        """

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the model does not answer."""


class Twin(Protocol):
    """What the HTTP API serves."""

    def answer(self, query: Query) -> Answer: ...

    def health(self) -> dict[str, str]:
        """'ok', or what is wrong, by dependency."""


class Advance(Protocol):
    """Moves one piece of work on."""

    def __call__(self, amount: float, found: int = 0, note: str = "") -> None:
        """`amount` more is done, `found` more is to do than was known before; `note` says how it stands otherwise."""


class Progress(Protocol):
    """Tells a person how far a long piece of work is."""

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """The context yields a function that adds to what is done."""
