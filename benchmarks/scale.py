"""Memory of the feature pipeline as the corpus grows: 1,000, 10,000 and 100,000 chunks of generated text.

    python -m benchmarks.scale
    python -m benchmarks.scale --real --chunks 1000 --chunks 10000

Both stores are the real embedded ones, and each size is measured in a process of its own, which finds the documents
already in MongoDB. By default a stand-in makes the vectors, from the texts' hashes, for the real model would take an
hour for the largest; `--real` takes the configured model. Memory is sampled: what is the process's own, and apart from
it the pages of the engine's files that are mapped, which the system takes back when it needs them.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import IO, cast
from zlib import crc32

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.bootstrap import build_services
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings, load_settings

AUTHOR = Author.named("Ada Lovelace")
VOCABULARY, WORDS_A_PARAGRAPH, PARAGRAPHS_A_DOCUMENT = 20_000, 120, 20
# Of the stand-in, whose tokens are words and signs: a paragraph and its context fill most of the window.
WINDOW, DIMENSION, BATCH = 254, 384, 8
SAMPLE_SECONDS = 0.02
_TOKEN = re.compile(r"\w+|[^\w\s]")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Memory of the feature pipeline as the corpus grows.")
    parser.add_argument("--chunks", type=int, action="append", help="About how many chunks; may be repeated.")
    parser.add_argument("--real", action="store_true", help="Embed by the configured model instead of a stand-in.")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        for answer in _run(arguments.child, arguments.real):
            print(json.dumps(answer), flush=True)
        return
    made_by = "the configured model" if arguments.real else "a stand-in for the model, which only hashes the texts"
    columns = ("Documents", "Chunks", "Before, MiB", "Own peak, MiB", "Mapped peak, MiB", "Seconds", "Chunks/s")
    table = Table(*columns, title=f"Feature pipeline on embedded stores; vectors by {made_by}", title_justify="left")
    for count in arguments.chunks or [1_000, 10_000, 100_000]:
        table.add_row(*_measure(count, arguments.real))
    Console().print(table)


def _measure(chunks: int, real: bool) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        Console(stderr=True).print(f"{chunks:,} chunks ...", style="dim")
        try:
            with build_services(_settings(state)) as services:
                services.documents.upsert(_documents(-(-chunks // (PARAGRAPHS_A_DOCUMENT // 2))))
            command = [sys.executable, "-m", "benchmarks.scale", "--child", folder, *(["--real"] if real else [])]
            found, before, peaks = _watch(command)
        finally:
            MongoDaemon(state).stop()
    rate = found["chunks"] / found["seconds"]
    sizes = (f"{size:.0f}" for size in (before, *peaks))
    return [f"{found['documents']:,}", f"{found['chunks']:,}", *sizes, f"{found['seconds']:.1f}", f"{rate:.0f}"]


def _watch(command: list[str]) -> tuple[dict[str, float], float, list[float]]:
    """What the child says of its run, its own memory before, and the peaks from then on.

    It is watched from here, for while the engine merges segments, no thread of the child runs.
    """
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as child:
        output = cast("IO[str]", child.stdout)
        output.readline()
        before = _memory(child.pid)[0]
        with _sampled(child.pid) as peaks:
            line = output.readline()
    if child.returncode:
        raise SystemExit("The run failed: see above.")
    return json.loads(line), before, peaks


def _run(state: Path, real: bool) -> Iterator[dict[str, float]]:
    """One run of the pipeline in this process; the first of the two answers says that it is about to begin."""
    with build_services(_settings(state)) as services:
        configured = services.feature_makers
        makers = configured if real else FeatureMakers(HashEmbedder(), configured.sparse, configured.sizes)
        makers.spec()
        services.vectors.ping()
        yield {}
        started = time.perf_counter()
        report = sync_features(services.documents, services.vectors, makers, services.progress)
        seconds = time.perf_counter() - started
    yield {"documents": report.total.new, "chunks": report.chunks_embedded, "seconds": seconds}


class HashEmbedder:
    """Stands in for the embedding model: a text's unit vector follows from its CRC-32. Words and signs are tokens."""

    model_id, revision, precision = "stand-in", "1", "float32"
    dimension, max_tokens, batch_size = DIMENSION, WINDOW, BATCH

    def token_starts(self, text: str) -> list[int]:
        """The offset of each token's first character."""
        return [match.start() for match in _TOKEN.finditer(text)]

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each question."""
        return self.embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each passage."""
        made = np.array([np.random.default_rng(crc32(text.encode())).standard_normal(DIMENSION) for text in texts])
        unit = made / np.linalg.norm(made, axis=1, keepdims=True)
        vectors: list[Vector] = unit.tolist()
        return vectors


def _documents(count: int) -> Iterator[RawDocument]:
    """Articles of random words, frequent ones more often (Zipf), with a heading every few paragraphs."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(VOCABULARY)]
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    for number in range(count):
        drawn = chance.choices(words, weights, k=WORDS_A_PARAGRAPH * PARAGRAPHS_A_DOCUMENT)
        paragraphs = [
            ("## A heading\n\n" if start % 5 == 0 else "")
            + " ".join(drawn[start * WORDS_A_PARAGRAPH : (start + 1) * WORDS_A_PARAGRAPH]).capitalize()
            + "."
            for start in range(PARAGRAPHS_A_DOCUMENT)
        ]
        yield RawDocument.create(
            category=DataCategory.ARTICLES,
            platform="example.com",
            link=f"https://example.com/{number}",
            author=AUTHOR,
            title=f"Article {number}",
            content="\n\n".join(paragraphs),
        )


def _settings(state: Path) -> Settings:
    current = load_settings()
    update = {"LOCAL_STATE_DIR": state, "MODELS_DIR": current.models_dir, "DATABASE_HOST": None}
    return current.model_copy(update=update | {"QDRANT_DATABASE_HOST": None, "USE_QDRANT_CLOUD": False})


@contextmanager
def _sampled(pid: int) -> Iterator[list[float]]:
    """The highest of what `_memory` says during the block."""
    peaks, done = [0.0, 0.0], Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            peaks[:] = map(max, peaks, _memory(pid))

    sampler = Thread(target=sample)
    sampler.start()
    try:
        yield peaks
    finally:
        done.set()
        sampler.join()


def _memory(pid: int) -> tuple[float, float]:
    """MiB that are the process's own, and MiB of mapped files. Where the system does not tell, all is its own."""
    memory = psutil.Process(pid).memory_info()
    mapped = getattr(memory, "shared", 0)
    return (memory.rss - mapped) / 2**20, mapped / 2**20


if __name__ == "__main__":
    main()
