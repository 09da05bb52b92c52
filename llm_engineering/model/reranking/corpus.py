"""The chunks that a reranker is trained on, and the documents that it never sees."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.chunks import embedding_text
from llm_engineering.domain.documents import text_hash
from llm_engineering.domain.ports import VectorStore
from llm_engineering.domain.queries import RetrievedChunk

Part = Literal["train", "development", "test"]


def part_of(document_id: UUID, seed: str, development_share: float) -> Part:
    """Whether a document is trained on, chooses the epoch, or decides on the promotion.

    Held out is the half of the documents that the generator of evaluation questions calls 'test' with the same seed:
    what `tools.rag_eval` reports on is about documents that the reranker has never seen.
    """
    number = int(text_hash(seed, "split", str(document_id))[:8], 16)
    if number % 2 == 0:
        return "test"
    return "development" if number / 2**32 < development_share else "train"


def passage_text(chunk: RetrievedChunk) -> str:
    """What a reranker reads of a chunk when it serves."""
    return embedding_text(chunk.context, chunk.text, chunk.lead)


def read_chunks(vectors: VectorStore, most: int) -> list[RetrievedChunk]:
    """The stored chunks in the order of their documents; of a larger corpus, whole documents drawn by hash."""
    stored = sorted(vectors.stored_chunks(), key=lambda chunk: (_drawn(chunk.document_id), chunk.index))
    cut = stored[:most]
    if len(stored) > most:  # a document at the cut goes whole
        cut = [chunk for chunk in cut if chunk.document_id != stored[most].document_id] or cut
    read: dict[UUID, RetrievedChunk] = {}
    for batch in batched((chunk.id for chunk in cut), BATCH_SIZE):
        read.update((chunk.id, chunk) for chunk in vectors.chunks(batch))
    return [read[chunk.id] for chunk in cut if chunk.id in read]


def corpus_hash(chunks: Sequence[RetrievedChunk]) -> str:
    """Stands for the ids and texts of the chunks; 16 hexadecimal digits."""
    return hash_of(text for chunk in chunks for text in (str(chunk.id), passage_text(chunk)))


def hash_of(texts: Iterable[str]) -> str:
    """16 hexadecimal digits for the texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]


def _drawn(document_id: UUID) -> str:
    return text_hash("reranker", str(document_id))
