"""The exports of platforms, told by what lies in a folder, and read without what belongs to other people."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files import linkedin_export, medium_export, substack_export
from llm_engineering.infrastructure.files.tree import OpenTree


@dataclass(frozen=True)
class ExportKind:
    """A platform's export: how its folder is known, and what is read of it."""

    name: str
    parts: frozenset[str] | None  # None for all
    is_at: Callable[[Path], bool]
    read: Callable[[Mapping[str, Path], OpenTree], Iterator[SourceFile]]


EXPORTS = (
    ExportKind("Medium", medium_export.PARTS, medium_export.is_at, medium_export.read),
    ExportKind("Medium", None, medium_export.is_posts_at, medium_export.read_posts),
    ExportKind("Substack", substack_export.PARTS, substack_export.is_at, substack_export.read),
    ExportKind("LinkedIn", linkedin_export.PARTS, linkedin_export.is_at, linkedin_export.read),
)
# The only tables that are opened; an export has others, with other people's addresses and messages.
TABLES = frozenset({substack_export.TABLE, *linkedin_export.TABLES})


def export_at(folder: Path) -> ExportKind | None:
    """The export whose root the folder is, if it is one's."""
    return next((kind for kind in EXPORTS if kind.is_at(folder)), None)


def read_export(kind: ExportKind, folder: Path, opened: OpenTree) -> Iterator[SourceFile]:
    """The author's documents in the export. All else in it is counted and not opened."""
    parts = {child.name: child for child in opened.children(folder)}
    for _ in parts.keys() - (parts.keys() if kind.parts is None else kind.parts):
        opened.skip(f"other part of the {kind.name} export")
    yield from kind.read(parts, opened)
