"""The feature pipeline beside the bare embedding model in float32, on the same chunks and machine, in one run.

    python -m benchmarks.features --data-dir DIR

DIR is a raw data dump in the handbook's JSON format (`tools.data_warehouse --export-raw-data` makes one, and the
companion repository of the LLM Engineer's Handbook has one in `data`). Every measurement runs in a process
of its own, on an embedded stack in a temporary folder. Bare and pipeline take turns, for machines are noisy.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from llm_engineering.bootstrap import Services, build_services
from llm_engineering.domain.documents import DataCategory
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings, load_settings

HELP_RUNS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The feature pipeline beside the bare embedding model.")
    parser.add_argument("--data-dir", type=Path, required=True, help="A raw data dump in the handbook's format.")
    parser.add_argument("--rounds", type=int, default=2, help="How often bare and pipeline take turns.")
    parser.add_argument("--child", choices=["import", "bare", "pipeline"], help=argparse.SUPPRESS)
    parser.add_argument("--copies", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measured = {"import": _import, "bare": _bare, "pipeline": _pipeline}[arguments.child](arguments)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**measured, "peak_mib": peak}))
    else:
        _compare(arguments.data_dir, arguments.rounds)


def _compare(data_dir: Path, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one", Path(folder) / "two"
        try:
            bare, first, second = _take_turns(data_dir, one, rounds)
            _child("import", data_dir, two, copies=2)
            doubled = _child("pipeline", data_dir, two)
            _reset_features(one)
            command = ["-m", "tools.run", "--run-feature-engineering"]
            whole_first, whole_second = _timed(command, one), _timed(command, one)
        finally:
            MongoDaemon(one).stop()
            MongoDaemon(two).stop()
    help_seconds = statistics.median(_timed(["-m", "tools.run", "--help"], None)["seconds"] for _ in range(HELP_RUNS))
    table = Table("What", "Figure", title="Feature pipeline", title_justify="left")
    bare_rate, rate = (statistics.median(run["chunks"] / run["seconds"] for run in runs) for runs in (bare, first))
    chunks = f"{first[0]['chunks']} and {bare[0]['chunks']}; {bare[0]['window_used']:.0%}"
    table.add_row("chunks, pipeline and bare; of a window's tokens used", chunks)
    table.add_row("bare model in float32, length-sorted", f"{bare_rate:.1f} chunks/s")
    table.add_row(f"clean, chunk, embed ({first[0]['precision']}), load", f"{rate:.1f} chunks/s")
    table.add_row("pipeline divided by bare model", f"{rate / bare_rate:.2f}")
    table.add_row("  seconds by stage", ", ".join(f"{k} {v:.2f}" for k, v in first[-1]["stages"].items()))
    table.add_row("second run, nothing changed", f"{second[-1]['chunks']} chunks, {second[-1]['seconds']:.2f} s")
    table.add_row(
        "peak memory: corpus, twice the corpus", f"{first[-1]['peak_mib']:.0f}, {doubled['peak_mib']:.0f} MiB"
    )
    for name, run in (("first", whole_first), ("second", whole_second)):
        table.add_row(f"tools.run, {name} run", f"{run['seconds']:.1f} s, peak {run['peak_mib']:.0f} MiB")
    table.add_row("tools.run --help", f"{help_seconds:.2f} s")
    Console().print(table)


def _take_turns(data_dir: Path, state: Path, rounds: int) -> tuple[list[Any], list[Any], list[Any]]:
    bare, first, second = [], [], []
    _child("import", data_dir, state)
    for _ in range(rounds):
        bare.append(_child("bare", data_dir, state))
        _reset_features(state)
        first.append(_child("pipeline", data_dir, state))
        second.append(_child("pipeline", data_dir, state))
    return bare, first, second


def _import(arguments: argparse.Namespace) -> dict[str, Any]:
    """Store the dump, `copies` times under different links."""
    from llm_engineering.application.warehouse import import_raw_data
    from llm_engineering.domain.documents import Author, RawDocument
    from llm_engineering.infrastructure.dumps import JsonDump

    with build_services() as services:
        import_raw_data(JsonDump(arguments.data_dir), services.documents, services.progress)
        originals = [raw for category in DataCategory for raw in services.documents.stream(category)]
        for copy in range(1, arguments.copies):
            for raw in originals:
                computed = {"id", "author_id", "author_full_name", "content_hash", "fingerprint", "source"}
                fields = raw.model_dump(exclude=computed)
                fields["link"] = f"{raw.link}/copy-{copy}"
                fields["content"] += f"\n\nCopy {copy}."  # the same words would be linked, not stored
                services.documents.upsert([RawDocument.create(**fields, author=Author.named(raw.author_full_name))])
    return {"documents": len(originals) * arguments.copies}


def _bare(_: argparse.Namespace) -> dict[str, Any]:
    """The texts that the pipeline embeds, straight through sentence-transformers in float32, sorted by length."""
    with build_services() as services:
        chunks = sorted(_chunks(services), key=lambda chunk: chunk.token_count, reverse=True)
        model: Any = services.embedder._model  # type: ignore[attr-defined]
        texts = [chunk.embedding_text for chunk in chunks]
        size = services.embedder.batch_size
        model.encode(texts[:size], batch_size=size)
        started = time.perf_counter()
        model.encode(texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False)
        seconds = time.perf_counter() - started
        used = statistics.mean(chunk.token_count for chunk in chunks) / services.embedder.max_tokens
    return {"chunks": len(texts), "seconds": seconds, "window_used": used}


def _pipeline(_: argparse.Namespace) -> dict[str, Any]:
    """Clean, chunk, embed and load, without the seconds that the model takes to load."""
    from llm_engineering.application.preprocessing.features import sync_features

    with build_services() as services:
        makers = services.feature_makers
        if not services.vectors.active():
            makers.spec()  # makes the int8 form where it is missing, once a machine
        report = sync_features(services.documents, services.vectors, makers, services.progress)
        stages = report.seconds_by_stage
        seconds = report.seconds - stages.get("load model", 0)
    precision = makers.embedder.precision
    return {"chunks": report.chunks_embedded, "seconds": seconds, "stages": stages, "precision": precision}


def _chunks(services: Services) -> list[Any]:
    from llm_engineering.application.preprocessing.making import prepare_document
    from llm_engineering.application.preprocessing.site_noise import learn, noise_of

    noise = learn(services.documents.stream(DataCategory.ARTICLES))
    return [
        piece
        for category in DataCategory
        for raw in services.documents.stream(category)
        for piece in prepare_document(raw, services.feature_makers, noise_of(raw, noise)).chunks
    ]


def _child(mode: str, data_dir: Path, state: Path, copies: int = 1) -> Any:
    command = ["-m", "benchmarks.features", "--child", mode, "--data-dir", str(data_dir), "--copies", str(copies)]
    Console(stderr=True).print(f"{mode} ...", style="dim")
    environment = _environment(state) | ({"EMBEDDING_PRECISION": "float32"} if mode == "bare" else {})
    result = subprocess.run(
        [sys.executable, *command], env=environment, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, check=True
    )
    return json.loads(result.stdout.splitlines()[-1])


def _timed(command: list[str], state: Path | None) -> dict[str, float]:
    """Seconds and peak memory of a whole command."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], env=_environment(state), cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return {"seconds": time.perf_counter() - started, "peak_mib": usage.ru_maxrss / 1024}


def _environment(state: Path | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    models = str(load_settings().models_dir)  # of this checkout: made once, and no part of what is measured
    return inherited if state is None else {**inherited, "LOCAL_STATE_DIR": str(state), "MODELS_DIR": models}


def _reset_features(state: Path) -> None:
    from llm_engineering.infrastructure.local.stack import LocalStack

    LocalStack(state, load_settings().models_dir, load_settings().TEXT_EMBEDDING_MODEL_ID).reset("qdrant")


if __name__ == "__main__":
    main()
