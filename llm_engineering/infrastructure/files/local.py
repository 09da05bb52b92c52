"""Local folders, single files and ZIP archives as sources of documents."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llm_engineering.domain.errors import CrawlError, InvalidInputError, SourceMissingError
from llm_engineering.domain.sources import FileTree, SourceFile, SourceState
from llm_engineering.infrastructure.files.archives import Unpacking
from llm_engineering.infrastructure.files.exports import TABLES, export_at, read_export
from llm_engineering.infrastructure.files.formats import FORMATS, format_of
from llm_engineering.infrastructure.files.markdown_notes import template_folder
from llm_engineering.infrastructure.files.paths import has_form_of_path, is_folder, local_path, permitted_path
from llm_engineering.infrastructure.files.temporary import temporary_folder
from llm_engineering.infrastructure.files.tree import FileLimits, OpenTree, SkippedError

# What is unpacked of an archive besides the formats that are read.
_SETTINGS = frozenset({"templates.json"})
_FAILURES_SHOWN = 3


class LocalFiles:
    """Implements `FileSource` for folders, single files and ZIP archives on this machine."""

    def __init__(self, limits: FileLimits, allowed_paths: Sequence[Path], base: Path) -> None:
        """Relative paths start at `base`; what lies in none of the allowed folders is refused."""
        self._limits = limits
        self._allowed = tuple(allowed_paths)
        self._base = base

    def handles(self, link: str) -> bool:
        """Whether the link has the form of a path or of a file:// URL, be there a file or not."""
        return has_form_of_path(link)

    def source(self, link: str) -> str:
        """The file:// URL of what the link leads to.

        Raises:
            InvalidInputError: it is no path on this machine.
        """
        path = local_path(link, self._base)
        if path is None:
            raise InvalidInputError(f"{link[:200]!r} is no path on this machine.")
        return path.as_uri()

    @contextmanager
    def open(self, link: str, known: SourceState | None = None) -> Iterator[FileTree]:  # noqa: ARG002
        """What can be read of a folder with its subfolders, of a file, or of an archive, which is unpacked meanwhile.

        A folder that is a platform's export is read as one, wherever it lies. `known` tells nothing about a folder.

        Raises:
            ForbiddenLinkError: it lies in none of the allowed folders.
            SourceMissingError: there is nothing, or nothing in it that is read.
            CrawlError: nothing of what there is can be read; the archive is broken or a bomb.
        """
        path = permitted_path(link, self._base, self._allowed)
        tree = FileTree(path.name or str(path), path.as_uri(), iter(()))
        if is_folder(path):
            yield _filled(OpenTree(tree, path, self._limits), path)
        elif path.suffix.lower() == ".zip":
            with temporary_folder("moodswarm-zip-") as folder:
                opened = OpenTree(tree, folder, self._limits)
                Unpacking(opened, _is_wanted).unpack(path)
                yield _filled(opened, opened.root)
        else:
            tree.files = iter([self._file(path, tree)])
            yield tree

    def _file(self, path: Path, tree: FileTree) -> SourceFile:
        """The document of a single file; its link is the file's, if it says no other."""
        opened = OpenTree(tree, path.parent, self._limits)
        try:
            files = list(_documents_of(opened, path))
        except SkippedError as error:
            kinds = ", ".join(sorted((*FORMATS, ".zip")))
            raise CrawlError(f"{path.name}: {error}. What is read: {kinds}") from error
        if not files:
            raise CrawlError(f"{path.name}: {_reasons(tree)}")
        return files[0] if files[0].link else SourceFile(**{**vars(files[0]), "link": tree.link})


def _filled(opened: OpenTree, folder: Path) -> FileTree:
    """The tree with its documents, the first of which has been looked for.

    Raises:
        SourceMissingError: there is none any more.
        CrawlError: there are some, and none can be read.
    """
    files = _walk(opened, folder)
    first = next(files, None)
    if first is None:
        kinds = ", ".join(sorted(FORMATS))
        kind = CrawlError if opened.tree.failed or opened.tree.over_limit else SourceMissingError
        raise kind(f"nothing can be read in {opened.tree.name}: {_reasons(opened.tree)}. What is read: {kinds}")
    opened.tree.files = itertools.chain([first], files)
    return opened.tree


def _walk(opened: OpenTree, folder: Path) -> Iterator[SourceFile]:
    """All documents below the folder, in the order of their paths, one by one."""
    waiting, templates = [folder], set[Path | None]()
    while waiting:
        path = waiting.pop()
        if path in templates:
            opened.skip("Obsidian template")
        elif not is_folder(path):
            yield from _counted(opened, path)
        elif export := export_at(path):
            yield from read_export(export, path, opened)
        else:
            templates.add(template_folder(path))
            waiting.extend(reversed(opened.children(path)))


def _counted(opened: OpenTree, path: Path) -> Iterator[SourceFile]:
    try:
        yield from _documents_of(opened, path)
    except SkippedError as error:
        opened.skip(str(error))


def _documents_of(opened: OpenTree, path: Path) -> Iterator[SourceFile]:
    kind = format_of(path.name)
    yield from opened.read(path, kind.limit(opened.limits), kind.read)


def _is_wanted(name: str) -> None:
    """Raises SkippedError for a name in an archive of which nothing would be read."""
    last = name.rpartition("/")[2]
    if last not in TABLES and last not in _SETTINGS:
        format_of(last)


def _reasons(tree: FileTree) -> str:
    """What was left out and what failed, in one line."""
    failed = [f"{name}: {reason}" for name, reason in itertools.islice(tree.failed.items(), _FAILURES_SHOWN)]
    more = [f"and {len(tree.failed) - _FAILURES_SHOWN} more failed"] if len(tree.failed) > _FAILURES_SHOWN else []
    skipped = [f"{count} {reason}" for reason, count in tree.skipped.items()]
    return "; ".join((*failed, *more, *skipped)) or "it is empty"
