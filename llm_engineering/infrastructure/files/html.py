"""HTML files as data: nothing in them is executed or fetched."""

import re
from typing import Any

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.texts import decode, language_of, one_line, web_link
from llm_engineering.infrastructure.files.tree import SkippedError
from llm_engineering.infrastructure.markup import tree
from llm_engineering.infrastructure.markup.tree import letters
from llm_engineering.infrastructure.markup.writer import to_markdown
from llm_engineering.infrastructure.web.html.main_content import find_main
from llm_engineering.infrastructure.web.html.walls import MIN_ARTICLE_CHARACTERS, read_signs, wall_before

MAX_HTML_BYTES = 10 * 2**20
_NO_TEXT = (
    "script", "style", "noscript", "template", "nav", "iframe", "object", "embed", "svg", "canvas", "form", "button",
    "video", "audio", "source", "head", "title",
)  # fmt: skip
_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?\s*([\w.:-]{3,40})", re.IGNORECASE)
# The families that the web uses; Python has other codecs, which are no encodings or take long.
_WEB_CHARSETS = re.compile(r"(iso-?8859|windows-|cp\d|latin|koi8|gb|big5|shift_jis|euc-|utf-|mac)", re.IGNORECASE)


def html_file(path: str, content: bytes) -> SourceFile:
    """A page that lies on the disk: its article without the frame around it, or a short page as a whole.

    Raises:
        CrawlError: it is no HTML that can be read, or what was saved is not the article but a wall before it.
    """
    html = html_text(content)
    page = parse(html)
    heads = page.xpath("//h1") + page.xpath("//title")
    canonical = page.xpath("//link[@rel='canonical']/@href")
    link = web_link(str(canonical[0])) if canonical else None
    title = next(filter(None, map(text_of, heads)), None)
    signs = read_signs(page, link or "")
    text = to_markdown(find_main(page, frozenset({letters(title or "")})), link or "")
    if len(text) < MIN_ARTICLE_CHARACTERS:
        text = markdown(parse(html))
    if wall := wall_before(signs, text):
        raise CrawlError(wall)
    return SourceFile(path=path, text=text, title=title, language=language_of(page.get("lang") or ""), link=link)


def html_text(content: bytes) -> str:
    """The page's characters: UTF-8, what the page says of itself, or what it probably is.

    Raises:
        SkippedError: it is not text.
    """
    declared = _CHARSET.search(content[:4096])
    name = declared.group(1).decode() if declared else ""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode(name) if _WEB_CHARSETS.match(name) else decode(content)
    except (LookupError, ValueError):
        text = decode(content)
    if text is None:
        raise SkippedError("binary")
    return text


def parse(html: str) -> Any:
    """The page's root element.

    Raises:
        SkippedError: there is nothing in it.
        CrawlError: it is no HTML that can be read, or has too many elements.
    """
    if not html.strip():
        raise SkippedError("empty")
    return tree.parse(html)


def markdown(element: Any) -> str:
    """The element as Markdown, without what holds no words of the author. Raises CrawlError when it cannot be read."""
    for unwanted in [found for found in element.iter(*_NO_TEXT) if found is not element]:
        if unwanted.getparent() is not None:
            unwanted.drop_tree()
    try:
        return to_markdown(element, "")
    except RecursionError as error:
        raise CrawlError("the HTML is nested too deeply") from error


def text_of(element: Any) -> str | None:
    """The element's words in one line; None where there are none."""
    return one_line(str(element.text_content()))


def classed(element: Any, name: str) -> Any:
    """The first element inside with this class, or None."""
    return next(iter(element.find_class(name)), None)
