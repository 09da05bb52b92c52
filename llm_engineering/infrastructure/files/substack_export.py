"""Substack's export: `posts.csv`, and the body of each post as `posts/ID.slug.html`.

It names no address of the publication, so its documents have no public link. Lists of subscribers are not opened.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.html import MAX_HTML_BYTES, html_text, markdown, parse
from llm_engineering.infrastructure.files.tables import has_columns, rows_of
from llm_engineering.infrastructure.files.texts import moment, one_line
from llm_engineering.infrastructure.files.tree import OpenTree

TABLE = "posts.csv"
PARTS = frozenset({TABLE, "posts"})
_COLUMNS = frozenset({"post_id", "is_published", "title"})


def is_at(folder: Path) -> bool:
    """Whether there is a `posts.csv` as Substack writes it."""
    return has_columns(folder / TABLE, _COLUMNS)


def read(parts: Mapping[str, Path], opened: OpenTree) -> Iterator[SourceFile]:
    """The published posts, in the table's order. A post of the table without its page is counted as failed."""
    pages = _pages(parts["posts"], opened) if "posts" in parts else {}
    for row in rows_of(parts[TABLE], opened, _COLUMNS) if TABLE in parts else ():
        path, reason = pages.pop(row["post_id"], None), _reason_to_skip(row)
        if reason:
            opened.skip(reason)
        elif path is None:
            opened.fail(f"posts/{row['post_id'][:200]}.html", f"{TABLE} lists it, and it is not in the export")
        else:
            yield from opened.read(path, MAX_HTML_BYTES, partial(_post, row))
    for _ in pages:
        opened.skip(f"not in {TABLE}")


def _pages(folder: Path, opened: OpenTree) -> dict[str, Path]:
    """The pages by the id that the table has. Nothing in the table is taken for a path."""
    pages = {path.name: path for path in opened.children(folder)}
    return {name.removesuffix(".html"): path for name, path in pages.items() if name.endswith(".html")}


def _reason_to_skip(row: dict[str, str]) -> str:
    if row["is_published"].strip().lower() != "true":
        return "draft"
    return "podcast" if row.get("type", "").strip().lower() == "podcast" else ""


def _post(row: dict[str, str], path: str, content: bytes) -> SourceFile:
    return SourceFile(
        path=path,
        title=one_line(row["title"]),
        subtitle=one_line(row.get("subtitle", "")),
        text=markdown(parse(html_text(content))),
        published_at=moment(row.get("post_date", "")),
        category=DataCategory.ARTICLES,
        platform="substack",
    )
