"""Chunking: cut a cleaned text into slices that fit the embedding model's window, and lose nothing.

A text is cut at the strongest boundary that makes the pieces fit: headings, then paragraphs, sentences, lines, words,
and at last between tokens. Neighbouring pieces are then packed together up to the budget. Chunks are slices of the
text: joined in order they give it back, to the character.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile

from llm_engineering.application.markdown import heading, lines_of
from llm_engineering.domain.chunks import Chunk, chunk_id, embedding_text
from llm_engineering.domain.documents import CleanedDocument, DataCategory

TokenStarts = Callable[[str], list[int]]
Span = tuple[int, int]

_PARAGRAPH, _LINE, _SENTENCE, _WORD = r"\n[ \t]*\n", r"\n", r"[.!?…][\"')\]]*\s+", r"\s+"
# A blank line before something that is not indented: a definition, with the comment and decorators above it.
_DEFINITION = r"\n[ \t]*\n(?=\S)"


@dataclass(frozen=True)
class ChunkingRule:
    """How one category is cut: at headings or not, then at these boundaries, strongest first.

    A section below `min_tokens` is joined to the next one where both fit.
    """

    by_headings: bool
    boundaries: tuple[re.Pattern[str], ...]
    min_tokens: int


def _rule(by_headings: bool, boundaries: tuple[str, ...], min_tokens: int) -> ChunkingRule:
    return ChunkingRule(by_headings, tuple(re.compile(boundary) for boundary in boundaries), min_tokens)


CHUNKING: dict[DataCategory, ChunkingRule] = {
    DataCategory.ARTICLES: _rule(True, (_PARAGRAPH, _SENTENCE, _LINE, _WORD), min_tokens=48),
    DataCategory.POSTS: _rule(False, (_PARAGRAPH, _SENTENCE, _LINE, _WORD), min_tokens=0),
    DataCategory.REPOSITORIES: _rule(False, (_DEFINITION, _PARAGRAPH, _LINE, _WORD), min_tokens=0),
}

# Of the window, at most this share goes to the context (title and headings).
CONTEXT_SHARE = 0.25


class _TokenIndex:
    """Counts the tokens of any slice after one pass of the tokenizer over the text."""

    def __init__(self, text: str, token_starts: TokenStarts) -> None:
        self._starts = token_starts(text)

    def count(self, start: int, end: int) -> int:
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def offset_after(self, start: int, tokens: int) -> int:
        """Where the token begins that has `tokens` tokens between it and `start`."""
        return self._starts[bisect_left(self._starts, start) + tokens]


@dataclass(frozen=True)
class _Section:
    """A slice under one heading; `path` are the headings above it, its own last where it begins with one."""

    start: int
    end: int
    path: tuple[str, ...]


def chunk(document: CleanedDocument, token_starts: TokenStarts, max_tokens: int) -> list[Chunk]:
    """Cut a document so that context and slice together have at most `max_tokens` tokens (special ones not counted).

    A text without a word gives no chunk.
    """
    rule, text = CHUNKING[document.category], document.text
    if not text.strip():
        return []
    index = _TokenIndex(text, token_starts)
    spans: list[tuple[Span, str]] = []
    sections = _sections(text, rule.by_headings)
    for section in _join_small(sections, index, rule.min_tokens, int(max_tokens * (1 - CONTEXT_SHARE))):
        context = _context(document.title, section.path, token_starts, int(max_tokens * CONTEXT_SHARE))
        budget = max_tokens - len(token_starts(context))
        atoms = _atoms(text, (section.start, section.end), rule.boundaries, index, budget)
        spans.extend((span, context) for span in _pack(atoms, index, budget))
    fitting = (piece for span, context in spans for piece in _fit(text, span, context, token_starts, max_tokens))
    return [
        Chunk(
            id=chunk_id(document.id, position),
            index=position,
            text=text[start:end],
            context=context,
            token_count=tokens,
            document=document,
        )
        for position, ((start, end), context, tokens) in enumerate(fitting)
    ]


def _sections(text: str, by_headings: bool) -> list[_Section]:
    """Cut before each Markdown heading that is not inside a code fence; one section where headings do not count."""
    starts: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    above: list[tuple[int, str]] = []
    position = 0
    for line, is_code in lines_of(text) if by_headings else ():
        found = None if is_code else heading(line)
        if found:
            above = [*((level, title) for level, title in above if level < found[0]), found]
            starts.append((position, tuple(title for _, title in above)))
        position += len(line)
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [_Section(start, end, path) for (start, path), end in zip(starts, ends, strict=True) if end > start]


def _join_small(sections: list[_Section], index: _TokenIndex, min_tokens: int, max_tokens: int) -> list[_Section]:
    """Join a section that is too small to stand alone with the next one, under the headings that both share."""
    joined: list[_Section] = []
    for section in sections:
        last = joined[-1] if joined else None
        if (
            last
            and index.count(last.start, last.end) < min_tokens
            and index.count(last.start, section.end) <= max_tokens
        ):
            both = zip(last.path, section.path, strict=False)
            shared = tuple(title for title, _ in takewhile(lambda pair: pair[0] == pair[1], both))
            joined[-1] = _Section(last.start, section.end, shared)
        else:
            joined.append(section)
    return joined


def _context(title: str, path: tuple[str, ...], token_starts: TokenStarts, max_tokens: int) -> str:
    """Title and headings, each once; the middle ones go, then the end, where they are too long."""
    names = [name for name in dict.fromkeys((title, *path)) if name]
    context = " > ".join(names)
    if len(token_starts(context)) > max_tokens and len(names) > 2:
        context = f"{names[0]} > {names[-1]}"
    starts = token_starts(context)
    return context if len(starts) <= max_tokens else context[: starts[max_tokens]].rstrip()


def _atoms(
    text: str, span: Span, boundaries: tuple[re.Pattern[str], ...], index: _TokenIndex, budget: int
) -> Iterator[Span]:
    """Pieces that each fit the budget, cut at boundaries as strong as possible."""
    start, end = span
    if index.count(start, end) <= budget:
        yield span
    elif not boundaries:
        while index.count(start, end) > budget:
            cut = index.offset_after(start, budget)
            yield start, cut
            start = cut
        yield start, end
    else:
        cuts = [match.end() for match in boundaries[0].finditer(text, start, end)]
        for piece in pairwise(sorted({start, *cuts, end})):
            yield from _atoms(text, piece, boundaries[1:], index, budget)


def _pack(atoms: Iterable[Span], index: _TokenIndex, budget: int) -> list[Span]:
    """Join neighbouring pieces while they fit the budget."""
    packed: list[Span] = []
    for start, end in atoms:
        if packed and index.count(packed[-1][0], end) <= budget:
            packed[-1] = (packed[-1][0], end)
        else:
            packed.append((start, end))
    return packed


def _fit(
    text: str, span: Span, context: str, token_starts: TokenStarts, max_tokens: int
) -> Iterator[tuple[Span, str, int]]:
    """The span with its exact count, in halves where it has more tokens alone than it had within the text.

    That happens only where a cut went through a word: its parts can be more tokens than they were in the whole. An
    extreme case is a word of over 100 characters, which WordPiece reads as one unknown token.
    """
    start, end = span
    tokens = len(token_starts(embedding_text(context, text[start:end])))
    if tokens <= max_tokens or end - start < 2:
        yield span, context, tokens
    else:
        middle = (start + end) // 2
        for half in ((start, middle), (middle, end)):
            yield from _fit(text, half, context, token_starts, max_tokens)
