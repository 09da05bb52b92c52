"""A dataset as a folder in the layout of Hugging Face's `datasets`, and back.

    README.md          the card; its front matter names the data files and the columns
    data/train.jsonl   rows: {"instruction", "output", ...} or {"prompt", "chosen", "rejected", ...}, and where each
    data/test.jsonl    comes from. A row is complete: the dataset is read back from these files and the report alone
    report.json        kind, version, a hash of the rows, and the report

What did not pass is not in it, and nothing that says where on a machine a file lies: of a `file://` link only the
file's name stays, in the rows, in their texts and in the report. `document_id` still tells two files of one name apart.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError

from llm_engineering.domain.dataset_reports import DatasetReport
from llm_engineering.domain.datasets import (
    DatasetHead,
    DatasetKind,
    Method,
    Sample,
    Scores,
    Source,
    Split,
    TrainTestSplit,
)
from llm_engineering.domain.documents import text_hash
from llm_engineering.domain.errors import InvalidDatasetError
from llm_engineering.domain.generation import GenerationReport
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.storage import replacing

CARD, REPORT = "README.md", "report.json"
DATA_FILES = {split: f"data/{split}.jsonl" for split in Split}
# The columns with the texts, in the order instruction, answer, rejected.
TEXT_COLUMNS = {
    DatasetKind.INSTRUCT: ("instruction", "output"),
    DatasetKind.PREFERENCE: ("prompt", "chosen", "rejected"),
}
PROVENANCE_COLUMNS = (
    "id", "document_id", "link", "title", "category", "author_id", "author", "language", "method", "model",
)  # fmt: skip
SCORE_COLUMNS = ("accuracy", "style")
# Up to the last slash: what stays is the file's name.
_FOLDERS = re.compile(r"file://[^\s\\\"'<>()\[\]]*/", re.IGNORECASE)


class _Head(DatasetHead):
    # The version does not tell that a row was edited, for it is made of the samples' ids. These may not follow from the
    # texts any more, where a folder of this machine was cut out of them.
    rows: str = Field(description="Hash of all that the rows hold.")


def write_layout(dataset: TrainTestSplit, folder: Path, card: str) -> None:
    """Write the dataset's files into the folder, which is made. A file is there whole, or not at all; README.md last.

    Raises:
        StorageFullError: there is no room.
    """
    dataset = publishable(dataset)
    for split, name in DATA_FILES.items():
        _write(folder / name, (_line(row_of(sample)) for sample in dataset.of(split)))
    head = _Head(**dict(dataset.head), rows=_rows_hash(dataset))
    _write(folder / REPORT, [head.model_dump_json(indent=2) + "\n"])
    _write(folder / CARD, [card])


def read_layout(folder: Path, kind: DatasetKind | None = None) -> TrainTestSplit:
    """The dataset that `write_layout` wrote; nothing is among its dropped samples.

    Raises:
        InvalidDatasetError: the folder is none, is not whole, was edited, or is of another kind than asked for.
    """
    head = _read_head(folder / REPORT)
    if kind not in (None, head.kind):
        raise InvalidDatasetError(f"{folder} is a dataset of the kind {head.kind}, not {kind}. Name one that is.")
    train, test = ([_sample(head.kind, *line) for line in rows(folder / name)] for name in DATA_FILES.values())
    dataset = TrainTestSplit(kind=head.kind, train=train, test=test, report=head.report)
    if dataset.version != head.version or _rows_hash(dataset) != head.rows:
        raise InvalidDatasetError(
            f"The rows in {folder} are not those that its {REPORT} was written for: some are missing, moved or "
            f"edited. Fetch or make the dataset again; without its {REPORT} it is read as rows of unknown origin."
        )
    return dataset


def publishable(dataset: TrainTestSplit) -> TrainTestSplit:
    """The dataset without what is nobody's business: dropped samples, folders of this machine, secrets in links.

    What the version is a hash of stays, and so the version.
    """
    report = DatasetReport.model_validate_json(_FOLDERS.sub("", dataset.report.model_dump_json()))
    asked = report.generation
    # What one run found stored and what it paid is no property of the samples: the same ones stay the same revision.
    # A server's words about a prompt may repeat the prompt, or where the server is.
    generation = GenerationReport(
        model_id=_model_name(asked.model_id),
        tasks=asked.tasks,
        malformed=asked.malformed,
        refused=asked.refused,
        failed=asked.failed,
    )
    report = report.model_copy(update={"model_id": _model_name(report.model_id), "generation": generation})
    train, test = ([_public(sample) for sample in dataset.of(split)] for split in Split)
    return TrainTestSplit(kind=dataset.kind, train=train, test=test, report=report)


def public_link(link: str) -> str:
    """The link for everybody: a file's name alone, and no password or key in any other."""
    if urlsplit(link).scheme.lower() != "file":
        return without_credentials(link)
    return PurePosixPath(unquote(urlsplit(link).path)).name


