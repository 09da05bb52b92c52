"""Headers and footers, learned by repetition: what stands on many pages of a site is the site's, not the text's.

Edges are trusted first: a line must stand in a run of repeating lines that begins or ends the page. In the middle of
a text it must be on most pages, and beside another such line: an author's standing phrase stands alone. A full
sentence is more likely the author's, who opens the parts of a series alike: it must stand on half of the pages, at
their edges. In the middle none is learned, nor are sentences among themselves, nor a list under a heading.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from itertools import groupby

from llm_engineering.application.preprocessing.cleaning import normalise_unicode
from llm_engineering.application.preprocessing.page_lines import normal_form, page_lines
from llm_engineering.application.preprocessing.page_noise import Kind, Page, kind_of
from llm_engineering.domain.documents import DataCategory, RawDocument, text_hash
from llm_engineering.domain.links import host_of

FEWEST_DOCUMENTS = 4
FEWEST_REPETITIONS = 3
SHARE_AT_EDGES = 0.3
SHARE_ANYWHERE = 0.6
SHARE_OF_SENTENCES = 0.5
SENTENCE_WORDS = 8
# Of a site so many documents are looked at, chosen by their ids' hashes: memory has a bound, and the same documents
# give the same lines in whatever order they come.
SAMPLE = 64
_EDGE_LINES = 150
# Sections that many texts have. A heading above its own text is told by that; this saves the ones above nothing.
SECTION_NAMES = frozenset({
    "abstract", "acknowledgements", "appendix", "background", "conclusion", "conclusions", "contents", "faq",
    "further reading", "images", "intro", "introduction", "motivation", "next steps", "overview", "prerequisites",
    "references", "results", "sources", "summary", "table of contents", "tl dr", "tldr",
})  # fmt: skip


@dataclass(frozen=True)
class _Line:
    """`key` is '' for what may stand between repeating lines: a date, a number, a button."""

    key: str
    is_heading: bool = False
    is_code: bool = False
    is_sentence: bool = False
    is_listed: bool = False  # an item of a list with a heading above it

    @property
    def is_full_sentence(self) -> bool:
        """A shorter one can be a label: "Thanks for reading!"."""
        return self.is_sentence and len(self.key.split()) >= SENTENCE_WORDS


@dataclass
class _Site:
    """The pages of a site that are looked at, each with the number that it was chosen by; the least first."""

    sample: list[tuple[int, list[_Line]]] = field(default_factory=list)

    def add(self, raw: RawDocument) -> None:
        """Look at the document, in place of another one where there are enough."""
        rank = int(text_hash(str(raw.id))[:16], 16)
        if any(rank == known for known, _ in self.sample):
            return
        if len(self.sample) < SAMPLE:
            heappush(self.sample, (rank, _lines(raw)))
        elif rank > self.sample[0][0]:
            heapreplace(self.sample, (rank, _lines(raw)))


def learn(documents: Iterable[RawDocument]) -> dict[str, list[str]]:
    """The lines that repeat from page to page by site, in their normal form, sorted; no entry for a site without any.

    Documents are streamed, and only articles are looked at.
    """
    sites: dict[str, _Site] = defaultdict(_Site)
    for raw in documents:
        if raw.category is DataCategory.ARTICLES:
            sites[site_of(raw)].add(raw)
    learned = {name: _learned([lines for _, lines in site.sample]) for name, site in sites.items()}
    return {name: sorted(lines) for name, lines in sorted(learned.items()) if lines}


def noise_of(raw: RawDocument, noise: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Which of the lines that were learned of its site a document has: its features depend on no others."""
    known = noise.get(site_of(raw)) if raw.category is DataCategory.ARTICLES else None
    if not known:
        return frozenset()
    lines = page_lines(normalise_unicode(raw.content))
    return frozenset(known) & {normal_form(line.text) for line in lines if not line.is_code}


def site_of(raw: RawDocument) -> str:
    """The host of the document's link; of a link without one, the platform."""
    return host_of(raw.link) or raw.platform


def _lines(raw: RawDocument) -> list[_Line]:
    """The lines near the beginning and the end of a page."""
    page = Page.of(raw, ())
    lines = [line for line in page_lines(normalise_unicode(raw.content)) if not line.is_blank]
    if len(lines) > 2 * _EDGE_LINES:
        lines = lines[:_EDGE_LINES] + lines[-_EDGE_LINES:]
    found, heads_list = list[_Line](), False
    for line in lines:
        heads_list = line.is_heading or (heads_list and line.is_item)
        if line.is_code or kind_of(line, page) in (Kind.AROUND, Kind.SURE, Kind.TITLE):
            found.append(_Line("", is_code=line.is_code))
        else:
            is_listed = heads_list and line.is_item
            found.append(_Line(normal_form(line.text), line.is_heading, False, line.is_sentence, is_listed))
    return found


def _learned(pages: Sequence[list[_Line]]) -> set[str]:
    if len(pages) < FEWEST_DOCUMENTS:
        return set()
    often = max(FEWEST_REPETITIONS, math.ceil(SHARE_AT_EDGES * len(pages)))
    on_half = max(FEWEST_REPETITIONS, math.ceil(SHARE_OF_SENTENCES * len(pages)))
    mostly = max(FEWEST_REPETITIONS, math.floor(SHARE_ANYWHERE * len(pages)) + 1)
    pages_with = Counter(key for page in pages for key in {line.key for line in page})
    del pages_with[""]
    sentences = {line.key for page in pages for line in page if line.is_full_sentence}

    def often_enough(counts: Mapping[str, int]) -> set[str]:
        return _in_at_least(often, counts) - (sentences - _in_at_least(on_half, counts))

    repeating = often_enough(pages_with)
    at_edges = Counter(key for page in pages for key in {*_header(page, repeating), *_footer(page, repeating)})
    on_most = _in_at_least(mostly, pages_with) - sentences
    in_boxes = Counter(key for page in pages for key in set(_in_company(page, on_most)))
    return (often_enough(at_edges) | _in_at_least(mostly, in_boxes)) - SECTION_NAMES


def _in_at_least(pages: int, counts: Mapping[str, int]) -> set[str]:
    return {key for key, count in counts.items() if count >= pages}


def _header(page: Sequence[_Line], repeating: Collection[str]) -> list[str]:
    """The repeating lines that the page begins with; not a heading right above the page's own text."""
    run = list(_run(page, repeating))
    while run and len(run) < len(page) and run[-1].is_heading:
        run.pop()
    return [line.key for line in run if line.key]


def _footer(page: Sequence[_Line], repeating: Collection[str]) -> list[str]:
    """The repeating lines that the page ends with."""
    return [line.key for line in _run(page[::-1], repeating) if line.key]


def _run(lines: Iterable[_Line], repeating: Collection[str]) -> Iterator[_Line]:
    for line in lines:
        if line.is_code or (line.key and line.key not in repeating):
            return
        yield line


def _in_company(page: Sequence[_Line], on_most: Collection[str]) -> Iterator[str]:
    """The lines of most pages that stand together; a heading counts with what is below it, sentences with a label."""
    for is_shared, group in groupby(page, key=lambda line: line.key in on_most and not line.is_listed):
        box = list(group) if is_shared else []
        while box and box[-1].is_heading:
            box.pop()
        if len(box) > 1 and not all(line.is_sentence for line in box):
            yield from (line.key for line in box)
