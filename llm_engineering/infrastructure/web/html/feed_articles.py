"""The HTML of a feed's entry as Markdown, without what platforms put around the author's words."""

import re
from collections.abc import Iterator
from typing import Any

from llm_engineering.domain.errors import CrawlError, InvalidInputError
from llm_engineering.domain.links import identity
from llm_engineering.infrastructure.markup import writer
from llm_engineering.infrastructure.markup.tree import parse

_NEVER_TEXT = "//script|//style|//iframe|//noscript|//form|//button|//svg|//comment()"
# Substack's boxes that ask to subscribe and to share.
_WIDGETS = (
    "//*[contains(@class, 'subscription-widget') or contains(@class, 'captioned-button-wrap')"
    " or contains(@class, 'button-wrapper')]"
)
# Medium, WordPress: where the article was first, as its platform's last words.
_TAIL = re.compile(
    r"was originally published in .{1,200} on Medium, where people are continuing the conversation"
    r"|^The post .{1,300} (?:first appeared|appeared first) on .{1,200}\.?$",
    re.DOTALL,
)
# Medium's clapping hands, in the last words only: an article may be about them.
_APPLAUSE = re.compile(r"\bclaps?\b|\U0001f44f", re.IGNORECASE)
_ASKING = re.compile(r"\b(?:follow|button|story|article|times|enjoyed|liked|subscribe)\b", re.IGNORECASE)
_LAST_BLOCKS = 3
_SHORT_CHARACTERS = 300
# A stub's last words are a link to the whole: Medium, Substack, WordPress.
_CONTINUES = re.compile(r"^\W*(?:continue reading|read more|read the (?:rest|full|whole))\b", re.IGNORECASE)


def to_markdown(html: str, base: str, link: str) -> str | None:
    """The entry's text; None when it is only the beginning of the article behind the link.

    Raises:
        CrawlError: the HTML cannot be read: it is nested too deeply.
    """
    tree = parse(f"<div>{html}</div>")
    if _is_stub(tree, link):
        return None
    try:
        _drop_frame(tree)
        return writer.to_markdown(next(iter(tree.xpath("//body")), tree), base) or None
    except (RecursionError, ValueError) as error:
        raise CrawlError(f"the entry's HTML cannot be read ({type(error).__name__})") from error


def plain_text(html: str) -> str:
    """The words of a fragment on one line."""
    return _text(parse(html)) if html.strip() else ""


def _drop_frame(tree: Any) -> None:
    for element in [*tree.xpath(_NEVER_TEXT), *tree.xpath(_WIDGETS)]:
        _drop(element)
    for element in list(_last_blocks(tree)):
        text = _text(element)
        is_applause = len(text) < _SHORT_CHARACTERS and _APPLAUSE.search(text) and _ASKING.search(text)
        if _TAIL.search(text) or is_applause:
            _drop(element)
    for element in list(_last_blocks(tree))[:1]:  # the rule above what was dropped
        if element.tag == "hr":
            _drop(element)


def _is_stub(tree: Any, link: str) -> bool:
    """Whether the last words are a link to the article itself."""
    for element in list(_last_blocks(tree))[:1]:
        anchors = element.xpath("descendant-or-self::a[@href]")
        if anchors and _CONTINUES.search(_text(element)):
            return any(_leads_to(anchor.get("href"), link) for anchor in anchors)
    return False


def _last_blocks(tree: Any) -> Iterator[Any]:
    """The last paragraphs and other blocks with text in them, the last first."""
    blocks = tree.xpath("//p|//h1|//h2|//h3|//h4|//h5|//h6|//li|//pre|//blockquote|//table|//hr|//figure")
    shown = (block for block in reversed(blocks) if block.tag == "hr" or _text(block))
    return (block for block, _ in zip(shown, range(_LAST_BLOCKS), strict=False))


def _leads_to(target: str, link: str) -> bool:
    try:
        return identity(target) == identity(link)
    except InvalidInputError:
        return False


def _drop(element: Any) -> None:
    """Remove an element, but not the text behind it."""
    if element.getparent() is not None:
        element.drop_tree()


def _text(element: Any) -> str:
    return " ".join(str(element.text_content()).split())
