"""CSV tables of exports."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from llm_engineering.domain.errors import CrawlError
from llm_engineering.infrastructure.files.texts import decode
from llm_engineering.infrastructure.files.tree import OpenTree, SkippedError, head

# LinkedIn writes notes above the header.
_MAX_PREAMBLE_ROWS = 20
_HEAD_BYTES = 8192


def has_columns(path: Path, columns: frozenset[str]) -> bool:
    """Whether the file is a table with these columns."""
    start = head(path, _HEAD_BYTES)
    text = decode(start if len(start) < _HEAD_BYTES else start.rpartition(b"\n")[0]) or ""
    try:
        return not _header(csv.reader(io.StringIO(text, newline="")), columns)[1]
    except csv.Error:
        return False


def rows_of(path: Path, opened: OpenTree, columns: frozenset[str]) -> Iterator[dict[str, str]]:
    """The table's rows by column; a cell that is missing is ''.

    A table that cannot be read is counted as failed, named like a folder: many documents are in it.
    """
    name = f"{opened.name_of(path)}/"
    try:
        yield from _rows(opened.content(path, opened.limits.max_large_bytes), columns)
    except SkippedError as error:
        opened.fail(name, str(error))
    except (CrawlError, csv.Error) as error:
        opened.fail(name, f"no table that can be read: {error}")


def _rows(content: bytes, columns: frozenset[str]) -> Iterator[dict[str, str]]:
    text = decode(content)
    if text is None:
        raise CrawlError("it is binary")
    reader = csv.reader(io.StringIO(text, newline=""))
    header, missing = _header(reader, columns)
    if missing:
        raise CrawlError(f"it has no column {', '.join(sorted(missing))}")
    for row in reader:
        if any(row):
            yield dict.fromkeys(header, "") | dict(zip(header, row, strict=False))


def _header(rows: Iterator[list[str]], columns: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """The row that names most of the columns, and those that it does not name. Later rows are left in `rows`."""
    header, missing = list[str](), columns
    for _, row in zip(range(_MAX_PREAMBLE_ROWS), rows, strict=False):
        names = [name.strip() for name in row]
        if columns - set(names) < missing:
            header, missing = names, columns - set(names)
        if not missing:
            break
    return header, missing
