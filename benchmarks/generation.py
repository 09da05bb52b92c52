"""How near asking many things at once comes to the ideal, against a server that answers after a fixed time.

    python -m benchmarks.generation --seconds 0.2 --concurrency 32

The server is a process of its own on loopback; each answer is checked against its form and stored in a MongoDB-wire
server in a temporary folder. With 32 at once and 0.2 s an answer, 160 answers a second would be ideal.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.generation import GenerationReport, GenerationTask, Price, Sampling
from llm_engineering.domain.prompts import ChatPrompt
from llm_engineering.infrastructure.db.mongo_generations import MongoGenerationStore
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.infrastructure.models.concurrent_model import ConcurrentOpenAIModel
from llm_engineering.infrastructure.models.openai_compatible import Endpoint
from llm_engineering.infrastructure.progress import ConsoleProgress
from llm_engineering.settings import PROJECT_ROOT

# About the length of an extract, and of five pairs made of it.
EXTRACT = "The engine weaves algebraic patterns as the loom weaves flowers and leaves. " * 20


class Pair(BaseModel):
    """An item of the form."""

    instruction: str
    answer: str


class Pairs(BaseModel):
    """The form of an answer."""

    pairs: list[Pair]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Throughput of generation, as a share of the ideal.")
    parser.add_argument("--seconds", type=float, default=0.2, help="How long the server takes for an answer.")
    parser.add_argument("--concurrency", type=int, default=32, help="Requests at once.")
    parser.add_argument("--tasks", type=int, default=1600, help="How many answers.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _server(arguments.seconds) as url:
        daemon = MongoDaemon(Path(folder))
        try:
            store = MongoGenerationStore(daemon.ensure_running().uri, "benchmark")
            # Connections, indexes and imports are made once a run, whatever its length.
            asyncio.run(_ask(url, store, arguments.concurrency, arguments.concurrency))
            report, wall = asyncio.run(_ask(url, store, arguments.concurrency, arguments.tasks))
            _check(store, report, arguments.concurrency + arguments.tasks)
            store.close()
        finally:
            daemon.stop()
    _print(arguments.tasks / wall, arguments.concurrency / arguments.seconds, arguments.tasks)


async def _ask(url: str, store: MongoGenerationStore, concurrency: int, count: int) -> tuple[GenerationReport, float]:
    model = ConcurrentOpenAIModel("stand-in", True, lambda: Endpoint(url, None))
    options = GenerationOptions(concurrency=concurrency, budget_usd=100)
    asker = Asker(model, store, Price(prompt=0.15, completion=0.6), options, ConsoleProgress())
    started = time.perf_counter()
    try:
        await asker.ask([_task() for _ in range(count)], "answers")
    finally:
        await model.aclose()
    return asker.report, time.perf_counter() - started


def _task() -> GenerationTask:
    prompt = ChatPrompt(system="Write pairs from the extract.", user=f"{uuid4()} {EXTRACT}")
    return GenerationTask(prompt, Sampling(1000), uuid4(), UUID(int=1), Pairs)


def _check(store: MongoGenerationStore, report: GenerationReport, stored: int) -> None:
    """Figures of a run that lost something would be none."""
    kept = store.count()
    if kept != stored or report.answered != report.tasks:
        raise SystemExit(f"{kept} of {stored} answers are stored; {report.answered} of {report.tasks} are right.")


@contextmanager
def _server(seconds: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.integration.openai_server", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT)
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.terminate()
        process.wait()


def _print(rate: float, ideal: float, tasks: int) -> None:
    table = Table("Answers", "Answers/s", "Ideal", "Share", title="Asked, checked and stored")
    table.add_row(str(tasks), f"{rate:.1f}", f"{ideal:.1f}", f"{rate / ideal:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
