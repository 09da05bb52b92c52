"""How alike two texts are, by the runs of words that they share (shingles; Broder, 1997), and which pairs are."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import ceil

from llm_engineering.application.words import words

Shingles = frozenset[str]
Pair = tuple[int, int]


def shingles(text: str, length: int) -> Shingles:
    """Every `length` words that follow each other; of a shorter text the whole."""
    found = words(text)
    return frozenset(" ".join(found[i : i + length]) for i in range(max(1, len(found) - length + 1)))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Share of the shingles of either that both have, 0 to 1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def similar_pairs(sets: Sequence[Shingles], threshold: float) -> Iterator[Pair]:
    """Exactly the pairs, by their places, with a similarity of at least `threshold`, which is above 0.

    Two sets that are so alike share one of their rarest shingles (the prefix filter; Chaudhuri, Ganti and Kaushik,
    2006): only sets that do are compared. MinHash, which may miss pairs, took ten times as long on 5,000 texts.
    """
    count = Counter(shingle for one in sets for shingle in one)
    places = defaultdict[str, list[int]](list)
    for here, one in enumerate(sets):
        rarest = sorted(one, key=lambda shingle: (count[shingle], shingle))[: _prefix(len(one), threshold)]
        for there in sorted({there for shingle in rarest for there in places[shingle]}):
            if jaccard(one, sets[there]) >= threshold:
                yield there, here
        for shingle in rarest:
            places[shingle].append(here)


def counted_pairs(sets: Sequence[Shingles], threshold: float) -> Iterator[Pair]:
    """The same pairs by counting what each two have in common: slower, another method, to check the first by."""
    places = defaultdict[str, list[int]](list)
    for here, one in enumerate(sets):
        shared = Counter(there for shingle in one for there in places[shingle])
        for there, count in shared.items():
            if count >= threshold * (len(one) + len(sets[there]) - count):
                yield there, here
        for shingle in one:
            places[shingle].append(here)


def _prefix(size: int, threshold: float) -> int:
    """Of that many shingles, in the same order in all sets, two sets that are alike share one."""
    # The subtraction keeps 0.7 * 10, which is 7.000000000000001 or less by rounding, from skipping one.
    return size - ceil(threshold * size - 1e-9) + 1
