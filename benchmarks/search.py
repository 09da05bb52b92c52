"""Retrieval beside embedding its question alone, in one run, on an embedded store of generated chunks.

    python -m benchmarks.search --chunks 2000 --chunks 100000

The chunks have words of a Zipf distribution, their real BM25 vectors, and random unit vectors: what a search costs does
not depend on what the vectors mean. The questions are embedded by the configured model. Embedding, search and whole
retrieval (hybrid, rules only, no stage with a language model) take turns for each question, for machines are noisy.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.bootstrap import Services, build_services
from llm_engineering.domain.chunks import Chunk, EmbeddedChunk, chunk_id
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import QueryVectors, SearchRequest
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.local.qdrant_engine import temporary_store

VOCABULARY, WORDS_A_CHUNK, CHUNKS_A_DOCUMENT, WORDS_A_QUESTION = 20_000, 150, 10, 8
BATCH = 256
WARM_UP = 5
AUTHOR = Author.named("Ada Lovelace")

T = TypeVar("T")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Retrieval beside embedding its question alone.")
    parser.add_argument("--chunks", type=int, action="append", help="How many chunks are stored; may be repeated.")
    parser.add_argument("--questions", type=int, default=100, help="How many questions are asked.")
    arguments = parser.parse_args()
    with build_services() as services:
        for count in arguments.chunks or [2_000, 100_000]:
            with temporary_store() as store:
                _measure(services, store, count, arguments.questions)


def _measure(services: Services, store: QdrantVectorStore, count: int, questions: int) -> None:
    words = Words(seed=1)
    started = time.perf_counter()
    store.prepare(services.feature_makers.spec())
    for batch in _chunks(services, words, count):
        store.upsert_chunks(batch)
    filled = time.perf_counter() - started
    asked = [" ".join(words.draw(WORDS_A_QUESTION)) for _ in range(questions + WARM_UP)]
    _show(f"{count:,} chunks, as written", _times(services, store, asked))
    started = time.perf_counter()
    store.flush()
    flushed = time.perf_counter() - started
    _show(f"{count:,} chunks, after flush", _times(services, store, asked))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Console().print(
        f"{count:,} chunks: generated and written in {filled:.1f} s, flushed in {flushed:.1f} s, "
        f"{_size_on_disk(Path(store._where)):.0f} MiB on the disk, {peak:.0f} MiB of memory at the peak"
    )


class Words:
    """Words as texts have them: the n-th most frequent one comes 1 / n as often as the first."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        shares = 1 / np.arange(1, VOCABULARY + 1)
        self._until = np.cumsum(shares / shares.sum())

    def draw(self, count: int) -> list[str]:
        """So many words, one after the other."""
        return [f"w{index}" for index in np.searchsorted(self._until, self.generator.random(count))]

    def unit_vector(self, dimension: int) -> list[float]:
        """A random direction."""
        vector = self.generator.standard_normal(dimension)
        values: list[float] = (vector / np.linalg.norm(vector)).tolist()
        return values


def _chunks(services: Services, words: Words, count: int) -> Iterator[list[EmbeddedChunk]]:
    dimension, sparse = services.embedder.dimension, services.feature_makers.sparse
    for start in range(0, count, BATCH):
        batch = []
        for number in range(start, min(start + BATCH, count)):
            document, index = _document(number // CHUNKS_A_DOCUMENT), number % CHUNKS_A_DOCUMENT
            text = " ".join(words.draw(WORDS_A_CHUNK))
            chunk = Chunk(
                id=chunk_id(document.id, index),
                index=index,
                text=text,
                context=document.title,
                token_count=WORDS_A_CHUNK,
                document=document,
            )
            vector = words.unit_vector(dimension)
            batch.append(EmbeddedChunk(chunk=chunk, vector=vector, sparse=sparse.encode_passage(text)))
        yield batch


def _document(number: int) -> CleanedDocument:
    return CleanedDocument(
        id=UUID(int=number + 1),
        category=list(DataCategory)[number % len(DataCategory)],
        platform="generated",
        link=f"https://example.com/{number}",
        author_id=AUTHOR.id,
        author_full_name=AUTHOR.full_name,
        title=f"Document {number}",
        text="",
        language="en",
    )


def _times(services: Services, store: QdrantVectorStore, questions: list[str]) -> dict[str, list[float]]:
    """Seconds of each part, a value a question."""
    makers, options = services.feature_makers, services.retrieval_options
    retriever = Retriever(makers.embedder, makers.sparse, store, lambda: [AUTHOR], services.language_model, {})
    measured: dict[str, list[float]] = {"embedding alone": [], "search alone": [], "retrieval": []}
    for question in questions:
        [vector], embedding = _timed(partial(makers.embedder.embed_queries, [question]))
        both = QueryVectors(dense=vector, sparse=makers.sparse.encode_query(question))
        chosen = options.model_dump(include={"candidates", "fusion", "rrf_k", "dense_weight", "bm25_weight"})
        request = SearchRequest(queries=[both], limit=12, **chosen)
        [found], search = _timed(partial(store.search, request))
        retrieved, retrieval = _timed(partial(retriever.retrieve, Query.create(question), options))
        if not found or not retrieved.chunks:
            raise SystemExit(f"Nothing was found for {question!r}: this measures nothing.")
        for name, seconds in zip(measured, (embedding, search, retrieval), strict=True):
            measured[name].append(seconds)
    return {name: values[WARM_UP:] for name, values in measured.items()}


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def _show(title: str, measured: dict[str, list[float]]) -> None:
    table = Table("", "p50 ms", "p95 ms", "p50 to embedding's", title=title, title_justify="left")
    alone = statistics.median(measured["embedding alone"])
    for name, values in measured.items():
        p50, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        table.add_row(name, f"{p50 * 1e3:.1f}", f"{p95 * 1e3:.1f}", f"{p50 / alone:.2f}")
    Console().print(table)


def _size_on_disk(folder: Path) -> float:
    """MiB; the engine's files have room in them that takes none on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1024 / 1024


if __name__ == "__main__":
    main()
