"""The files of a commit: which are read, in which order, and why the others are not."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import FileTree, SourceFile
from llm_engineering.infrastructure.files.texts import decode, is_text_name, printable
from llm_engineering.infrastructure.files.tree import FileLimits
from llm_engineering.infrastructure.web.git.rules import BY_NAME, RepositoryRules
from llm_engineering.infrastructure.web.git.text import (
    DOCUMENT_SUFFIXES,
    NOTEBOOK_SUFFIX,
    text_of,
)

# Raise it when the same commit is read in another way: repositories that have not moved are then read again.
READER_VERSION = 1
# A notebook's pictures, which are left out, are most of it.
NOTEBOOK_FACTOR = 16
_MOST_RULE_FILES, _LONGEST_PATH = 200, 500
_KINDS = {"120000": "symbolic link", "160000": "submodule"}


@dataclass(frozen=True)
class Entry:
    """A file of a commit; `size` in bytes is None for one that was too large to be fetched."""

    path: str
    mode: str
    object_id: str
    size: int | None


@dataclass(frozen=True)
class Bounds:
    """What is read of a repository: `files` of each file, `total_bytes` of the commit, in `seconds` at most."""

    files: FileLimits
    total_bytes: int
    seconds: float

    @property
    def largest_blob(self) -> int:
        """The size in bytes beyond which no file is worth fetching."""
        return self.files.max_file_bytes * NOTEBOOK_FACTOR

    @property
    def fingerprint(self) -> str:
        """Another one for other limits, other patterns or another reader."""
        what = (READER_VERSION, self.files, self.total_bytes, sorted(BY_NAME.items()))
        return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


class RepositoryReader:
    """Reads the files of one commit, one by one."""

    def __init__(self, bounds: Bounds, tree: FileTree, read_blob: Callable[[Entry], bytes]) -> None:
        """What is left out is counted in `tree`."""
        self._bounds = bounds
        self._tree = tree
        self._read_blob = read_blob
        self._files = self._bytes = self._base = 0

    def read(self, entries: Sequence[Entry], folder: str = "", view: str = "") -> Iterator[SourceFile]:
        """The texts below `folder` ('' is the root; a file's path stands for it alone).

        README files and documents come first, then what lies higher up, so that a limit cuts off the least. `view` is
        the link below which the host shows the files; without it a file says nothing of its link.
        """
        self._base = 0 if not folder else len(folder) + 1
        if any(entry.path == folder for entry in entries):
            self._base = folder.rfind("/") + 1
        chosen = self._selected([entry for entry in entries if is_in(entry.path, folder)], self._rules(entries))
        for entry in sorted(chosen, key=_priority):
            text = self._text(entry)
            if text:
                self._files += 1
                yield SourceFile(self._path(entry), text, link=f"{view}/{quote(entry.path)}" if view else None)

    def _rules(self, entries: Sequence[Entry]) -> RepositoryRules:
        """The commit's own rules, and the configuration's."""
        texts: dict[str, dict[str, str]] = {".gitignore": {}, ".gitattributes": {}}
        rule_files = [entry for entry in entries if entry.path.rpartition("/")[2] in texts and _is_file(entry)]
        for entry in rule_files[:_MOST_RULE_FILES]:
            folder, _, name = entry.path.rpartition("/")
            if entry.size is not None and entry.size <= self._bounds.files.max_file_bytes:
                texts[name][folder] = decode(self._read_blob(entry)) or ""
        return RepositoryRules(self._bounds.files.exclude, texts[".gitignore"], texts[".gitattributes"])

    def _selected(self, entries: Sequence[Entry], rules: RepositoryRules) -> list[Entry]:
        """What is worth a look inside.

        Raises:
            CrawlError: the rules take so long that they must be a trap.
        """
        end = time.monotonic() + self._bounds.seconds
        selected = []
        for entry in entries:
            reason = _form_reason(entry) or rules.reason(entry.path) or ("" if entry.size != 0 else "empty")
            if reason:
                self._skip(reason)
            elif self._is_too_large(entry):
                self._skip_large(entry)
            else:
                selected.append(entry)
            if time.monotonic() > end:
                raise CrawlError(f"its .gitignore takes more than {self._bounds.seconds:g} s (GIT_TIMEOUT_SECONDS)")
        return selected

    def _is_too_large(self, entry: Entry) -> bool:
        largest = self._bounds.largest_blob if _is_notebook(entry) else self._bounds.files.max_file_bytes
        return entry.size is None or entry.size > largest

    def _text(self, entry: Entry) -> str:
        """The file's text; '' when it is left out, which is counted."""
        if self._is_beyond_limits(entry):
            return ""
        self._bytes += entry.size or 0
        try:
            reason, text = text_of(entry.path, self._read_blob(entry))
        except CrawlError as error:
            self._tree.failed[self._path(entry)] = str(error)
            return ""
        if reason:
            self._skip(reason)
        elif _is_notebook(entry) and len(text.encode()) > self._bounds.files.max_file_bytes:
            self._skip_large(entry)
            return ""
        return text

    def _is_beyond_limits(self, entry: Entry) -> bool:
        if self._files >= self._bounds.files.max_files:
            self._skip("beyond the file limit", entry, self._bounds.files.file_count)
            return True
        if self._bytes + (entry.size or 0) > self._bounds.total_bytes:
            setting = f"MAX_REPOSITORY_MIB={self._bounds.total_bytes / 2**20:g}"
            self._skip("beyond the size limit", entry, setting)
            return True
        return False

    def _skip_large(self, entry: Entry) -> None:
        self._skip("too large", entry, self._bounds.files.file_size)

    def _skip(self, reason: str, entry: Entry | None = None, setting: str = "") -> None:
        """Count a file that is left out; one that a setting leaves out is named, too."""
        self._tree.skipped[reason] = self._tree.skipped.get(reason, 0) + 1
        if entry:
            self._tree.over_limit[self._path(entry)] = f"{reason} ({setting})"

    def _path(self, entry: Entry) -> str:
        """The path as the document has it."""
        return printable(entry.path[self._base :])


def _is_file(entry: Entry) -> bool:
    return entry.mode not in _KINDS


def _is_notebook(entry: Entry) -> bool:
    return entry.path.lower().endswith(NOTEBOOK_SUFFIX)


def _form_reason(entry: Entry) -> str:
    """A name is put into links and titles: one that climbs out of its folder would be another file's."""
    if not is_text_name(entry.path) or any(part in ("", ".", "..") for part in entry.path.split("/")):
        return "name is not text"
    if len(entry.path) > _LONGEST_PATH:
        return "name is too long"
    return _KINDS.get(entry.mode, "")


def is_in(path: str, folder: str) -> bool:
    """Whether the path lies in the folder ('' is the root), or is it."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def _priority(entry: Entry) -> tuple[int, int, str]:
    folder, _, name = entry.path.lower().rpartition("/")
    in_documents = folder.partition("/")[0] in ("doc", "docs", "documentation")
    is_document = in_documents or name.endswith(DOCUMENT_SUFFIXES)
    rank = 0 if name.partition(".")[0] == "readme" else 1 if is_document else 2
    return rank, entry.path.count("/"), entry.path
