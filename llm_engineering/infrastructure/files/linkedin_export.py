"""LinkedIn's data export: the author's posts, articles and profile. Messages, contacts and the like are not opened."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.html import (
    MAX_HTML_BYTES,
    classed,
    html_text,
    markdown,
    parse,
    text_of,
)
from llm_engineering.infrastructure.files.paths import is_folder
from llm_engineering.infrastructure.files.tables import has_columns, rows_of
from llm_engineering.infrastructure.files.texts import moment, one_line, shortened, web_link
from llm_engineering.infrastructure.files.tree import OpenTree, SkippedError, head, pages_in

SHARES, PROFILE, ARTICLES = "Shares.csv", "Profile.csv", "Articles"
TABLES = frozenset({SHARES, PROFILE})
PARTS = frozenset({SHARES, PROFILE, ARTICLES})
_SHARE_COLUMNS = frozenset({"ShareCommentary", "ShareLink"})
_PROFILE_COLUMNS = frozenset({"First Name", "Last Name", "Headline"})
_VISIBILITY = "Visibility"  # without it nobody knows which posts are for all to read
_VISIBLE = frozenset({"MEMBER_NETWORK", "PUBLIC"})
_TITLE_CHARACTERS = 80
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_PLATFORM = "linkedin"


def is_at(folder: Path) -> bool:
    """Whether the posts, the profile or the articles lie here as LinkedIn writes them."""
    if has_columns(folder / SHARES, _SHARE_COLUMNS) or has_columns(folder / PROFILE, _PROFILE_COLUMNS):
        return True
    pages = (page for part in (folder / ARTICLES, folder / ARTICLES / ARTICLES) for page in pages_in(part)[:3])
    return any(b'class="created"' in page and b"linkedin.com" in page for page in map(head, pages))


def read(parts: Mapping[str, Path], opened: OpenTree) -> Iterator[SourceFile]:
    """The author's profile, posts and articles."""
    if PROFILE in parts:
        yield from _profile(parts[PROFILE], opened)
    if SHARES in parts:
        yield from _shares(parts[SHARES], opened)
    if ARTICLES in parts:
        yield from _articles(parts[ARTICLES], opened)


def without_line_quotes(commentary: str) -> str:
    """LinkedIn quotes the lines of a post one by one; this is the text without that."""
    lines = commentary.replace("\r\n", "\n").split("\n")
    if len(lines) < 2 or not all(line.endswith('"') for line in lines[:-1]) or not all(
        line.startswith('"') for line in lines[1:]
    ):  # fmt: skip
        return "\n".join(lines)
    first, *middle, last = lines
    if first.startswith('"') and last.endswith('"') and len(first) > 1 and len(last) > 1:
        first, last = first[1:], last[:-1]
    inner = [first[:-1], *(line[1:-1] for line in middle), last[1:]]
    return "\n".join(line.replace('""', '"') for line in inner)


def _articles(folder: Path, opened: OpenTree) -> Iterator[SourceFile]:
    """The pages in `Articles`, and in the folder of the same name in it that some exports have."""
    for path in opened.children(folder):
        if is_folder(path) and path.name == folder.name:
            yield from _articles(path, opened)
        elif path.suffix.lower() == ".html":
            yield from opened.read(path, MAX_HTML_BYTES, _article)
        else:
            opened.skip("other part of the LinkedIn export")


def _profile(path: Path, opened: OpenTree) -> Iterator[SourceFile]:
    for row in rows_of(path, opened, _PROFILE_COLUMNS):
        parts = (row["Headline"].strip(), row.get("Summary", "").strip())
        yield from opened.offer(
            SourceFile(
                path=opened.name_of(path),
                title="LinkedIn profile",
                text="\n\n".join(part for part in parts if part),
                category=DataCategory.POSTS,
                platform=_PLATFORM,
            )
        )
        return


def _shares(path: Path, opened: OpenTree) -> Iterator[SourceFile]:
    seen: set[str] = set()
    for row in rows_of(path, opened, _SHARE_COLUMNS | {_VISIBILITY}):
        words = without_line_quotes(row["ShareCommentary"]).strip()
        key = f"{row.get('Date', '')} {hash(words)}"
        if row[_VISIBILITY].strip().upper() not in _VISIBLE:
            opened.skip("not public")
        elif not words:
            opened.skip("no words of one's own")
        elif key in seen:
            opened.skip("twice in the export")
        else:
            seen.add(key)
            yield from opened.offer(_share(opened.name_of(path), row, words))


def _share(table: str, row: dict[str, str], words: str) -> SourceFile:
    # Posts of the same second would else be one document.
    name = f"{row.get('Date', '').strip()} {hashlib.sha256(words.encode()).hexdigest()[:8]}".strip()
    return SourceFile(
        path=f"{table}/{name}",
        title=shortened(one_line(words.split("\n", 1)[0]) or "", _TITLE_CHARACTERS),
        text=words,
        published_at=moment(row.get("Date", "")),
        link=web_link(row["ShareLink"]),
        category=DataCategory.POSTS,
        platform=_PLATFORM,
    )


def _article(path: str, content: bytes) -> SourceFile:
    page = parse(html_text(content))
    published = classed(page, "published")
    date = _MOMENT.search(text_of(published) or "") if published is not None else None
    if date is None:
        raise SkippedError("draft")
    heading = next(iter(page.xpath("//h1")), None)
    links = heading.xpath(".//a/@href") if heading is not None else []
    title = text_of(heading) if heading is not None else None
    for element in [heading, *page.find_class("created"), *page.find_class("published")]:
        if element is not None:
            element.drop_tree()
    return SourceFile(
        path=path,
        title=title,
        text=markdown(page),
        published_at=moment(date.group()),
        link=web_link(str(links[0])) if links else None,
        category=DataCategory.ARTICLES,
        platform=_PLATFORM,
    )
