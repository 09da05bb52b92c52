"""How the embedding model's rate and memory depend on the batch size, and on how idle threads wait, on this CPU.

    python -m benchmarks.batches

The texts are slices of this project's docs, of 40 tokens to a whole window, sorted as the pipeline sorts them. Every
measurement runs in a process of its own; "beside another" means that a second one like it runs at the same time.
"""

import argparse
import json
import os
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
CHUNKS = 256


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Rate and memory by batch size and wait policy.")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--policy", choices=["passive", "default"], default="passive", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measure(arguments.child, arguments.policy)))
        return
    sizes = Table("Batch", "Chunks/s", "Peak MiB", title="Embedding on the CPU", title_justify="left")
    for size in SIZES:
        [measured] = _children(size, "passive", 1)
        sizes.add_row(str(size), f"{measured['rate']:.1f}", f"{measured['peak_mib']:.0f}")
    Console().print(sizes)
    policies = Table("OMP_WAIT_POLICY", "Alone", "Beside another", title="Chunks/s, batches of 8", title_justify="left")
    for policy in ("default", "passive"):
        [alone], pair = _children(8, policy, 1), _children(8, policy, 2)
        policies.add_row(policy, f"{alone['rate']:.1f}", f"{sum(one['rate'] for one in pair) / 2:.1f}")
    Console().print(policies)


def _children(size: int, policy: str, how_many: int) -> list[Any]:
    command = [sys.executable, "-m", "benchmarks.batches", "--child", str(size), "--policy", policy]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment["EMBEDDING_PRECISION"] = "float32"
    children = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE) for _ in range(how_many)
    ]
    return [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]


def _measure(size: int, policy: str) -> dict[str, float]:
    if policy == "default":
        import torch  # noqa: F401  # reads the policy now, before the services set it
    with build_services() as services:
        embedder = services.embedder
        text = "\n".join(page.read_text(encoding="utf-8") for page in sorted((PROJECT_ROOT / "docs").glob("*.md")))
        slices = [text[a:b] for a, b in _slices(embedder.token_starts(text), embedder.max_tokens)]
        texts = sorted((slices * CHUNKS)[:CHUNKS], key=len, reverse=True)
        model: Any = embedder._model  # type: ignore[attr-defined]
        model.encode(texts[:size], batch_size=size)
        started = time.perf_counter()
        for start in range(0, CHUNKS, size):
            model.encode(texts[start : start + size], batch_size=size, show_progress_bar=False)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": CHUNKS / seconds, "peak_mib": peak}


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
