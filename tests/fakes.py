"""Fakes of the ports, for unit tests only. They are as strict as the real parts where the application relies on it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from llm_engineering.domain.chunks import EmbeddedChunk, Vector
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, FeatureState, RawDocument
from llm_engineering.domain.ports import Advance
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.domain.queries import RetrievedChunk
from tests.fake_stores import MemoryDocumentStore as MemoryDocumentStore  # noqa: PLC0414 - so that tests find all fakes here

ADA = Author.named("Ada Lovelace")


def article(content: str, link: str = "https://example.com/a", title: str = "", author: Author = ADA) -> RawDocument:
    """An article with this text."""
    return RawDocument.create(
        category=DataCategory.ARTICLES, platform="example.com", link=link, author=author, title=title, content=content
    )


def retrieved(
    text: str, score: float = 0.5, title: str = "A title", link: str = "https://example.com/a"
) -> RetrievedChunk:
    """A chunk as a search gives it."""
    return RetrievedChunk(
        id=UUID(int=abs(hash(text)) % 2**64),
        document_id=UUID(int=1),
        category=DataCategory.ARTICLES,
        author_full_name=ADA.full_name,
        title=title,
        link=link,
        text=text,
        context=title,
        embedding_model="words",
        score=score,
    )


class SilentProgress:
    """Adds up what was reported."""

    def __init__(self) -> None:
        self.done: dict[str, float] = {}

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        def advance(amount: float, found: int = 0) -> None:
            self.done[description] = self.done.get(description, 0) + amount

        yield advance


class Killed(BaseException):
    """Stands for a process that ends in the middle."""


class MemoryVectorStore:
    """Points in dictionaries. `die_after` writes raise Killed, as `kill -9` would end the process there."""

    def __init__(self) -> None:
        self.states: dict[UUID, FeatureState] = {}
        self.documents: dict[UUID, CleanedDocument] = {}
        self.chunks: dict[UUID, EmbeddedChunk] = {}
        self.die_after: int | None = None
        self.prepared_for: int | None = None

    def prepare(self, dimension: int) -> None:
        self.prepared_for = dimension

    def feature_states(self, category: DataCategory) -> dict[UUID, FeatureState]:
        return {id_: state for id_, state in self.states.items() if self.documents[id_].category is category}

    def upsert_documents(
        self, category: DataCategory, documents: Sequence[tuple[CleanedDocument, FeatureState]]
    ) -> None:
        self._count_down()
        for document, state in documents:
            self.documents[document.id] = document
            self.states[document.id] = state

    def upsert_chunks(self, category: DataCategory, chunks: Sequence[EmbeddedChunk]) -> None:
        assert self.prepared_for is not None
        self._count_down()
        for item in chunks:
            self.chunks[item.chunk.id] = item

    def delete_chunks(self, category: DataCategory, chunk_ids: Sequence[UUID]) -> None:
        self._count_down()
        for id_ in chunk_ids:
            self.chunks.pop(id_, None)

    def delete_documents(self, category: DataCategory, document_ids: Sequence[UUID]) -> None:
        self._count_down()
        for id_ in document_ids:
            self.documents.pop(id_, None)
            self.states.pop(id_, None)

    def forget(
        self, category: DataCategory, *, author_id: UUID | None = None, document_ids: Sequence[UUID] = ()
    ) -> dict[str, int]:
        self._count_down()

        def chosen(document: CleanedDocument) -> bool:
            return document.category is category and (document.author_id == author_id or document.id in document_ids)

        chunks = [id_ for id_, item in self.chunks.items() if chosen(item.chunk.document)]
        documents = [id_ for id_, document in self.documents.items() if chosen(document)]
        for id_ in chunks:
            del self.chunks[id_]
        for id_ in documents:
            del self.documents[id_]
            del self.states[id_]
        return {f"embedded_{category.value}": len(chunks), f"cleaned_{category.value}": len(documents)}

    def search(
        self,
        vectors: Sequence[Vector],
        categories: Sequence[DataCategory],
        limit: int,
        author_id: UUID | None = None,
    ) -> list[list[RetrievedChunk]]:
        return [self._search(vector, categories, limit, author_id) for vector in vectors]

    def count_chunks(self, category: DataCategory) -> int:
        return sum(item.chunk.document.category is category for item in self.chunks.values())

    def ping(self) -> None:
        pass

    def texts(self, document_id: UUID) -> list[str]:
        """The chunks' texts of a document, in order."""
        own = [item.chunk for item in self.chunks.values() if item.chunk.document.id == document_id]
        return [chunk.text for chunk in sorted(own, key=lambda chunk: chunk.index)]

    def _search(
        self, vector: Vector, categories: Sequence[DataCategory], limit: int, author_id: UUID | None
    ) -> list[RetrievedChunk]:
        found = []
        for item in self.chunks.values():
            document = item.chunk.document
            if document.category in categories and author_id in (None, document.author_id):
                score = sum(a * b for a, b in zip(vector, item.vector, strict=True))
                found.append(
                    RetrievedChunk(
                        id=item.chunk.id,
                        document_id=document.id,
                        category=document.category,
                        author_full_name=document.author_full_name,
                        title=document.title,
                        link=document.link,
                        text=item.chunk.text,
                        context=item.chunk.context,
                        embedding_model=item.model_id,
                        score=score,
                    )
                )
        return sorted(found, key=lambda chunk: chunk.score, reverse=True)[:limit]

    def _count_down(self) -> None:
        if self.die_after is None:
            return
        if self.die_after == 0:
            raise Killed
        self.die_after -= 1


class WordEmbedder:
    """Every word is a token; a text's vector says which of the known words are in it."""

    batch_size = 2
    WORDS = ("cat", "dog", "fish", "bird")

    def __init__(self, max_tokens: int = 16, model_id: str = "words") -> None:
        self.max_tokens = max_tokens
        self.model_id = model_id
        self.dimension = len(self.WORDS)
        self.embedded: list[str] = []
        self.batches: list[int] = []

    def token_starts(self, text: str) -> list[int]:
        return word_starts(text)

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.embedded.extend(texts)
        self.batches.append(len(texts))
        return [[float(word in text.lower()) for word in self.WORDS] for text in texts]


def word_starts(text: str) -> list[int]:
    """Where each run of characters that are not blank begins."""
    return [i for i, c in enumerate(text) if not c.isspace() and (i == 0 or text[i - 1].isspace())]


class ScriptedModel:
    """Says what it was given, and remembers what it was asked."""

    def __init__(self, text: str, follows_instructions: bool) -> None:
        self.model_id = "scripted"
        self.follows_instructions = follows_instructions
        self.prompts: list[ChatPrompt | CompletionPrompt] = []
        self._text = text

    def generate(self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int) -> str:
        self.prompts.append(prompt)
        return self._text

    def ping(self) -> None:
        pass
