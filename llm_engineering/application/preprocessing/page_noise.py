"""What of a page's lines is the page's and not its author's.

One word alone decides little: "Share" can be a button or the author's. So each line is first judged by itself, and
then with its neighbours: a run of suspicious lines at the beginning or the end of a page, or several in a row
anywhere, are a header, a footer, a share box; the same words among sentences stay.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

from llm_engineering.application.markdown import heading
from llm_engineering.application.preprocessing.page_lines import PageLine, normal_form
from llm_engineering.application.preprocessing.page_phrases import (
    BOX_HEADING,
    BOX_SENTENCES,
    CREDIT,
    LEGAL_NOTICE,
    LIKELY_BUTTONS,
    METADATA,
    SURE_BUTTONS,
    is_button,
)
from llm_engineering.domain.documents import RawDocument
from llm_engineering.domain.links import host_of

# A longer line has more to say than a button, a row of links or a notice; learned lines may be of any length.
_LONGEST_NOISE = 300
_LONGEST_LABEL = 30
_FEWEST_NAVIGATION_LINKS = 3
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s]*)(?:\s+\"[^\"]*\")?\)")
_EMPTY_HEADING = re.compile(r"#{1,6}")
# Deeper headings with the title are a share box's.
_TITLE_LEVEL = re.compile(r"#{1,3}(?!#)")


class Kind(Enum):
    """What a line looks like by itself."""

    TEXT = auto()
    SURE = auto()  # a button, or a heading or a picture's credit without a word: goes wherever it stands
    LIKELY = auto()  # a label of a button, or a line that was learned of the site
    BOX = auto()  # a sentence or heading of a subscribe box or a cookie notice
    NAVIGATION = auto()  # nothing but links to pages of the same site
    TITLE = auto()  # the document's own title or subtitle: stays, and a page's header goes on below it
    AROUND = auto()  # a date, a number, the author, the title again, a rule: goes with noise on both of its sides


@dataclass(frozen=True)
class Page:
    """What is known of the page that lines stand on; all in normal form but `host`."""

    noise: frozenset[str]
    title: str
    subtitle: str
    names: frozenset[str]
    host: str

    @classmethod
    def of(cls, raw: RawDocument, noise: Collection[str]) -> "Page":
        """The page of a document; `noise` are the lines that were learned of its site."""
        host = host_of(raw.link)
        names = (raw.author_full_name, raw.byline or "", f"By {raw.author_full_name}", host, raw.platform)
        titles = normal_form(raw.title), normal_form(raw.subtitle or "")
        return cls(frozenset(noise) - {""}, *titles, frozenset(map(normal_form, names)) - {""}, host)


def without_noise(text: str, lines: Sequence[PageLine], page: Page) -> str:
    """The text without the lines that are the page's."""
    gone = set(_noise_positions(lines, page))
    kept = (text[line.start : line.end] for position, line in enumerate(lines) if position not in gone)
    return "".join(kept)


def _noise_positions(lines: Sequence[PageLine], page: Page) -> Iterator[int]:
    shown = [position for position, line in enumerate(lines) if not line.is_blank]
    kinds = _kinds([lines[position] for position in shown], page)
    runs = groupby(range(len(shown)), key=lambda place: kinds[place] is Kind.TEXT)
    for is_text, places in runs:
        run = list(places)
        if not is_text:
            is_edge = run[0] == 0 or run[-1] == len(shown) - 1
            yield from (shown[place] for place in _dropped(run, kinds, is_edge))


def _dropped(run: list[int], kinds: Sequence[Kind], is_edge: bool) -> Iterable[int]:
    """What goes of a run of suspicious lines."""
    hard = [place for place in run if kinds[place] in (Kind.SURE, Kind.LIKELY, Kind.NAVIGATION)]
    if is_edge and hard:
        return [place for place in run if kinds[place] is not Kind.TITLE]
    box = [place for place in run if kinds[place] in (Kind.SURE, Kind.LIKELY, Kind.BOX)]
    if hard and len(box) > 1:
        return [place for place in run if box[0] <= place <= box[-1] and kinds[place] is not Kind.TITLE]
    return [place for place in hard if kinds[place] is Kind.SURE]


