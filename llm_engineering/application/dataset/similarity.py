"""How alike two texts are, by the runs of words that they share (shingles; Broder, 1997), and which pairs are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from llm_engineering.application.words import words_and_names

Shingles = frozenset[str]
Pair = tuple[int, int]


def shingles(text: str, length: int) -> Shingles:
    """Every `length` words that follow each other; of a shorter text the whole."""
    found = words_and_names(text)
    return frozenset(" ".join(found[i : i + length]) for i in range(max(1, len(found) - length + 1)))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Share of the shingles of either that both have, 0 to 1."""
    return _jaccard(len(one & other), one, other)


def containment(one: Shingles, other: Shingles) -> float:
    """Share of the shingles of the smaller set that both have, 0 to 1: 1 for a text that stands in the other."""
    return _containment(len(one & other), one, other)


def similar_pairs(sets: Sequence[Shingles], threshold: float) -> Iterator[Pair]:
    """Exactly the pairs, by their places, with a similarity of at least `threshold`, which is above 0.

    Two sets that are so alike share one of their rarest shingles (the prefix filter; Chaudhuri, Ganti and Kaushik,
    2006): only sets that do are compared. None is missed, as one may be by MinHash.
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
            if _jaccard(count, one, sets[there]) >= threshold:
                yield there, here
        for shingle in one:
            places[shingle].append(here)


class Index:
    """Sets of shingles, to find those that have the most in common with another."""

    def __init__(self, sets: Sequence[Shingles]) -> None:
        self._sets = sets
        self._places = defaultdict[str, list[int]](list)
        for place, one in enumerate(sets):
            for shingle in one:
                self._places[shingle].append(place)

    def containing(self, one: Shingles, threshold: float) -> list[tuple[float, int]]:
        """The containment, at least `threshold`, which is above 0, and the place of each; the first are the closest."""
        found = ((_containment(count, one, self._sets[place]), place) for place, count in self._shared(one))
        return sorted((item for item in found if item[0] >= threshold), key=lambda item: (-item[0], item[1]))

    def alike(self, one: Shingles, threshold: float) -> list[int]:
        """The places, in order, of those with a Jaccard similarity of at least `threshold`, which is above 0."""
        return sorted(
            place for place, count in self._shared(one) if _jaccard(count, one, self._sets[place]) >= threshold
        )

    def _shared(self, one: Shingles) -> Iterable[tuple[int, int]]:
        """The place of each set that has anything in common with this one, and how many shingles that is."""
        return Counter(place for shingle in one for place in self._places.get(shingle, ())).items()


# Each share is computed here only: written in another way, a number may be rounded to the other side of a threshold.
def _jaccard(shared: int, one: Shingles, other: Shingles) -> float:
    return shared / (len(one) + len(other) - shared)


def _containment(shared: int, one: Shingles, other: Shingles) -> float:
    return shared / min(len(one), len(other))


def _prefix(size: int, threshold: float) -> int:
    """Of that many shingles, in the same order in all sets, two sets that are alike share one."""
    # The subtraction keeps 0.7 * 10, which is 7.000000000000001 or less by rounding, from skipping one.
    return size - ceil(threshold * size - 1e-9) + 1