def row_of(sample: Sample) -> dict[str, Any]:
    """The sample as a row of its kind; every row has every column."""
    kind = DatasetKind.INSTRUCT if sample.rejected is None else DatasetKind.PREFERENCE
    texts = zip(TEXT_COLUMNS[kind], (sample.instruction, sample.answer, sample.rejected), strict=False)
    source, scores = sample.source, sample.scores
    provenance = (
        sample.id, str(source.document_id), source.link, source.title, source.category.value, str(source.author_id),
        source.author_full_name, source.language, sample.method.value, sample.model_id,
    )  # fmt: skip
    given = (scores.accuracy, scores.style) if scores else (None, None)
    return {
        **dict(texts),
        **dict(zip(PROVENANCE_COLUMNS, provenance, strict=True)),
        **dict(zip(SCORE_COLUMNS, given, strict=True)),
    }


def rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Where each value of a file of JSON lines stands (file and line, for messages), and the value.

    Raises:
        InvalidDatasetError: the file cannot be read, or a line is no JSON.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{number}", json.loads(line)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDatasetError(f"{path} cannot be read: {error}.") from error
    except ValueError as error:
        raise InvalidDatasetError(f"{path}: line {number} is not valid JSON: {error}.") from None


def sample_of(kind: DatasetKind, row: dict[str, Any]) -> Sample:
    """The sample that `row_of` made the row of. Raises KeyError and ValueError for what is none."""
    texts = [row[name] for name in TEXT_COLUMNS[kind]]
    given = [row[name] for name in SCORE_COLUMNS]
    source = Source(
        document_id=row["document_id"],
        link=row["link"],
        title=row["title"],
        category=row["category"],
        author_id=row["author_id"],
        author_full_name=row["author"],
        language=row["language"],
    )
    return Sample(
        id=row["id"],
        instruction=texts[0],
        answer=texts[1],
        rejected=texts[2] if len(texts) > 2 else None,
        source=source,
        method=Method(row["method"]),
        model_id=row["model"],
        scores=None if None in given else Scores(accuracy=given[0], style=given[1]),
    )


def _sample(kind: DatasetKind, where: str, row: Any) -> Sample:
    try:
        return sample_of(kind, row)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise InvalidDatasetError(f"{where}: {wrong}.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDatasetError(f"{where}: no row of a dataset of the kind {kind}: {error}.") from None


def _rows_hash(dataset: TrainTestSplit) -> str:
    return text_hash(*(f"{split}:{sample.model_dump_json()}" for split, sample in dataset.samples()))


def _read_head(path: Path) -> _Head:
    try:
        return _Head.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidDatasetError(
            f"{path.parent} is no folder of a published dataset: its {path.name} cannot be read "
            f"({type(error).__name__}). Name a folder of the hub, or publish the dataset again."
        ) from error


def _public(sample: Sample) -> Sample:
    link, title = public_link(sample.source.link), _FOLDERS.sub("", sample.source.title)
    source = sample.source.model_copy(update={"link": link, "title": title})
    texts = {
        name: _FOLDERS.sub("", text)
        for name in ("instruction", "answer", "rejected")
        if (text := getattr(sample, name)) is not None
    }
    return sample.model_copy(update={**texts, "source": source, "model_id": _model_name(sample.model_id)})


def _model_name(model_id: str) -> str:
    """A model that a server names by its path, by the last part of it."""
    if model_id.startswith(("/", "~", "file://")):
        return PurePosixPath(model_id).name
    return PureWindowsPath(model_id).name if PureWindowsPath(model_id).drive else model_id


def _line(row: dict[str, Any]) -> str:
    # With the separators of Unicode escaped: some readers take U+2028 for the end of a line.
    text = json.dumps(row, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085") + "\n"


def _write(path: Path, parts: Iterable[str]) -> None:
    with replacing(path) as file:
        file.writelines(parts)
