"""An HTML page as a tree that every later step can rely on: any input gives one, of bounded size and depth."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from llm_engineering.domain.errors import NotAnArticleError

# What follows walks the tree with a few calls a level and a few passes a node. The deepest real pages have some 60
# levels and some 20,000 elements; a page made to stop a crawler has more.
MAX_DEPTH = 100
MAX_ELEMENTS = 100_000
# The parser's time grows with the square of a tag's attributes. Each of them counts for one to three here: its name,
# the blanks before it, and its value, which may be long (a picture).
_MAX_TAG_PARTS = 4_000
_TAG = re.compile(
    # What is no markup, and what follows may be a `<` of a script: taken as a whole.
    r"<!--(?!-?>)(?:[^-]++|-(?!-!?>))*+|<(script|style)\b(?:[^<]++|<(?!/\1))*+"
    rf"""|<[a-z](?>=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)|[\s/]++|[^\s/=>]++|=){{0,{_MAX_TAG_PARTS}}}+(?P<more>[^>])?""",
    re.IGNORECASE,
)
# XML has no place for most control characters, surrogates and U+FFFE, U+FFFF. The private use area holds the icons of
# web fonts, and is where `markdown_writer` puts its own marks.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,9}));?")
_MAX_CODE_POINT = 0x10FFFF
_TOO_DEEP = "too-deep"
_WORD_CHARACTERS = re.compile(r"[\W_]+")


def parse(html: str) -> Any:
    """The page's root element.

    Raises:
        NotAnArticleError: there is no element in it, more than `MAX_ELEMENTS`, or thousands are nested, or attributes
            of one.
    """
    from lxml import etree
    from lxml import html as lxml_html

    if any(tag["more"] for tag in _TAG.finditer(html)):
        raise NotAnArticleError("the page has a tag with thousands of attributes")
    cleaned = _UNFIT.sub("", _REFERENCE.sub(_fit_reference, html))
    # As bytes, for lxml refuses text that declares an encoding. A parser of its own for each page: threads share none.
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = lxml_html.document_fromstring(cleaned.encode(), parser=parser)
    except etree.LxmlError as error:  # its word for "no element at all"
        raise NotAnArticleError(f"there is no HTML in the page ({error})") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise NotAnArticleError("the page's elements are nested too deeply")  # lxml leaves out what lies deeper
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        raise NotAnArticleError(f"the page has more than {MAX_ELEMENTS:,} elements: too many for an article")
    _flatten(root)
    return root


def is_attached(element: Any, root: Any) -> bool:
    """Whether the element still is in the tree, after others were removed."""
    return element is root or next(element.iterancestors(root.tag), None) is not None


def text_of(element: Any) -> str:
    """The element's text in one line."""
    return " ".join(" ".join(element.itertext()).split()) if element is not None else ""


def letters(text: str) -> str:
    """Letters and digits only, in lower case: what stays the same however a text is marked up."""
    return _WORD_CHARACTERS.sub("", text).lower()


def tokens(value: str | None) -> frozenset[str]:
    """The words of a class or id: `post-shareButtons` has `post`, `share` and `buttons`."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", value or "")
    return frozenset(part.lower() for part in parts)


def absolute(base: str, link: str) -> str | None:
    """The link as an absolute http(s) or mailto URL; None for what is none of these."""
    try:
        joined = urljoin(base, "".join(link.split("\n")).strip())
        return joined if urlsplit(joined).scheme in ("http", "https", "mailto") else None
    except ValueError:
        return None


def json_ld(root: Any) -> list[dict[str, Any]]:
    """Every object of the page's JSON-LD, the nested ones too, in reading order. What is no JSON is passed over."""
    found: list[dict[str, Any]] = []
    for script in root.iter("script"):
        if "ld+json" in (script.get("type") or ""):
            try:
                found.extend(_objects(json.loads(script.text or "", strict=False)))
            except (ValueError, RecursionError):  # comments, trailing commas, or made to be deep
                continue
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value] if isinstance(value, dict | list) else []
    while waiting:
        current = waiting.pop()  # from the end, for taking from the beginning moves all the others
        if isinstance(current, dict):
            yield current
        parts = list(current.values()) if isinstance(current, dict) else current
        waiting.extend(part for part in reversed(parts) if isinstance(part, dict | list))


def _fit_reference(match: re.Match[str]) -> str:
    """`&#0;` is nothing, `&#146;` is what browsers take it for (HTML standard, 13.2.5.80), others stay."""
    code = int(match.group(1), 16) if match.group(1) else int(match.group(2))
    if 0x80 <= code <= 0x9F:
        return bytes([code]).decode("cp1252", errors="ignore")
    unfit = code > _MAX_CODE_POINT or _UNFIT.match(chr(code)) is not None
    return "" if unfit else match.group(0)


def _flatten(root: Any) -> None:
    """Unwrap what lies too deep; its text stays."""
    from lxml import etree

    depth, deep = 0, []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if event == "start" and depth > MAX_DEPTH:
            deep.append(element)
    # All at once: one by one, each would be joined to the text before it, which is copied every time.
    for element in deep:
        element.tag = _TOO_DEEP
    etree.strip_tags(root, _TOO_DEEP)
