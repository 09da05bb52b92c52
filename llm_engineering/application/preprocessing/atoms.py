"""Where a section can be cut: the smallest pieces that are worth keeping whole, and what a cut before each costs.

Prose falls into blocks (paragraphs, code fences, tables), these into list items, and these into sentences; code into
blocks between blank lines, and lines. Only what does not fit the window is cut further: between words, at last between
tokens.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from llm_engineering.application.markdown import lines_of
from llm_engineering.application.preprocessing.sections import Section

TokenStarts = Callable[[str], list[int]]

# A paragraph of more than this share of the window can be cut between its sentences to make chunks even.
_LARGE = 0.25
# Smaller neighbours are joined: they would only be more places to consider.
_SMALL = 1 / 16
_ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d+[.)])[ \t]+(?=\S)", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t]*(?:\|[ \t]*)?:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
# After a full stop, not after an abbreviation, an initial or the number of a list's item.
SENTENCE_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bFig)(?<!\bNo)(?<!\b[A-Z])(?<!^\d)"
    r"[.!?…][\"'”’)\]*_]*\s+(?=[^\sa-z])|[。！？]+\s*",
    re.MULTILINE,
)
_LINE = re.compile(r"\n")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_DEFINITION = re.compile(r"\n[ \t]*\n(?=\S)")


@dataclass(frozen=True)
class Atom:
    """A slice that is not cut, its section's position, and what a cut before it costs.

    One costs as much as a chunk that is next to empty. `block` is where its paragraph begins; `cuts_thought` says that
    a cut before it goes through that.
    """

    start: int
    end: int
    section: int
    block: int
    cost: float = 0.0
    cuts_thought: bool = False


@dataclass(frozen=True)
class _Level:
    cuts: re.Pattern[str]
    cost: float
    cuts_thought: bool
    before: bool = False  # the cut is before what the pattern matches, else after it


_ITEMS = _Level(_ITEM, 0.05, cuts_thought=False, before=True)
_ROWS = _Level(_LINE, 0.05, cuts_thought=False)
_SENTENCES = _Level(SENTENCE_END, 0.15, cuts_thought=True)
_LINES = _Level(_LINE, 0.3, cuts_thought=True)
_PROSE = (_ITEMS, _SENTENCES, _LINES)
_CODE = (
    _Level(_DEFINITION, 0.02, cuts_thought=False),
    _Level(_BLANK_LINE, 0.05, cuts_thought=False),
    _Level(_LINE, 0.15, cuts_thought=False),
)
_WORDS_COST = 0.6


class TokenIndex:
    """Counts the tokens of any slice after one pass of the tokenizer over the text."""

    def __init__(self, text: str, token_starts: TokenStarts) -> None:
        self._starts = token_starts(text)

    def before(self, offset: int) -> int:
        """How many tokens begin before an offset."""
        return bisect_left(self._starts, offset)

    def count(self, start: int, end: int) -> int:
        """How many tokens begin in a slice."""
        return self.before(end) - self.before(start)

    def offset_after(self, start: int, tokens: int) -> int:
        """Where the token begins that has `tokens` tokens between it and `start`."""
        return self._starts[self.before(start) + tokens]


def atoms_of(text: str, section: Section, position: int, is_code: bool, index: TokenIndex, budget: int) -> list[Atom]:
    """The pieces of a section, each of at most `budget` tokens. Joined in order they are the section."""
    if is_code:
        blocks: Iterable[tuple[int, int, tuple[_Level, ...], bool]] = [(section.start, section.end, _CODE, True)]
    else:
        blocks = _blocks(text, section)
    atoms: list[Atom] = []
    for start, end, levels, stays_whole in blocks:
        tokens = index.count(start, end)
        if atoms and index.count(atoms[-1].start, end) <= budget * _SMALL:
            atoms[-1] = replace(atoms[-1], end=end)
        elif tokens <= budget * (1 if stays_whole else _LARGE):
            atoms.append(Atom(start, end, position, start))
        else:
            first = max(start, section.body)
            atoms.extend(_joined(_cut(text, (start, end), levels, index, budget, first), index, budget, position))
    return atoms


def _blocks(text: str, section: Section) -> Iterator[tuple[int, int, tuple[_Level, ...], bool]]:
    """Paragraphs, code fences and tables with the levels to cut them at, and whether they stay whole where they fit."""
    starts = [(section.start, False)]
    position, was_blank, was_code, has_body = section.start, False, False, False
    for line, is_code in lines_of(text[section.start : section.end]):
        is_blank = not line.strip()
        begins = is_code != was_code if is_code or was_code else was_blank and not is_blank
        if begins and has_body:
            starts.append((position, is_code))
        elif begins and is_code:
            starts[-1] = (starts[-1][0], True)
        has_body = has_body or (position >= section.body and not is_blank)
        position += len(line)
        was_blank, was_code = is_blank, is_code
    ends = [start for start, _ in starts[1:]] + [section.end]
    for (start, is_code), end in zip(starts, ends, strict=True):
        if is_code:
            yield start, end, _CODE, True
        elif "|" in text[start:end] and _TABLE_RULE.search(text, start, end):
            yield start, end, (_ROWS,), True
        else:
            yield start, end, _PROSE, False


def _cut(
    text: str, span: tuple[int, int], levels: tuple[_Level, ...], index: TokenIndex, budget: int, first: int
) -> Iterator[tuple[int, int, _Level | None]]:
    """The pieces of a block, with the level of the cut before each; None before the first, and between words.

    A piece is cut at the next level where it is too large, and where it is large prose.
    """
    start, end = span
    tokens = index.count(start, end)
    large = budget * _LARGE if levels and levels[0] in (_SENTENCES, _ITEMS) else budget
    if tokens <= large or (not levels and tokens <= budget):
        yield start, end, None
    elif not levels:
        yield from ((*piece, None) for piece in _even(text, span, index, budget))
    else:
        level = levels[0]
        matches = level.cuts.finditer(text, start, end)
        cuts = {match.start() if level.before else match.end() for match in matches}
        for place, piece in enumerate(pairwise(sorted({start, end, *(cut for cut in cuts if first < cut < end)}))):
            for within, (a, b, deeper) in enumerate(_cut(text, piece, levels[1:], index, budget, first)):
                yield a, b, level if place and not within else deeper


def _even(text: str, span: tuple[int, int], index: TokenIndex, budget: int) -> Iterator[tuple[int, int]]:
    """As few pieces as possible of about the same size, cut between words where there are any."""
    start, end = span
    while (tokens := index.count(start, end)) > budget:
        pieces = -(-tokens // budget)
        cut = index.offset_after(start, -(-tokens // pieces))
        space = max(text.rfind(blank, start + (cut - start) // 2, cut) for blank in " \t\n")
        cut = cut if space < 0 else space + 1
        yield start, cut
        start = cut
    yield start, end


def _joined(
    pieces: Iterable[tuple[int, int, _Level | None]], index: TokenIndex, budget: int, position: int
) -> Iterator[Atom]:
    """The pieces of a block as atoms, the smallest ones joined to the next."""
    atom: Atom | None = None
    block = -1
    for start, end, level in pieces:
        block = start if block < 0 else block
        if atom and index.count(atom.start, end) <= budget * _SMALL:
            atom = replace(atom, end=end)
            continue
        if atom:
            yield atom
        is_first = start == block
        cost = 0.0 if is_first else level.cost if level else _WORDS_COST
        atom = Atom(start, end, position, block, cost, not is_first and (level is None or level.cuts_thought))
    if atom:
        yield atom