def _kinds(lines: Sequence[PageLine], page: Page) -> list[Kind]:
    """Each line's kind, given what follows: a heading with text below it, or a few links alone, are the author's."""
    kinds = [kind_of(line, page) for line in lines]
    _keep_links_that_are_no_navigation(kinds, lines)
    for place in reversed(range(len(kinds))):
        ends = place + 1 == len(kinds)
        if kinds[place] is Kind.BOX and ends and LEGAL_NOTICE.search(lines[place].text):
            kinds[place] = Kind.LIKELY
        is_above_text = not ends and kinds[place + 1] is Kind.TEXT
        if is_above_text and kinds[place] is not Kind.SURE and _is_own_heading(lines[place], page):
            kinds[place] = Kind.TEXT
    return kinds


def _is_own_heading(line: PageLine, page: Page) -> bool:
    """Whether the line can be a heading of the text: the site's or the author's name above it is none."""
    return line.is_heading and normal_form(line.text) not in page.names


def _keep_links_that_are_no_navigation(kinds: list[Kind], lines: Sequence[PageLine]) -> None:
    """Navigation is several short links in a row at the page's beginning or end, and nothing above leads to them."""
    for kind, group in groupby(range(len(kinds)), key=lambda place: kinds[place]):
        places = list(group)
        if kind is not Kind.NAVIGATION:
            continue
        links = sum(len(_LINK.findall(lines[place].text)) for place in places)
        inside = Kind.TEXT in kinds[: places[0]] and Kind.TEXT in kinds[places[-1] + 1 :]
        before = places[0] - 1
        has_lead = before >= 0 and (lines[before].is_heading or _leads_on(lines[before], kinds[before]))
        if links < _FEWEST_NAVIGATION_LINKS or inside or has_lead:
            for place in places:
                kinds[place] = Kind.TEXT


def _leads_on(line: PageLine, kind: Kind) -> bool:
    """Whether the author says that something follows: "Look at these:"."""
    return kind is Kind.TEXT and line.text.rstrip("*_ ").endswith(":")


def kind_of(line: PageLine, page: Page) -> Kind:
    """What a line looks like by itself."""
    if line.is_code:
        return Kind.TEXT
    key = normal_form(line.text)
    if not key:
        return Kind.SURE if _EMPTY_HEADING.fullmatch(line.text) else Kind.AROUND
    if line.is_heading and key in (page.title, page.subtitle):
        return Kind.TITLE if key == page.subtitle or _TITLE_LEVEL.match(line.text) else Kind.AROUND
    if key in page.noise:
        return Kind.LIKELY
    if len(line.text) > _LONGEST_NOISE:
        return Kind.TEXT
    return _kind_of_label(line, page) or _kind_of_words(line, key, page)


def _kind_of_label(line: PageLine, page: Page) -> Kind | None:
    if not line.is_item and not heading(line.text):
        if is_button(line.text, SURE_BUTTONS) or CREDIT.fullmatch(line.text):
            return Kind.SURE
        if is_button(line.text, LIKELY_BUTTONS):
            return Kind.LIKELY
    return Kind.NAVIGATION if _is_navigation(line.text, page.host) else None


def _kind_of_words(line: PageLine, key: str, page: Page) -> Kind:
    if key in page.names or METADATA.fullmatch(line.text):
        return Kind.AROUND
    if line.is_heading:
        return Kind.BOX if BOX_HEADING.search(key) else Kind.TEXT
    return Kind.BOX if any(pattern.search(line.text) for pattern in BOX_SENTENCES) else Kind.TEXT


def _is_navigation(text: str, host: str) -> bool:
    """Whether the line is nothing but short links within the site."""
    links = _LINK.findall(text) if "](" in text else []
    if not links or normal_form(_LINK.sub("", text)):
        return False
    return all(len(label) <= _LONGEST_LABEL and _is_within(target, host) for label, target in links)


def _is_within(target: str, host: str) -> bool:
    if "://" in target:
        return host_of(target) == host
    return target.startswith("/") and not target.startswith("//")
