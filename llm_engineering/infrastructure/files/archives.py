"""ZIP archives, unpacked into a folder within bounds: nothing is believed that the archive says of itself."""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from llm_engineering.domain.errors import CrawlError
from llm_engineering.infrastructure.files.texts import is_text_name
from llm_engineering.infrastructure.files.tree import FileLimits, OpenTree, SkippedError

_MAX_DIRECTORY_BYTES = 16 * 2**20
_CHUNK = 64 * 1024
# Below this size a high ratio is a short file of one letter, not a bomb.
_RATIO_FROM_BYTES = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
# Notion packs its export in parts.
_NOTION_PART = re.compile(r"^(?:Export|ExportBlock)-[\w-]+\.zip$", re.IGNORECASE)


class _BoundedFile(io.FileIO):
    """A file of which nobody reads much at once: an archive's table of contents is read in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = _MAX_DIRECTORY_BYTES
        if size > _MAX_DIRECTORY_BYTES:
            raise CrawlError("the archive's table of contents is larger than any honest one")
        return super().read(size) or b""


class Unpacking:
    """Unpacks one archive, and the parts in it, into `opened.root`; what is left out is counted there."""

    def __init__(self, opened: OpenTree, wanted: Callable[[str], None]) -> None:
        """`wanted` raises SkippedError with the reason for a name of which nothing is read."""
        self._opened = opened
        self._wanted = wanted
        self._limits: FileLimits = opened.limits
        self._entries = 0
        self._bytes = 0

    def unpack(self, archive: Path, parts: bool = True) -> None:
        """Unpack what is wanted; with `parts`, the archives that Notion packs into the archive too.

        Raises:
            CrawlError: it is no ZIP archive, or a bomb.
        """
        nested: list[Path] = []
        try:
            with _BoundedFile(archive) as file, zipfile.ZipFile(file) as opened:
                self._entries += len(opened.infolist())
                if self._entries > self._limits.max_archive_entries:
                    raise CrawlError(f"the archive has more than {self._limits.max_archive_entries} entries")
                for entry in opened.infolist():
                    self._unpack_entry(opened, entry, nested if parts else None)
        except (zipfile.BadZipFile, struct.error, ValueError, RuntimeError, EOFError, OSError) as error:
            raise CrawlError(f"no ZIP archive that can be read: {error}") from error
        for part in nested:
            self.unpack(part, parts=False)
            part.unlink()

    def _unpack_entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, nested: list[Path] | None) -> None:
        if entry.is_dir():
            return
        name = _name(entry)
        try:
            path = _safe_path(name)
            is_part = nested is not None and len(path.parts) == 1 and bool(_NOTION_PART.match(path.name))
            if not is_part:
                self._wanted(path.as_posix())
            _check(entry)
            target = self._opened.root / path
            self._write(archive, entry, target)
            if is_part and nested is not None:
                nested.append(target)
        except SkippedError as error:
            self._opened.skip(str(error))
        except _EntryError as error:
            self._opened.fail(name, str(error))

    def _write(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as output:
                self._copy(archive, entry, output)
        except FileExistsError as error:
            raise _EntryError("the archive has this name twice") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
            if target.is_file():
                target.unlink()
            raise _EntryError(f"cannot be unpacked: {type(error).__name__}") from error

    def _copy(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, output: io.BufferedWriter) -> None:
        """Write the entry's bytes and count them, whatever size it claims to have."""
        written = 0
        with archive.open(entry) as source:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                self._bytes += len(chunk)
                self._check_size(written, entry.compress_size)
                output.write(chunk)

    def _check_size(self, written: int, compressed: int) -> None:
        if self._bytes > self._limits.max_archive_bytes:
            raise CrawlError(f"the archive unpacks to more than {self._limits.max_archive_bytes // 2**20} MiB")
        if written > _RATIO_FROM_BYTES and written > self._limits.max_compression_ratio * max(compressed, 1):
            ratio = self._limits.max_compression_ratio
            raise CrawlError(f"a file in the archive is packed more than {ratio} times: it looks like a ZIP bomb")


class _EntryError(Exception):
    """One entry cannot be unpacked; the others can."""


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name. Many programs write UTF-8 and do not say so; zipfile then takes it for code page 437."""
    if entry.flag_bits & _UTF8_NAME:
        return entry.filename
    try:
        return entry.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _safe_path(name: str) -> PurePosixPath:
    """The path below the folder that the name means; backslashes part it too, as some programs for Windows write."""
    if not is_text_name(name):
        raise SkippedError("name is not text")
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise _EntryError("its path leads out of the archive")
    path = PurePosixPath(*parts)
    if not path.parts:
        raise _EntryError("it has no name")
    return path


def _check(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise SkippedError("symbolic link")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise SkippedError("not a file")
    if entry.flag_bits & _ENCRYPTED:
        raise _EntryError("encrypted")
    if entry.compress_type not in _METHODS:
        raise _EntryError("packed by a method that is not read")
