"""The embedding model in float32 and in int8, side by side on this CPU, in one process.

    python -m benchmarks.embedding

The chunks are slices of this project's docs as long as chunks are, most of them near the model's window. The two take
turns, for machines are noisy: the ratio of a round is worth more than the rates.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from llm_engineering.bootstrap_environment import share_the_cores
from llm_engineering.bootstrap_models import build_embedder
from llm_engineering.domain.batching import batched
from llm_engineering.domain.ports import Embedder
from llm_engineering.settings import PROJECT_ROOT, load_settings

# Parts of the window, in turns; a corpus of long articles fills it about so.
LENGTHS = (1.0, 0.95, 0.4, 0.9, 1.0, 0.7, 0.98, 0.2)
QUESTIONS = (
    "How does the chunker split a long sentence?",
    "What happens when MongoDB is down?",
    "Which model embeds the chunks, and how many tokens does it read?",
    "Why are ids deterministic?",
    "How do I follow a blog that has no feed?",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="float32 and int8 side by side.")
    parser.add_argument("--chunks", type=int, default=96, help="How many chunks a round embeds.")
    parser.add_argument("--rounds", type=int, default=3, help="How often the two take turns.")
    arguments = parser.parse_args()
    share_the_cores()
    settings = load_settings().model_copy(update={"RAG_MODEL_DEVICE": "cpu"})
    full, small = (
        build_embedder(settings.model_copy(update={"EMBEDDING_PRECISION": precision}))
        for precision in ("float32", "int8")
    )
    _compare(full, small, _chunks(full, arguments.chunks), arguments.rounds)


def _compare(full: Embedder, small: Embedder, chunks: Sequence[str], rounds: int) -> None:
    both = (full, small)
    expected, got = (embedder.embed_passages(chunks) for embedder in both)  # also warms up
    cosines = [sum(x * y for x, y in zip(one, other, strict=True)) for one, other in zip(expected, got, strict=True)]
    rates: list[tuple[float, float]] = []
    latencies: dict[str, list[float]] = {embedder.precision: [] for embedder in both}
    for _ in range(rounds):
        one, two = (len(chunks) / _seconds(_passages(embedder, chunks)) for embedder in both)
        rates.append((one, two))
        for embedder in both:
            latencies[embedder.precision] += _query_seconds(embedder)
    table = Table("", "Chunks/s", "One question p50 ms", title=f"{len(chunks)} chunks, {rounds} rounds in turns")
    for position, embedder in enumerate(both):
        rate = statistics.median(pair[position] for pair in rates)
        milliseconds = statistics.median(latencies[embedder.precision]) * 1000
        table.add_row(embedder.precision, f"{rate:.1f}", f"{milliseconds:.1f}")
    console = Console()
    console.print(table)
    ratios = sorted(two / one for one, two in rates)
    console.print(f"int8 : float32 = {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f} by round)")
    console.print(f"Cosine of int8 to float32: mean {statistics.mean(cosines):.4f}, least {min(cosines):.4f}")


def _passages(embedder: Embedder, chunks: Sequence[str]) -> Callable[[], object]:
    return lambda: [embedder.embed_passages(batch) for batch in batched(chunks, embedder.batch_size)]


def _query_seconds(embedder: Embedder) -> list[float]:
    return [_seconds(lambda: embedder.embed_queries([question])) for question in QUESTIONS * 4]  # noqa: B023


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _chunks(embedder: Embedder, count: int) -> list[str]:
    """Slices of the docs, longest first as the pipeline sorts them."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted((PROJECT_ROOT / "docs").glob("*.md")))
    starts = embedder.token_starts(text)
    window, position = embedder.max_tokens, 0
    slices: list[tuple[int, str]] = []
    while position + window < len(starts) and len(slices) < count:
        length = int(window * LENGTHS[len(slices) % len(LENGTHS)])
        slices.append((length, text[starts[position] : starts[position + length]]))
        position += length
    return [piece for _, piece in sorted(slices, reverse=True)]


if __name__ == "__main__":
    main()
