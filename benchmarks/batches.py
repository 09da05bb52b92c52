"""How the embedding model's rate and memory depend on the batch size, on this machine's CPU.

    python -m benchmarks.batches

The texts are this project's docs, repeated, each a window long at most, in random order of length within windows of 512
that are sorted as the pipeline sorts them. Every batch size runs in a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from llm_engineering.bootstrap import build_services
from llm_engineering.settings import PROJECT_ROOT

SIZES = (4, 8, 16, 32)
WINDOW, WINDOWS = 512, 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Rate and memory by batch size.")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    size = parser.parse_args().child
    if size:
        print(json.dumps(_measure(size)))
        return
    table = Table("Batch", "Chunks/s", "Peak MiB", title="Embedding on the CPU", title_justify="left")
    for batch in SIZES:
        command = [sys.executable, "-m", "benchmarks.batches", "--child", str(batch)]
        result = subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, check=True)
        measured = json.loads(result.stdout.splitlines()[-1])
        table.add_row(str(batch), f"{measured['rate']:.1f}", f"{measured['peak_mib']:.0f}")
    Console().print(table)


def _measure(size: int) -> dict[str, float]:
    with build_services() as services:
        embedder = services.embedder
        text = "\n".join(page.read_text(encoding="utf-8") for page in sorted((PROJECT_ROOT / "docs").glob("*.md")))
        starts = embedder.token_starts(text)
        texts = [text[a:b] for a, b in _slices(starts, embedder.max_tokens)]
        windows: list[list[str]] = [
            sorted((texts * (WINDOW * WINDOWS))[i * WINDOW : (i + 1) * WINDOW], key=len, reverse=True)
            for i in range(WINDOWS)
        ]
        model: Any = embedder._model  # type: ignore[attr-defined]
        model.encode(windows[0][:size], batch_size=size)
        started = time.perf_counter()
        for window in windows:
            model.encode(window, batch_size=size, show_progress_bar=False)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": WINDOW * WINDOWS / seconds, "peak_mib": peak}


def _slices(starts: list[int], max_tokens: int) -> list[tuple[int, int]]:
    """Slices of 40 to `max_tokens` tokens, lengths taking turns."""
    lengths, position = [40, max_tokens, 120, max_tokens - 30, 200], 0
    slices: list[tuple[int, int]] = []
    while position + max_tokens < len(starts):
        length = lengths[len(slices) % len(lengths)]
        slices.append((starts[position], starts[position + length]))
        position += length
    return slices


if __name__ == "__main__":
    main()
