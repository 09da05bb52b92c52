"""Text files under a folder: what is left out, and why."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pathspec

from llm_engineering.domain.errors import CrawlError, PipelineConfigError
from llm_engineering.domain.ports import FileTree, SourceFile

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdx"})
# Written by tools, not by the author; the forms of .gitignore.
GENERATED = (
    ".git/", "node_modules/", "vendor/", "third_party/", ".venv/", "__pycache__/", "*.lock", "package-lock.json",
    "pnpm-lock.yaml", "go.sum", "*.min.js", "*.min.css", "*.map", "*.svg", "*.ipynb", "*.csv", "*.tsv", "*.jsonl",
)  # fmt: skip


@dataclass(frozen=True)
class FileLimits:
    """What is read of a tree. `exclude` takes patterns as in .gitignore, relative to the tree's root."""

    max_file_bytes: int
    max_files: int
    exclude: tuple[str, ...] = ()


class MarkdownFolders:
    """Implements `FileSource` for local folders of Markdown files that are not Git repositories."""

    def __init__(self, limits: FileLimits, base: Path) -> None:
        """Relative paths start at `base`."""
        self._limits = limits
        self._base = base

    def handles(self, link: str) -> bool:
        """Whether the link is a folder's path or file:// URL."""
        path = local_path(link, self._base)
        return path is not None and path.is_dir()

    @contextmanager
    def open(self, link: str) -> Iterator[FileTree]:
        """The folder's Markdown files, with those of its subfolders.

        Raises:
            CrawlError: there is no Markdown file in it.
        """
        root = local_path(link, self._base)
        if root is None or not root.is_dir():
            raise CrawlError(f"{link} is not a folder")
        paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in MARKDOWN_SUFFIXES and path.is_file())
        if not paths:
            raise CrawlError(f"there is no Markdown file ({', '.join(sorted(MARKDOWN_SUFFIXES))}) in {root}")
        skipped: dict[str, int] = {}
        yield FileTree(root.name, root.as_uri(), read_text_files(root, paths, self._limits, skipped), skipped)


def local_path(link: str, base: Path) -> Path | None:
    """The absolute path that a path or file:// URL names, a relative one from `base`; None for other links."""
    scheme = urlsplit(link).scheme
    if not link.strip() or "\0" in link or scheme not in ("", "file"):
        return None
    try:
        path = (base / Path(unquote(urlsplit(link).path) if scheme else link).expanduser()).resolve()
        path.exists()
    except (RuntimeError, OSError, ValueError):  # a home folder of nobody, a loop of links, a name that is too long
        return None
    return path


def read_text_files(
    root: Path, paths: Sequence[Path], limits: FileLimits, skipped: dict[str, int]
) -> Iterator[SourceFile]:
    """Read the files one by one, every character kept; `skipped` counts by reason those that are left out."""
    excluded = exclusion((*GENERATED, *limits.exclude))
    read = 0
    for path in paths:
        relative = path.relative_to(root).as_posix()
        try:
            reason = _reason_to_skip(path, relative, root, limits, excluded, read)
            reason, text = (reason, "") if reason else _read_text(path)
        except OSError:
            reason, text = "unreadable", ""
        if reason:
            skipped[reason] = skipped.get(reason, 0) + 1
        else:
            read += 1
            yield SourceFile(path=relative, text=text)


def exclusion(patterns: Sequence[str]) -> pathspec.GitIgnoreSpec:
    """What these patterns of .gitignore's form match.

    Raises:
        PipelineConfigError: one of them has no such form.
    """
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise PipelineConfigError(f"exclude: not a pattern as in .gitignore: {' '.join(str(error).split())}") from error


def _reason_to_skip(
    path: Path, relative: str, root: Path, limits: FileLimits, excluded: pathspec.GitIgnoreSpec, read: int
) -> str:
    """Why the file is left out without a look inside, or ''."""
    if path.is_symlink() or not path.resolve().is_relative_to(root.resolve()):
        return "symbolic link"
    if not relative.isprintable():
        return "name is not text"
    if excluded.match_file(relative):
        return "excluded by pattern"
    if path.stat().st_size > limits.max_file_bytes:
        return "too large"
    return "beyond the file limit" if read >= limits.max_files else ""


def _read_text(path: Path) -> tuple[str, str]:
    """The reason to leave the file out, or '', and its text."""
    content = path.read_bytes()
    if b"\0" in content:
        return "binary", ""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "binary", ""
    return ("", text) if text.strip() else ("empty", "")
