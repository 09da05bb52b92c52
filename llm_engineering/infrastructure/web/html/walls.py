"""What tells that a page is not the article that was asked for, but something in its place.

Words alone prove nothing: an article may be about captchas or be called "404". A wall is short, so each rule asks for
two things: little main text, and a sign in the page's title, its headings, its own phrases, or its markup. Only the
markup of a paywall speaks for itself, for it ends a text that may be long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_engineering.infrastructure.markup.tree import json_ld, text_of
from llm_engineering.infrastructure.web.html.wall_signs import (
    NEEDS_SCRIPT,
    PAYWALL,
    SCRIPT_PHRASE,
    STUB_MARKUP,
    STUB_PHRASE,
    WALLS,
    Wall,
)

# Below this a page has a title and a wall in front of the text, not an article.
MIN_ARTICLE_CHARACTERS = 200
# How long the text beside a sign may be: with a title or a phrase alone, with markup too, before a paywall.
SHORT = 600
WITH_MARKUP = 1_200
STUB = 3_000
# A phrase that stands alone, not the beginning of a sentence about it.
_MAX_PHRASE = 120
_PROSE = 60
_MAX_TITLE = 200
_LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")
_SEPARATORS = re.compile(r"\s+[|–—·•»-]\s+|\s*[|]\s*|:\s+")


@dataclass(frozen=True)
class PageSigns:
    """What of a page the rules look at, taken before it is cleaned."""

    url: str
    titles: tuple[str, ...]
    text: str
    marked: frozenset[str]
    stub_phrase: bool
    stub_markup: bool
    not_free: bool
    needs_script: bool


def read_signs(root: Any, url: str) -> PageSigns:
    """Look at the page as it came."""
    titles = (text_of(e) for e in [*root.iter("title"), *root.iter("h1"), *list(root.iter("h2"))[:2]])
    return PageSigns(
        url=url,
        titles=tuple(part for title in titles for part in _parts(title)),
        text=" ".join(" ".join(_visible(root)).split()),
        marked=frozenset(wall.reason for wall in WALLS if root.xpath(wall.markup)),
        stub_phrase=_ends_in_stub(root),
        stub_markup=bool(root.xpath(STUB_MARKUP)),
        not_free=any(found.get("isAccessibleForFree") in (False, "false", "False") for found in json_ld(root)),
        needs_script=any(SCRIPT_PHRASE.search(text_of(e)) for e in root.iter("noscript"))
        or bool(root.xpath("//div[@id='root' or @id='app' or @id='__next'][not(.//p)]")),
    )


def why_no_article(signs: PageSigns, text: str) -> str | None:
    """The reason why the main text is not the article that was asked for; None when it is one.

    `text` is the main text as it was extracted, '' when there was none.
    """
    wall, length = wall_before(signs, text), len(text)
    if wall or length >= MIN_ARTICLE_CHARACTERS:
        return wall
    if signs.needs_script or SCRIPT_PHRASE.search(signs.text):
        return NEEDS_SCRIPT
    return f"no article found: {length} characters of main text, fewer than {MIN_ARTICLE_CHARACTERS}"


def wall_before(signs: PageSigns, text: str) -> str | None:
    """What stands in front of the article: a wall or a paywall; None when nothing does, however short the text is."""
    length, unlinked = len(text), len(_LINK.sub("", text))  # a soft 404 lists other pages
    wall = next((wall for wall in WALLS if _stands(wall, signs, unlinked)), None)
    if wall is not None:
        return wall.reason
    if signs.stub_markup or (signs.stub_phrase and length < STUB) or (signs.not_free and length < WITH_MARKUP):
        return PAYWALL
    return None


def _stands(wall: Wall, signs: PageSigns, length: int) -> bool:
    if length >= WITH_MARKUP:
        return False
    titled = any(wall.title.fullmatch(title.rstrip(" .!?…")) for title in signs.titles)
    said, marked = wall.phrase.search(signs.text) is not None, wall.reason in signs.marked
    if length < MIN_ARTICLE_CHARACTERS:
        return titled or said or marked
    if length < SHORT:
        return titled or (said and len(signs.text) < WITH_MARKUP)
    return marked and (titled or said)


def _parts(title: str) -> Iterator[str]:
    """The title, and its parts between the separators: one of them is the site's name."""
    if len(title) > _MAX_TITLE:  # no title; and long ones take the patterns long
        return
    parts = _SEPARATORS.split(title)
    yield from (part.strip() for part in (title, parts[0], parts[-1]))


def _visible(root: Any) -> Iterator[str]:
    for element in root.iter("body"):
        for part in element.iter():
            if part.tag not in ("script", "style", "template", "noscript") and part.text:
                yield part.text
            if part.tail:
                yield part.tail


def _ends_in_stub(root: Any) -> bool:
    """Whether text is followed by a heading, paragraph or button that says that the rest is to be paid for."""
    prose = False
    for element in root.iter("h2", "h3", "h4", "p", "div", "span", "a", "button"):
        text = " ".join((element.text or "").split())
        if prose and len(text) < _MAX_PHRASE and STUB_PHRASE.match(text):
            return True
        prose = prose or (element.tag in ("p", "div") and len(text) > _PROSE)
    return False
