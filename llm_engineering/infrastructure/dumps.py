"""Folders of JSON files: dumps, an array each, read and written record by record; and exported artifacts."""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ijson

from llm_engineering.domain.errors import InvalidDumpError
from llm_engineering.domain.storage import replacing

_HEAD_BYTES = 1024


class JsonDump:
    """Implements `Dump`. A file is replaced when its last record is written: a killed export leaves the old one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def has(self, collection: str) -> bool:
        """Whether there is a file of the collection."""
        return self._path(collection).is_file()

    def read(self, collection: str) -> Iterator[Any]:
        """The records one by one.

        Raises:
            InvalidDumpError: the file is not a JSON array.
        """
        path = self._path(collection)
        with path.open("rb") as file:
            start = file.read(_HEAD_BYTES)
            if start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] != b"[":
                raise InvalidDumpError(f"{path} is not a JSON array.")
            file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
            try:
                yield from ijson.items(file, "item", use_float=True)
            except ijson.JSONError as error:
                raise InvalidDumpError(f"{path} is not valid JSON: {' '.join(str(error).split())}") from error

    def write(self, collection: str, records: Iterable[Mapping[str, Any]]) -> int:
        """Write the records and return how many there were."""
        count = 0
        with replacing(self._path(collection)) as file:
            file.write("[")
            for record in records:
                file.write(",\n" if count else "\n")
                json.dump(record, file, ensure_ascii=False)
                count += 1
            file.write("\n]\n")
        return count

    def _path(self, collection: str) -> Path:
        return self._folder / f"{collection}.json"


class TextFiles:
    """Implements `TextFolder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, pieces: Iterable[str]) -> tuple[str, int]:
        """Write the pieces to a new file, which takes an older one's place when it is whole.

        Raises:
            StorageFullError: there is no room; an older file of this name is kept.
        """
        path = self._folder / name
        with replacing(path) as file:
            file.writelines(pieces)
        return str(path), path.stat().st_size
