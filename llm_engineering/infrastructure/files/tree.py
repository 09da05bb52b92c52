"""A folder while it is read: which paths may be read at all, what is left out, and what is counted on the way."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pathspec

from llm_engineering.domain.errors import CrawlError, PipelineConfigError
from llm_engineering.domain.links import identity
from llm_engineering.domain.sources import FileTree, SourceFile
from llm_engineering.infrastructure.files.texts import is_text_name, one_line, printable

# Written by tools, not by the author; the forms of .gitignore.
GENERATED = ("node_modules/", "__pycache__/", "__MACOSX/")
_MIB = 2**20


@dataclass(frozen=True)
class FileLimits:
    """What is read of a tree. `exclude` takes patterns as in .gitignore, relative to the tree's root.

    `max_file_bytes` is for text; `max_large_bytes` for files of which little is text (PDF, DOCX, notebooks, HTML);
    `max_text_bytes` for the text that a file turns into, for a document of MongoDB holds 16 MiB.
    """

    max_file_bytes: int
    max_files: int
    exclude: tuple[str, ...] = ()
    max_large_bytes: int = 64 * _MIB
    max_text_bytes: int = 8 * _MIB
    max_archive_entries: int = 50_000
    max_archive_bytes: int = 1024 * _MIB
    max_compression_ratio: int = 200

    @property
    def file_size(self) -> str:
        """The setting that leaves out a text that is too large."""
        return f"MAX_FILE_KIB={self.max_file_bytes / 1024:g}"

    @property
    def file_count(self) -> str:
        """The setting that leaves out one file too many."""
        return f"MAX_REPOSITORY_FILES={self.max_files}"


class SkippedError(CrawlError):
    """A file is left out on purpose; the message is the reason that is counted."""


class OverLimitError(SkippedError):
    """A file is left out by a limit; `limit` names the setting and its value."""

    def __init__(self, reason: str, limit: str) -> None:
        super().__init__(reason)
        self.limit = limit


class OpenTree:
    """A tree's folder, with the tally of what was left out of it. `tree` gets the counts."""

    def __init__(self, tree: FileTree, root: Path, limits: FileLimits) -> None:
        self.tree = tree
        self.root = root
        self.limits = limits
        self._excluded = exclusion((*GENERATED, *limits.exclude))
        self._files = 0
        self._links: set[str] = set()

    def name_of(self, path: Path) -> str:
        """The path relative to the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def skip(self, reason: str) -> None:
        """Count a file or folder that is left out."""
        self.tree.skipped[reason] = self.tree.skipped.get(reason, 0) + 1

    def leave_out(self, name: str, error: SkippedError) -> None:
        """Count a file that is left out, and name it if a limit is why."""
        self.skip(str(error))
        if isinstance(error, OverLimitError):
            self.tree.over_limit[printable(name)] = f"{error} ({error.limit})"

    def fail(self, name: str, reason: str) -> None:
        """Note why a file or folder could not be read."""
        self.tree.failed[printable(name)] = reason

    def children(self, folder: Path) -> list[Path]:
        """What is to be read of a folder, in order; what is left out is counted, a folder as one."""
        try:
            (folder / "..").stat()  # a folder that may be listed but not entered would hide what its entries are
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.fail(f"{self.name_of(folder)}/", f"cannot be opened: {error.strerror}")
            return []
        return [folder / entry.name for entry in found if self._is_wanted(entry, folder)]

    def read(
        self, path: Path, max_bytes: int, convert: Callable[[str, bytes], SourceFile | None]
    ) -> Iterator[SourceFile]:
        """The document that `convert` makes of the file's path and bytes; none, counted, when it cannot be had."""
        name = self.name_of(path)
        try:
            file = convert(name, self.content(path, max_bytes))
        except SkippedError as error:
            self.leave_out(name, error)
        except CrawlError as error:
            self.fail(name, str(error))
        else:
            yield from self.offer(file)

    def offer(self, file: SourceFile | None) -> Iterator[SourceFile]:
        """The document as it can be stored; none, counted, when there is no text in it, or far too much."""
        text = printable(file.text) if file else ""
        if file is None or not text.strip():
            self.skip("empty")
        elif len(text.encode()) > self.limits.max_text_bytes:
            limit = f"more than {in_bytes(self.limits.max_text_bytes)} of text"
            self.leave_out(file.path, OverLimitError("too large", limit))
        else:
            link = self._own_link(file.link)
            title, subtitle = one_line(file.title), one_line(file.subtitle)
            yield replace(file, path=printable(file.path), text=text, title=title, subtitle=subtitle, link=link)

    def content(self, path: Path, max_bytes: int) -> bytes:
        """The file's bytes, which count as read.

        Raises:
            OverLimitError: it is too large, or one file too many.
            SkippedError: it is no file.
            CrawlError: it cannot be read.
        """
        content = _bytes(path, max_bytes)
        if content is None:
            is_text = max_bytes == self.limits.max_file_bytes
            raise OverLimitError("too large", self.limits.file_size if is_text else f"more than {in_bytes(max_bytes)}")
        if self._files >= self.limits.max_files:
            raise OverLimitError("beyond the file limit", self.limits.file_count)
        self._files += 1
        self.tree.bytes_read += len(content)
        return content

    def _own_link(self, link: str | None) -> str | None:
        """The link, unless an earlier document has it: the same on each page is a template's."""
        page = identity(link) if link else None
        if page is None or page in self._links:
            return None
        self._links.add(page)
        return link

    def _is_wanted(self, entry: os.DirEntry[str], folder: Path) -> bool:
        reason = self._reason_to_skip(entry, self.name_of(folder / entry.name))
        if reason:
            self.skip(reason)
        return not reason

    def _reason_to_skip(self, entry: os.DirEntry[str], name: str) -> str:
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.is_symlink():
            return "symbolic link"
        if not is_text_name(name):
            return "name is not text"
        if entry.name.startswith("."):
            return "hidden"
        if self._excluded.match_file(f"{name}/" if is_folder else name):
            return "excluded by pattern"
        return "" if is_folder or entry.is_file(follow_symlinks=False) else "not a file"


def head(path: Path, size: int = 64 * 1024) -> bytes:
    """The beginning of a file, to tell its kind; b'' where there is none to be read."""
    try:
        return _beginning(path, size)
    except (CrawlError, OSError):
        return b""


def pages_in(folder: Path) -> list[Path]:
    """The HTML files of a folder, in order, to tell what the folder is; none of one that cannot be looked into."""
    try:
        if folder.is_symlink():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".html")
    except OSError:
        return []


def in_bytes(size: int) -> str:
    """A size as people write it."""
    return f"{size // _MIB} MiB" if size >= _MIB else f"{size} bytes"


def exclusion(patterns: Sequence[str]) -> pathspec.GitIgnoreSpec:
    """What these patterns of .gitignore's form match.

    Raises:
        PipelineConfigError: one of them has no such form.
    """
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise PipelineConfigError(f"exclude: not a pattern as in .gitignore: {' '.join(str(error).split())}") from error


def _bytes(path: Path, max_bytes: int) -> bytes | None:
    """The file's bytes; None where there are more."""
    try:
        if path.lstat().st_size > max_bytes:
            return None
        content = _beginning(path, max_bytes + 1)
    except OSError as error:
        raise CrawlError(f"cannot be read: {error.strerror}") from error
    return content if len(content) <= max_bytes else None


def _beginning(path: Path, size: int) -> bytes:
    """At most `size` bytes. No link is followed, and a pipe is not waited for."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise SkippedError("not a file")
        return file.read(size)
