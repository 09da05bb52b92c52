"""What in a page is beside its article, by its tag, role, name or style."""

import re
from typing import Any

from llm_engineering.infrastructure.markup.tree import letters, tokens

_NOISE_TAGS = (
    "script", "style", "noscript", "template", "svg", "iframe", "button", "input", "select", "textarea", "nav",
    "dialog", "object", "embed", "canvas", "audio", "video", "map", "link", "meta", "form", "label", "datalist",
)  # fmt: skip
_NOISE_ROLES = frozenset({
    "navigation", "complementary", "dialog", "alertdialog", "search", "banner", "contentinfo", "menu", "menubar",
    "toolbar", "tablist", "button", "textbox", "alert",
})  # fmt: skip
# Words of a class or id that name a thing beside the article, on whatever site.
_NOISE_WORDS = frozenset({
    "share", "sharing", "sharedaddy", "social", "related", "relatedposts", "jp-relatedposts", "comments", "comment",
    "disqus", "respond", "newsletter", "subscribe", "subscription", "signup", "promo", "sponsor", "sponsored",
    "advert", "advertisement", "ads", "billboard", "sidebar", "breadcrumb", "breadcrumbs", "cookie", "consent", "gdpr",
    "pagination", "pager", "paginav", "navigation", "nav", "navbar", "menu", "byline", "modal", "popup", "toc",
    "recommended", "recommendations", "reactions", "paywall", "printfriendly", "outbrain", "taboola", "skip",
})  # fmt: skip
_NOISE_BLOCKS = ("div", "section", "aside", "ul", "ol", "p", "header", "footer", "details", "h2", "h3", "h4", "table")
_ABOUT = ("has-", "no-", "with-", "without-", "tag-", "category-", "is-", "not-", "type-", "format-")
_NOTE_WORDS = frozenset({"footnote", "footnotes", "endnotes", "admonition", "callout", "note", "pullquote"})
_HIDDEN = re.compile(r"display:\s*none|visibility:\s*hidden", re.IGNORECASE)
_SHARE_LINK = re.compile(
    r"[?&]action=share|/sharer?\b|/intent/(?:tweet|post)|^mailto:\?|/subscribe\b|#/portal|/signup\b|/signin\b"
)
_PROSE_LETTERS = 60
_NOISE = "noise"
# Whatever its name, what holds so much of a page's text is not beside the article.
_TOO_MUCH = 0.5


def remove_noise(body: Any) -> None:
    """Remove what is beside the article by its tag, role, name or style, but nothing that holds half of the page."""
    from lxml import etree

    measured = _measured(body)
    limit = max(1, measured[body][0] * _TOO_MUCH)
    for element, (length, linked) in measured.items():
        if element is not body and _is_noise(element, reads_as_prose(length, linked)):
            if element.tag in _NOISE_TAGS[:5] or length <= limit:
                element.tag = _NOISE
            elif element.tag in ("form", "button", "label"):
                element.tag = "div"  # the one form around everything of ASP.NET
    etree.strip_elements(body, _NOISE, with_tail=False)  # one by one, the text around would be copied every time


def _measured(body: Any) -> dict[Any, tuple[int, int]]:
    """How many letters each element has, and how many of them in links; each text is read once."""
    elements = list(body.iter())
    measured: dict[Any, tuple[int, int]] = dict.fromkeys(elements, (0, 0))  # in reading order
    for element in reversed(elements):
        length = len(letters(element.text or "")) + sum(measured[c][0] + len(letters(c.tail or "")) for c in element)
        linked = sum(measured[child][1] for child in element) + (length if element.tag == "a" else 0)
        measured[element] = length, linked
    return measured


def _is_noise(element: Any, is_prose: bool) -> bool:
    if element.tag in _NOISE_TAGS:
        return True
    if (element.get("role") or "").lower() in _NOISE_ROLES or _is_hidden(element):
        return True
    if element.tag == "a":
        return _SHARE_LINK.search(element.get("href") or "") is not None and not is_prose
    if element.tag not in _NOISE_BLOCKS or next(element.iterancestors("pre", "code"), None) is not None:
        return False
    names = _names(element)
    if element.tag == "aside":
        return not names & _NOTE_WORDS and "note" not in (element.get("role") or "") and not is_prose
    return bool(names & _NOISE_WORDS) and next(element.iterdescendants("h1", "article", "main"), None) is None


def _names(element: Any) -> frozenset[str]:
    """The words of class and id that say what the element is.

    `has-sidebar` says what is beside it, `tag-newsletter` what it is about (WordPress has both on the article). The id
    of a section is its heading's on documentation pages: `<section id="comments">`.
    """
    said = [name for name in (element.get("class") or "").split() if not name.startswith(_ABOUT)]
    return tokens(" ".join([*said, element.get("id") or ""] if element.tag in ("div", "aside") else said))


def _is_hidden(element: Any) -> bool:
    style, names = element.get("style") or "", (element.get("class") or "").split()
    hidden = element.get("hidden") is not None or element.get("aria-hidden") == "true" or _HIDDEN.search(style)
    return bool(hidden) or bool({"sr-only", "screen-reader-text", "visually-hidden"} & set(names))


def reads_as_prose(length: int, linked: int) -> bool:
    """Whether so many letters, and so many of them in links, are sentences rather than labels."""
    return length >= _PROSE_LETTERS and linked < length / 2
