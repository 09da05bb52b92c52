"""Fakes of the ports, for unit tests only. They are as strict as the real parts where the application relies on it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import sqrt
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

from llm_engineering.domain.chunks import Chunk, EmbeddedChunk, SparseVector, Vector, chunk_id
from llm_engineering.domain.documents import NAMESPACE, Author, CleanedDocument, DataCategory, RawDocument
from llm_engineering.domain.features import IndexSpec
from llm_engineering.domain.ports import Advance, Structured
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import Passage
from tests.fake_stores import MemoryDocumentStore as MemoryDocumentStore  # noqa: PLC0414 - so that tests find all fakes here
from tests.fake_stores import MemoryGenerations as MemoryGenerations  # noqa: PLC0414
from tests.fake_vectors import Killed as Killed  # noqa: PLC0414
from tests.fake_vectors import MemoryVectorStore as MemoryVectorStore  # noqa: PLC0414

ADA = Author.named("Ada Lovelace")


def article(content: str, link: str = "https://example.com/a", title: str = "", author: Author = ADA) -> RawDocument:
    """An article with this text."""
    return RawDocument.create(
        category=DataCategory.ARTICLES, platform="example.com", link=link, author=author, title=title, content=content
    )


def cleaned(
    text: str,
    name: str = "a",
    category: DataCategory = DataCategory.ARTICLES,
    author: Author = ADA,
    platform: str = "example.com",
    language: str | None = "en",
    published_at: datetime | None = None,
) -> CleanedDocument:
    """A cleaned document; its id follows from its name."""
    return CleanedDocument(
        id=uuid5(NAMESPACE, name),
        category=category,
        platform=platform,
        link=f"https://example.com/{name}",
        author_id=author.id,
        author_full_name=author.full_name,
        title=name,
        text=text,
        language=language,
        published_at=published_at,
    )


def embedded(document: CleanedDocument, vector: Vector, index: int = 0, text: str | None = None) -> EmbeddedChunk:
    """A chunk of the document, by default with its whole text; its sparse vector is WordEncoder's."""
    text = document.text if text is None else text
    chunk = Chunk(id=chunk_id(document.id, index), index=index, text=text, context="", token_count=1, document=document)
    return EmbeddedChunk(chunk=chunk, vector=vector, sparse=WordEncoder().encode_passage(text))


def retrieved(
    text: str, score: float = 0.5, title: str = "A title", link: str = "https://example.com/a", **fields: Any
) -> RetrievedChunk:
    """A chunk as a search gives it; `fields` says what else of it is not as usual."""
    usual: dict[str, Any] = {
        "id": uuid5(NAMESPACE, text),
        "document_id": UUID(int=1),
        "category": DataCategory.ARTICLES,
        "author_full_name": ADA.full_name,
        "context": title,
        "platform": "example.com",
    }
    return RetrievedChunk(**{**usual, "title": title, "link": link, "text": text, "score": score, **fields})


def passages(*chunks: RetrievedChunk) -> list[Passage]:
    """Each chunk as a passage of its own, numbered from 1."""
    return [Passage(number=number, chunk=chunk, text=chunk.text) for number, chunk in enumerate(chunks, start=1)]


def spec_of(embedder: "WordEmbedder", sparse: "WordEncoder | None" = None) -> IndexSpec:
    """What an index made by these is made by."""
    return IndexSpec(
        model_id=embedder.model_id,
        revision=embedder.revision,
        precision=embedder.precision,
        dimension=embedder.dimension,
        sparse_encoder=(sparse or WordEncoder()).name,
    )


class SilentProgress:
    """Adds up what was reported."""

    def __init__(self) -> None:
        self.done: dict[str, float] = {}
        self.notes: list[str] = []

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        def advance(amount: float, found: int = 0, note: str = "") -> None:
            self.done[description] = self.done.get(description, 0) + amount
            self.notes.append(note)

        yield advance


class WordEmbedder:
    """Every word is a token; a text's unit vector says which of the known words are in it.

    A text with none of them gets the zero vector. `queries` and `embedded` remember what was embedded as what.
    """

    batch_size = 2
    WORDS = ("cat", "dog", "fish", "bird")

    def __init__(
        self, max_tokens: int = 16, model_id: str = "words", revision: str = "1", precision: str = "float32"
    ) -> None:
        self.max_tokens = max_tokens
        self.model_id = model_id
        self.revision = revision
        self.precision = precision
        self.dimension = len(self.WORDS)
        self.queries: list[str] = []
        self.embedded: list[str] = []
        self.batches: list[int] = []

    def token_starts(self, text: str) -> list[int]:
        return word_starts(text)

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        self.queries.extend(texts)
        return [self._vector(text) for text in texts]

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        self.embedded.extend(texts)
        self.batches.append(len(texts))
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        found = [float(word in text.lower()) for word in self.WORDS]
        length = sqrt(sum(found)) or 1.0
        return [value / length for value in found]


class WordEncoder:
    """Every word in lower case is a term, its number its CRC-32; a passage weighs a term by how often it has it."""

    def __init__(self, name: str = "words") -> None:
        self.name = name

    def encode_query(self, text: str) -> SparseVector:
        terms = sorted(set(self._terms(text)))
        return SparseVector(indices=terms, values=[1.0] * len(terms))

    def encode_passage(self, text: str) -> SparseVector:
        terms = self._terms(text)
        indices = sorted(set(terms))
        return SparseVector(indices=indices, values=[float(terms.count(term)) for term in indices])

    def _terms(self, text: str) -> list[int]:
        return [crc32(word.strip(".,:;!?").encode()) for word in text.lower().split()]


def word_starts(text: str) -> list[int]:
    """Where each run of characters that are not blank begins."""
    return [i for i, c in enumerate(text) if not c.isspace() and (i == 0 or text[i - 1].isspace())]


class ScriptedModel:
    """Says what it was given, and remembers what it was asked. A structured answer is the text, parsed as JSON."""

    def __init__(self, text: str, follows_instructions: bool) -> None:
        self.model_id = "scripted"
        self.follows_instructions = follows_instructions
        self.prompts: list[ChatPrompt | CompletionPrompt] = []
        self._text = text

    def generate(
        self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int, timeout_seconds: float | None = None
    ) -> str:
        self.prompts.append(prompt)
        return self._text

    def generate_structured(
        self, prompt: ChatPrompt, answer: type[Structured], max_tokens: int, timeout_seconds: float | None = None
    ) -> Structured:
        self.prompts.append(prompt)
        return answer.model_validate_json(self._text)

    def ping(self) -> None:
        pass
