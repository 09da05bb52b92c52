"""Medium's export: a page a post in `posts/`, each an h-entry (microformats2), drafts among them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.html import MAX_HTML_BYTES, classed, html_text, markdown, parse, text_of
from llm_engineering.infrastructure.files.texts import moment, web_link
from llm_engineering.infrastructure.files.tree import OpenTree, SkippedError, head, pages_in

PARTS = frozenset({"posts"})
_PAGES_TO_LOOK_AT = 5
_SIGNS = (b"h-entry", b"p-name")


def is_at(folder: Path) -> bool:
    """Whether one of the first pages in `posts/` is an h-entry as Medium writes it."""
    return _has_posts(folder / "posts", _SIGNS)


def is_posts_at(folder: Path) -> bool:
    """Whether the folder itself is such a `posts/`. Other sites write h-entries too, but without Medium's own mark."""
    return _has_posts(folder, (*_SIGNS, b'data-field="body"'))


def read(parts: Mapping[str, Path], opened: OpenTree) -> Iterator[SourceFile]:
    """The published posts.

    What has no title of its own in its body is a response or a short note: a post, not an article.
    """
    yield from _read_posts(opened.children(parts["posts"]) if "posts" in parts else (), opened)


def read_posts(parts: Mapping[str, Path], opened: OpenTree) -> Iterator[SourceFile]:
    """The same of a `posts/` without the export around it."""
    yield from _read_posts(parts.values(), opened)


def _read_posts(paths: Iterable[Path], opened: OpenTree) -> Iterator[SourceFile]:
    for path in paths:
        if path.suffix.lower() != ".html":
            opened.skip("other part of the Medium export")
        elif path.name.startswith("draft_"):
            opened.skip("draft")
        else:
            yield from opened.read(path, MAX_HTML_BYTES, _post)


def _has_posts(folder: Path, signs: tuple[bytes, ...]) -> bool:
    pages = map(head, pages_in(folder)[:_PAGES_TO_LOOK_AT])
    return any(all(sign in page for sign in signs) for page in pages)


def _post(path: str, content: bytes) -> SourceFile:
    page = parse(html_text(content))
    title, body, published = classed(page, "p-name"), classed(page, "e-content"), classed(page, "dt-published")
    if body is None:
        raise SkippedError("empty")
    divider = classed(body, "section-divider")
    if divider is not None:
        divider.drop_tree()  # Medium begins the first section with one; those between sections are the author's
    is_article = any(element.tag in ("h1", "h2", "h3", "h4") for element in body.find_class("graf--title"))
    summary = classed(page, "p-summary")
    return SourceFile(
        path=path,
        title=None if title is None else text_of(title),
        subtitle=None if summary is None else _subtitle(text_of(summary)),
        text=markdown(body),
        published_at=None if published is None else moment(published.get("datetime")),
        link=_link(page, published),
        category=DataCategory.ARTICLES if is_article else DataCategory.POSTS,
        platform="medium",
    )


def _subtitle(summary: str | None) -> str | None:
    """The summary, unless it is the text's beginning, which Medium cuts off."""
    return None if summary is None or summary.endswith("…") else summary


def _link(page: Any, published: Any) -> str | None:
    """Where the post is: the canonical link, else the one around its date."""
    canonical = classed(page, "p-canonical")
    around = published.getparent() if published is not None else None
    links = (web_link(element.get("href")) for element in (canonical, around) if element is not None)
    return next(filter(None, links), None)
