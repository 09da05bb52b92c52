"""Anybody's instruction or preference data, read as a dataset: to look at it with the same tools as at one's own.

Files of JSON lines, JSON or Parquet, alone or in a folder. Columns are known by the names that are usual for them; a
JSON file may nest its rows in lists and objects, whose keys can name the split.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from llm_engineering.application.dataset.layout import REPORT, read_layout, rows
from llm_engineering.domain.dataset_reports import DatasetReport
from llm_engineering.domain.datasets import DatasetKind, Method, Sample, Source, Split, TrainTestSplit
from llm_engineering.domain.documents import NAMESPACE, DataCategory, text_hash
from llm_engineering.domain.errors import InvalidDatasetError, MissingExtraError
from llm_engineering.domain.generation import GenerationReport

UNKNOWN = "unknown"
# The document of rows that name none.
NO_DOCUMENT = UUID(int=0)

_INSTRUCTION = ("instruction", "prompt", "question", "query")
_ANSWER = ("output", "answer", "chosen", "response", "completion")
_TEST_WORDS = frozenset({"test", "eval", "evaluation", "valid", "validation", "dev"})
_TRAIN_WORDS = frozenset({"train", "training"})
# What stands beside the rows in a dataset's own JSON.
_NO_ROWS = frozenset({"dropped", "report"})
_HASH_DIGITS = 64
_Rows = Iterator[tuple[str, Split, dict[str, Any]]]


def read_dataset(path: Path, kind: DatasetKind | None = None) -> TrainTestSplit:
    """A folder that `layout.write_layout` wrote, or else a file or folder of anybody's.

    A foreign sample has what its row says of its origin, and else NO_DOCUMENT and ''; the report's model is 'unknown'.
    Files, folders and keys named test, evaluation, validation or dev are for testing, all others for training.

    Raises:
        InvalidDatasetError: there is nothing to read, or a row is neither instruction nor preference data.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.
    """
    if (path / REPORT).is_file():
        return read_layout(path, kind)
    samples: dict[Split, list[Sample]] = {split: [] for split in Split}
    for file in _files(path):
        for where, split, row in _READERS[file.suffix.lower()](file, _split_of(_name(file, path), Split.TRAIN)):
            kind = kind or (DatasetKind.PREFERENCE if _has_rejected(row) else DatasetKind.INSTRUCT)
            samples[split].append(_sample(where, row, kind))
    if kind is None or not any(samples.values()):
        raise InvalidDatasetError(f"{path} has no row of instruction or preference data.")
    return TrainTestSplit(
        kind=kind, train=samples[Split.TRAIN], test=samples[Split.TEST], report=_report(samples, path.name)
    )


def _files(path: Path) -> list[Path]:
    candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [
        file
        for file in candidates
        if file.suffix.lower() in _READERS and file.is_file() and not file.name.startswith((".", "dropped."))
    ]
    if not files:
        wanted = ", ".join(_READERS)
        raise InvalidDatasetError(f"{path} is no file or folder with a dataset. Name one with files {wanted}.")
    return files


def _name(file: Path, path: Path) -> str:
    """What may tell the split: the file's name, and the folders' below the one that was named."""
    return file.relative_to(path).as_posix() if path.is_dir() else file.name


def _split_of(name: str, otherwise: Split) -> Split:
    words = set(re.split(r"[^a-z]+", name.lower()))
    if words & _TEST_WORDS:
        return Split.TEST
    return Split.TRAIN if words & _TRAIN_WORDS else otherwise


def _read_lines(path: Path, split: Split) -> _Rows:
    for where, value in rows(path):
        yield from _walk(where, split, value)


def _read_json(path: Path, split: Split) -> _Rows:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidDatasetError(f"{path} cannot be read as JSON: {error}.") from error
    yield from _walk(str(path), split, value)


def _read_parquet(path: Path, split: Split) -> _Rows:
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("pyarrow", "training", f"Reading {path}") from error
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield from _walk(str(path), split, row)
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidDatasetError(f"{path} cannot be read as Parquet: {type(error).__name__}.") from error


_READERS = {".jsonl": _read_lines, ".json": _read_json, ".parquet": _read_parquet}


def _walk(where: str, split: Split, value: Any) -> _Rows:
    """The rows in a value, however deep."""
    if isinstance(value, dict):
        if any(name in value for name in _INSTRUCTION):
            yield where, split, value
            return
        nested = {key: part for key, part in value.items() if isinstance(part, dict | list) and key not in _NO_ROWS}
        if not nested:
            raise InvalidDatasetError(f"{where}: expected one of the columns {_or(_INSTRUCTION)}, got {_or(value)}.")
        for key, part in nested.items():
            yield from _walk(where, _split_of(key, split), part)
    elif isinstance(value, list):
        for number, part in enumerate(value, start=1):
            yield from _walk(f"{where}[{number}]", split, part)
    else:
        raise InvalidDatasetError(f"{where}: expected an object, a row, got {str(value)[:60]!r}.")


def _sample(where: str, row: Mapping[str, Any], kind: DatasetKind) -> Sample:
    answer = next((name for name in _ANSWER if name in row), None)
    if answer is None:
        raise InvalidDatasetError(f"{where}: expected one of the columns {_or(_ANSWER)}, got {_or(row)}.")
    if _has_rejected(row) is not (kind is DatasetKind.PREFERENCE):
        has = "a" if _has_rejected(row) else "no"
        raise InvalidDatasetError(f"{where} has {has} 'rejected', and {kind} data is read.")
    instruction = "\n\n".join(filter(None, (_text(row, *_INSTRUCTION), _text(row, "input"))))
    texts = (instruction, _text(row, answer), _text(row, "rejected"))
    source = _source(row)
    given = row.get("id")
    known = isinstance(given, str) and len(given) == _HASH_DIGITS
    return Sample(
        id=given if known else text_hash(str(source.document_id), *texts),
        instruction=texts[0],
        answer=texts[1],
        rejected=texts[2] if kind is DatasetKind.PREFERENCE else None,
        source=source,
        method=row["method"] if row.get("method") in tuple(Method) else Method.GENERATED,
        model_id=_text(row, "model", "model_id") or UNKNOWN,
    )


def _has_rejected(row: Mapping[str, Any]) -> bool:
    return row.get("rejected") is not None


def _source(row: Mapping[str, Any]) -> Source:
    """What the row says of its origin: in columns of its own, or in one object `source`."""
    row = {**row, **row["source"]} if isinstance(row.get("source"), dict) else row
    link, category = _text(row, "link", "url", "source"), _text(row, "category")
    without_id = uuid5(NAMESPACE, link) if link else NO_DOCUMENT
    return Source(
        document_id=_uuid(row.get("document_id"), without_id),
        link=link,
        title=_text(row, "title"),
        category=DataCategory(category) if category in tuple(DataCategory) else DataCategory.ARTICLES,
        author_id=_uuid(row.get("author_id"), NO_DOCUMENT),
        author_full_name=_text(row, "author", "author_full_name"),
        language=_text(row, "language") or None,
    )


def _text(row: Mapping[str, Any], *names: str) -> str:
    """The first of these columns that is there, as text: of a conversation, what was said last."""
    value = next((row[name] for name in names if row.get(name) is not None), "")
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        value = value[-1].get("content", value[-1].get("value", ""))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _uuid(value: Any, otherwise: UUID) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        return otherwise


def _report(samples: Mapping[Split, list[Sample]], name: str) -> DatasetReport:
    every = [sample for part in samples.values() for sample in part]
    nameless = sum(sample.source.document_id == NO_DOCUMENT for sample in every)
    notes = [f"{nameless} of {len(every)} samples in {name} name no document that they come from."] if nameless else []
    return DatasetReport(
        model_id=UNKNOWN,
        method=UNKNOWN,
        seed="",
        test_size=len(samples[Split.TEST]) / len(every),
        documents={},
        extracts=0,
        generation=GenerationReport(model_id=UNKNOWN),
        warnings=notes,
    )


def _or(names: Iterable[str]) -> str:
    return " or ".join(repr(str(name)) for name in names) or "nothing"
