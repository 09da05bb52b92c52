"""The parts that a text names itself: what stands under a heading, or belongs to a definition."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from llm_engineering.application.markdown import heading, lines_of

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^)\s\[]*\)")
_EMPHASIS = re.compile(r"\*+|`|\\(?=[^\w\s])|^_+(?=.*_$)|(?<=[^\W_])_+$")


@dataclass(frozen=True)
class Section:
    """A slice of a text, and the names above it, its own last. No cut is made before `body`, where its text begins."""

    start: int
    end: int
    path: tuple[str, ...] = ()
    body: int = 0


def whole(text: str) -> list[Section]:
    """The text as one section."""
    return [Section(0, len(text))]


def markdown_sections(text: str) -> list[Section]:
    """Cut before each heading that is not inside a code fence. A heading without text goes with what follows it."""
    starts: list[tuple[int, tuple[str, ...], int]] = [(0, (), 0)]
    above: list[tuple[int, str]] = []
    position = 0
    for line, is_code in lines_of(text):
        found = None if is_code else heading(line)
        if found:
            above = [*((level, title) for level, title in above if level < found[0]), (found[0], _plain(found[1]))]
            starts.append((position, tuple(title for _, title in above), position + len(line)))
        position += len(line)
    ends = [start for start, _, _ in starts[1:]] + [len(text)]
    cut = (Section(start, end, path, body) for (start, path, body), end in zip(starts, ends, strict=True))
    return _with_text(text, cut)


def shared_path(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The names that both paths begin with."""
    return tuple(name for name, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _plain(title: str) -> str:
    """A heading's words without marks of emphasis, escapes and the targets of links."""
    return _EMPHASIS.sub("", _LINK.sub(r"\1", title)).strip() or title


def _with_text(text: str, sections: Iterable[Section]) -> list[Section]:
    """Join sections that are a heading alone to the next one, and the last such one to the one before."""
    joined: list[Section] = []
    bare: Section | None = None
    for section in sections:
        current = _below(bare, section) if bare else section
        bare = None if text[current.body : current.end].strip() else current
        if not bare:
            joined.append(current)
    if bare and joined:
        last = joined.pop()
        joined.append(Section(last.start, bare.end, last.path, last.body))
    elif bare:
        joined.append(Section(bare.start, bare.end, bare.path))
    return joined


def _below(bare: Section, section: Section) -> Section:
    """The section with the bare heading before it: its path, if the heading is above it or there was none."""
    if not bare.path or section.path[: len(bare.path)] == bare.path:
        return Section(bare.start, section.end, section.path, section.body)
    return Section(bare.start, section.end, shared_path(bare.path, section.path), section.body)
