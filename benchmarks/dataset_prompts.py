"""Prompts built a second: from cleaned documents to the rendered prompts of both kinds of dataset.

    python -m benchmarks.dataset_prompts --data-dir DIR

DIR is a raw data dump in the handbook's JSON format (`tools.data_warehouse --export-raw-data` makes one). Cleaning is
timed apart, and no model is asked. One thread works, and its processor time is taken, which other load on the machine
does not change much; of several rounds the median is shown.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from llm_engineering.application.dataset.extracts import draw_extracts
from llm_engineering.application.dataset.recipes import first_tasks
from llm_engineering.application.dataset.verbatim import stands_in
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.application.preprocessing.site_noise import learn, noise_of
from llm_engineering.application.warehouse import COLLECTIONS, from_record
from llm_engineering.domain.dataset_options import GenerationOptions, SplitOptions
from llm_engineering.domain.datasets import DatasetKind, Extract
from llm_engineering.domain.documents import CleanedDocument, RawDocument
from llm_engineering.domain.generation import GenerationTask
from llm_engineering.infrastructure.dumps import JsonDump

Result = TypeVar("Result")
ALL = GenerationOptions(max_extracts=None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Prompts built a second, without a model.")
    parser.add_argument("--data-dir", type=Path, required=True, help="A raw data dump in the handbook's format.")
    parser.add_argument("--rounds", type=int, default=5, help="The median of so many is shown.")
    arguments = parser.parse_args()
    raw = _raw_documents(JsonDump(arguments.data_dir))
    cleaning, documents = _timed(lambda: _cleaned(raw), 1)
    Console().print(f"{len(documents)} documents, {sum(len(d.text) for d in documents):,} characters, ", end="")
    Console().print(f"cleaned in {cleaning:.2f} s")
    table = Table("Kind", "Model", "Prompts", "Seconds", "Prompts/s", "Characters", "Verbatim")
    for kind in DatasetKind:
        for follows in (True, False):
            name = "instructed" if follows else "base"
            table.add_row(kind, name, *_row(kind, documents, follows, arguments.rounds))
    Console().print(table)


def _row(kind: DatasetKind, documents: Sequence[CleanedDocument], follows: bool, rounds: int) -> list[str]:
    def build() -> tuple[list[Extract], list[GenerationTask]]:
        extracts = draw_extracts(documents, ALL, SplitOptions(), whole_paragraphs=not follows).extracts
        return extracts, first_tasks(kind, extracts, follows, ALL)

    seconds, (extracts, tasks) = _timed(build, rounds)
    texts = {document.id: document.text for document in documents}
    verbatim = sum(stands_in(extract.text, texts[extract.source.document_id]) for extract in extracts)
    length = statistics.median(len(extract.text) for extract in extracts) if extracts else 0
    rate = len(tasks) / seconds
    return [f"{len(tasks):,}", f"{seconds:.3f}", f"{rate:,.0f}", f"{length:,.0f}", f"{verbatim} of {len(extracts)}"]


def _raw_documents(dump: JsonDump) -> list[RawDocument]:
    present = [(category, name) for category, name in COLLECTIONS.items() if dump.has(name)]
    return [raw for category, name in present for record in dump.read(name) for raw in from_record(category, record)]


def _cleaned(raw: Sequence[RawDocument]) -> list[CleanedDocument]:
    noise = learn(raw)
    return [clean(document, noise_of(document, noise)) for document in raw]


def _timed(work: Callable[[], Result], rounds: int) -> tuple[float, Result]:
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        result = work()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds), result


if __name__ == "__main__":
    main()
