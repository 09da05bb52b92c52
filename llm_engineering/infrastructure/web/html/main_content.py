"""Where in a page the article is, and what in that place is none of it.

trafilatura (Barbaresi, 2021) says which text is the article's; but it rewrites what it finds, and loses captions,
footnotes, line breaks of code. So only its judgement is taken: the smallest element with all of the prose that it
found is the article, and is written as it stands in the page, less what is noise by its markup and, before the first
and after the last of the text that was found, what trafilatura left out.
"""

import logging
from copy import deepcopy
from typing import Any

from llm_engineering.infrastructure.markup.tree import is_attached, letters, text_of, tokens
from llm_engineering.infrastructure.web.html.noise import reads_as_prose, remove_noise

logger = logging.getLogger(__name__)

_BLOCKS = frozenset({
    "p", "div", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "table",
    "figure", "figcaption", "section", "article", "header", "footer", "main", "aside", "details", "summary", "hr",
    "td", "th", "tr", "tbody", "thead", "body", "hgroup", "address", "center",
})  # fmt: skip
# Such a block is content wherever it stands, whatever trafilatura says.
_CONTENT_TAGS = frozenset({"pre", "figcaption", "blockquote", "td", "th"})
# Beside paragraphs of the article, these belong to it; a `div` there may be anything.
_TEXT_TAGS = frozenset({"p", "ul", "ol", "dl", "pre", "table", "blockquote", "figure", "h2", "h3", "h4", "h5", "h6"})
_WHOLE = ("ul", "ol", "dl", "table", "blockquote", "figure")
_WRAPPERS = ("div", "section", "article", "main", "body", "header", "footer", "center")
_SUBTITLE_WORDS = frozenset(
    {"subtitle", "subheading", "excerpt", "description", "standfirst", "deck", "dek", "summary"}
)
# trafilatura's time grows with the square of the number of elements: a page of 20,000 words, each in a span, took it
# 2.5 s, one of 90,000 took 40 s. Without these tags it judges the same text.
_INLINE = ("span", "b", "strong", "i", "em", "u", "small", "sub", "sup", "font", "mark", "code", "abbr", "cite", "q")
_MAX_JUDGED = 20_000


def find_main(root: Any, titles: frozenset[str] = frozenset()) -> Any:
    """The element that is the article, cleaned; where trafilatura finds none, all of the page that is not noise.

    `titles` (title, subtitle, byline, as their `letters`) stand before the article. The tree is changed on the way.
    """
    body = root.find("body") if root.find("body") is not None else root
    remove_noise(body)
    _wrap_loose_text(body)
    found = letters(_judgement(root))
    blocks = _leaf_blocks(body)
    prose = [block for block in blocks if _is_prose(block) and letters(text_of(block)) in found]
    if not prose:
        return _enclosing(next(body.iter("article", "main"), body))
    main = _enclosing(_common_ancestor(prose))
    _trim(main, found, titles)
    if main.tag not in _WRAPPERS:
        main.tag = "div"  # the cell of a table that lays out the page
    return main


def _judgement(root: Any) -> str:
    """The text that trafilatura takes for the article's; '' if it finds none, or stumbles over the page."""
    import trafilatura

    simple = _simplified(root)
    if sum(1 for _ in simple.iter()) > _MAX_JUDGED:
        return ""
    try:
        document: Any = trafilatura.bare_extraction(
            simple, include_comments=False, include_tables=True, favor_recall=True, with_metadata=False
        )
    except (AttributeError, IndexError, KeyError, RuntimeError) as error:
        # Its judgement helps to find the article; a page that it cannot judge is taken as it is.
        logger.debug("trafilatura could not judge a page: %r", error)
        return ""
    return "" if document is None or document.body is None else " ".join(document.body.itertext())


def _simplified(root: Any) -> Any:
    """A copy that says the same in fewer elements, for the sake of trafilatura's time."""
    from lxml import etree

    simple = deepcopy(root)
    etree.strip_tags(simple, *_INLINE)
    etree.strip_attributes(simple, "rowspan", "colspan")
    for element in simple.iter():
        element.text, element.tail = element.text, element.tail  # joins the pieces that the tags left behind
    return simple


