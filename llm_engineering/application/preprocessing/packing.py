"""Which pieces make a chunk: the cheapest way to put them together, found by dynamic programming.

A chunk costs the square of the share of the window that it leaves empty, so that few and even chunks are cheap; more
where it is below the least size; more for each cut through a paragraph, and for each section that it mixes with
another. Greedy filling would leave a chunk of 12 tokens behind one of 254.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm_engineering.application.preprocessing.atoms import Atom, TokenIndex
from llm_engineering.application.preprocessing.sections import Section, shared_path


@dataclass(frozen=True)
class Group:
    """Atoms that make a chunk: the first, the one after the last, and the names above all of them."""

    first: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True)
class Packing:
    """What decides how pieces are put together. `context_tokens` says how many a path takes of the window."""

    window: int
    min_tokens: int
    overlap_tokens: int
    mixing: float
    context_tokens: Callable[[tuple[str, ...]], int]

    def groups(self, atoms: Sequence[Atom], sections: Sequence[Section], index: TokenIndex) -> list[Group]:
        """The cheapest division. A single atom always fits; its lead is then what there is room for."""
        offsets = [index.before(atom.start) for atom in atoms]
        offsets.append(index.before(atoms[-1].end))
        best = [0.0] + [float("inf")] * len(atoms)
        chosen: list[Group | None] = [None] * (len(atoms) + 1)
        for first, atom in enumerate(atoms):
            path = sections[atom.section].path
            lead = offsets[first] - offsets[lead_start(atoms, first, offsets, self.overlap_tokens)]
            mixed = 0
            for end in range(first + 1, len(atoms) + 1):
                tokens = offsets[end] - offsets[first]
                if end > first + 1:
                    if tokens > self.window:
                        break
                    if atoms[end - 1].section != atoms[end - 2].section:
                        path = shared_path(path, sections[atoms[end - 1].section].path)
                        mixed += 1
                room = self.window - self.context_tokens(path)
                if end > first + 1 and tokens + lead > room:
                    continue
                cost = best[first] + self._cost(tokens, room, mixed) + (atom.cost if first else 0.0)
                if cost < best[end]:
                    best[end], chosen[end] = cost, Group(first, end, path)
        return _backwards(chosen)

    def _cost(self, tokens: int, room: int, mixed: int) -> float:
        empty = max(0.0, 1 - tokens / room)
        below = max(0.0, 1 - tokens / self.min_tokens) if self.min_tokens else 0.0
        return empty**2 + below**2 + mixed * self.mixing


def lead_start(atoms: Sequence[Atom], first: int, offsets: Sequence[int], overlap: int) -> int:
    """The first of the whole pieces before a cut that are repeated after it; `first` itself where none is."""
    if not atoms[first].cuts_thought:
        return first
    start = bisect_left(offsets, offsets[first] - overlap, 0, first)
    while start < first and atoms[start].block != atoms[first].block:
        start += 1
    return start


def _backwards(chosen: Sequence[Group | None]) -> list[Group]:
    groups = []
    group = chosen[-1]
    while group:
        groups.append(group)
        group = chosen[group.first]
    return groups[::-1]
