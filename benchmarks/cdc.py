"""How long it takes from a write in MongoDB until the text is found by a search, with the real parts.

    python -m benchmarks.cdc --writes 100

A follower (`tools.run --run-cdc`) runs in a thread, on an embedded stack in a temporary folder that holds a few hundred
chunks already. Writes come one at a time, at random moments: inserts, and updates of what was inserted. Each text has a
word of its own, which is searched for until it is found.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.table import Table

from llm_engineering.application.preprocessing.cdc import follow_changes
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.bootstrap import Services, build_services
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.retrieval import QueryVectors, SearchRequest
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, load_settings

AUTHOR = Author.named("Ada Lovelace")
POLL_SECONDS = 0.01
GIVE_UP_SECONDS = 120.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="From a write in MongoDB to a search that finds it.")
    parser.add_argument("--writes", type=int, default=100, help="How many writes to time.")
    arguments = parser.parse_args()
    current = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        update = {"LOCAL_STATE_DIR": Path(folder), "MODELS_DIR": current.models_dir, "DATABASE_HOST": None}
        settings = current.model_copy(update=update | {"QDRANT_DATABASE_HOST": None, "USE_QDRANT_CLOUD": False})
        try:
            with build_services(settings) as services:
                latencies = _measure(services, arguments.writes)
        finally:
            MongoDaemon(Path(folder)).stop()
    _print(latencies, services.feature_makers.embedder.precision)


def _measure(services: Services, writes: int) -> list[float]:
    services.documents.upsert(_pages())
    sync_features(services.documents, services.vectors, services.feature_makers, services.progress)
    stop, followed = Event(), Event()
    follower = Thread(
        target=follow_changes,
        args=(
            services.change_feed,
            services.documents,
            services.vectors,
            services.feature_makers,
            stop,
            lambda _: followed.set(),
            services.progress,
        ),
    )
    follower.start()
    followed.wait(GIVE_UP_SECONDS)
    chance = random.Random(1)
    try:
        return [_time_write(services, number, chance) for number in range(writes)]
    finally:
        stop.set()
        follower.join()


def _time_write(services: Services, number: int, chance: random.Random) -> float:
    """Seconds from the call that writes until the search that finds the text has answered."""
    word = f"qzx{number}word"
    text = f"{_paragraph(chance)}\n\nIn this one there is {word}.\n\n{_paragraph(chance)}"
    time.sleep(chance.uniform(0, 1.0))
    started = time.perf_counter()
    services.documents.upsert([_document(f"https://example.com/written/{number // 2}", text)])
    request = SearchRequest(
        queries=[QueryVectors(sparse=services.feature_makers.sparse.encode_query(word))], limit=1, dense_weight=0.0
    )
    while not services.vectors.search(request)[0]:
        if time.perf_counter() - started > GIVE_UP_SECONDS:
            raise TimeoutError(f"Write {number} was not found within {GIVE_UP_SECONDS} s.")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - started


def _pages() -> list[RawDocument]:
    """This project's docs."""
    pages = sorted((PROJECT_ROOT / "docs").glob("*.md"))
    return [_document(f"https://example.com/{page.stem}", page.read_text(encoding="utf-8")) for page in pages]


def _document(link: str, text: str) -> RawDocument:
    return RawDocument.create(
        category=DataCategory.ARTICLES, platform="example.com", link=link, author=AUTHOR, title="A page", content=text
    )


def _paragraph(chance: random.Random) -> str:
    words = ("engine", "loom", "weaves", "patterns", "of", "algebra", "as", "flowers", "and", "leaves", "the")
    return " ".join(chance.choices(words, k=chance.randint(40, 160))).capitalize() + "."


def _print(latencies: list[float], precision: str) -> None:
    table = Table("Writes", "p50 s", "p95 s", "Longest s", title=f"Write to searchable, {precision}")
    p95 = statistics.quantiles(latencies, n=20)[-1] if len(latencies) > 1 else latencies[0]
    figures = (statistics.median(latencies), p95, max(latencies))
    table.add_row(str(len(latencies)), *(f"{figure:.2f}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