def _leaf_blocks(body: Any) -> list[Any]:
    """The blocks that have text and no block in them, in reading order."""
    with_blocks = {parent for block in body.iter(*_BLOCKS) for parent in [block.getparent()] if parent is not None}
    return [b for b in body.iter(*_BLOCKS) if b not in with_blocks and letters("".join(b.itertext()))]


def _is_prose(element: Any) -> bool:
    """Sentences rather than labels: long enough, and not links for the most part."""
    length = len(letters("".join(element.itertext())))
    linked = sum(len(letters("".join(link.itertext()))) for link in element.iter("a"))
    return reads_as_prose(length, linked)


def _common_ancestor(elements: list[Any]) -> Any:
    """The lowest element that holds all of them."""
    shared = [elements[0], *elements[0].iterancestors()]
    for element in elements[1:]:
        above = {element, *element.iterancestors()}
        shared = [candidate for candidate in shared if candidate in above]
    return shared[0]


def _enclosing(element: Any) -> Any:
    """The article around the element, if there is one: what trafilatura missed of it is in there."""
    for candidate in [element, *element.iterancestors()]:
        if candidate.tag == "article" or "articlebody" in (candidate.get("itemprop") or "").lower():
            return candidate
    return element


def _wrap_loose_text(body: Any) -> None:
    """Give text that stands between blocks a block of its own, so that every text is in one."""
    from lxml import etree

    for parent in list(body.iter(*_WRAPPERS)):
        if not any(child.tag in _BLOCKS for child in parent):
            continue
        run = etree.Element("div")
        run.text, parent.text = parent.text, None
        for child in [*parent, None]:
            if child is not None and child.tag not in _BLOCKS:
                run.append(child)  # with the text after it
                continue
            if letters("".join(run.itertext())) or run.find(".//img") is not None:
                parent.append(run) if child is None else child.addprevious(run)
            run = etree.Element("div")
            if child is not None:
                run.text, child.tail = child.tail, None


def _trim(main: Any, found: str, titles: frozenset[str]) -> None:
    """Cut what stands before the first and after the last block that belongs to the article."""
    blocks = _leaf_blocks(main)
    homes = {_whole(b, main).getparent() for b in blocks if _is_prose(b) and letters(text_of(b)) in found}
    belonging = [block for block in blocks if _belongs(block, main, found, titles, homes)]
    if belonging:
        _cut(_whole(belonging[0], main), main, before=True)
        _cut(_whole(belonging[-1], main), main, before=False)


def _belongs(block: Any, main: Any, found: str, titles: frozenset[str], homes: set[Any]) -> bool:
    text, outer = letters(text_of(block)), _whole(block, main)
    if text in titles and _is_heading_of_article(block):
        return False
    if block.tag in _CONTENT_TAGS or _is_prose(block):
        return True
    home = outer.getparent()
    while home is not None and home.tag == "section" and home not in homes:
        home = home.getparent()
    return outer.tag in _TEXT_TAGS and (text in found or home in homes)


def _is_heading_of_article(block: Any) -> bool:
    """Whether title or subtitle stand here, rather than a first paragraph that the description repeats."""
    in_header = next(block.iterancestors("header"), None) is not None
    return block.tag != "p" or in_header or bool(tokens(block.get("class")) & _SUBTITLE_WORDS)


def _whole(block: Any, main: Any) -> Any:
    """The outermost list, table, quote or figure around the block: these are cut or kept as one."""
    around = [element for element in block.iterancestors() if element.tag in _WHOLE and is_attached(element, main)]
    inside = [element for element in around if element is not main and main in element.iterancestors()]
    return inside[-1] if inside else block


def _cut(element: Any, main: Any, before: bool) -> None:
    """Remove everything in `main` that stands before the element, or after it."""
    while element is not main:
        parent = element.getparent()
        for sibling in list(element.itersiblings(preceding=before)):
            parent.remove(sibling)
        if before:
            parent.text = None
        else:
            element.tail = None
        element = parent
