"""Samples that ask or say the same as another: in the same words, in nearly the same ones, or with the same meaning.

Across the splits the sample to train on goes, for a dataset that is measured on what it has taught measures nothing.
Inside a split the one with the larger id goes. The result does not depend on the order of the samples.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from llm_engineering.application.dataset.finding import Finding, Verdict, shown
from llm_engineering.application.dataset.meanings import Meanings
from llm_engineering.application.dataset.similarity import Pair, shingles, similar_pairs
from llm_engineering.application.words import words_and_names
from llm_engineering.domain.datasets import Candidate, DatasetKind, Sample, Split

# Length of the runs of words by which texts are compared: instructions are short.
INSTRUCTION_RUN, ANSWER_RUN = 2, 3

Part = Callable[[Sample], str]
SplitOf = Callable[[Sample], Split]


def instruction(sample: Sample) -> str:
    """What is asked."""
    return sample.instruction


def answer(sample: Sample) -> str:
    """What is answered; of a preference, the chosen answer."""
    return sample.answer


def rejected_answer(sample: Sample) -> str:
    """Of a preference, the answer to turn away from."""
    return sample.rejected or ""


# By the length of the runs of words by which they are compared; the last one in preferences only.
RUNS: dict[Part, int] = {instruction: INSTRUCTION_RUN, answer: ANSWER_RUN, rejected_answer: ANSWER_RUN}


def runs_of(kind: DatasetKind) -> dict[Part, int]:
    """Those of the parts that the samples of such a dataset have."""
    return {part: run for part, run in RUNS.items() if part is not rejected_answer or kind is DatasetKind.PREFERENCE}


def title(part: Part) -> str:
    """The part's name in reports."""
    return part.__name__.replace("_", " ")


def essence(text: str) -> str:
    """What two texts share that differ in capitals, blanks and punctuation only."""
    return " ".join(words_and_names(text)) or " ".join(text.split())


def drop_same(candidates: Sequence[Candidate], part: Part, split_of: SplitOf) -> list[Verdict]:
    """Drop all but one of those that have the same words."""
    places = defaultdict[str, list[int]](list)
    for place, candidate in enumerate(candidates):
        places[essence(part(candidate.sample))].append(place)
    rank = _ranks(candidates, split_of)
    pairs = (
        (first, other) for same in places.values() for first in [min(same, key=rank.__getitem__)] for other in same
    )
    return _one_of_each(candidates, pairs, rank, f"same {title(part)}")


def drop_similar(
    candidates: Sequence[Candidate], part: Part, split_of: SplitOf, run: int, threshold: float
) -> list[Verdict]:
    """Drop as many as leave no pair whose runs of `run` words have a Jaccard similarity of `threshold` or more."""
    sets = [shingles(part(candidate.sample), run) for candidate in candidates]
    pairs = similar_pairs(sets, threshold)
    return _one_of_each(candidates, pairs, _ranks(candidates, split_of), f"nearly the same {title(part)}")


def drop_same_meaning(
    candidates: Sequence[Candidate], split_of: SplitOf, meanings: Meanings, threshold: float
) -> list[Verdict]:
    """Drop as many as leave no pair of instructions whose vectors have a cosine of `threshold` or more."""
    pairs = meanings.close_pairs([candidate.sample.instruction for candidate in candidates], threshold)
    return _one_of_each(candidates, pairs, _ranks(candidates, split_of), "instruction with the same meaning")


def _one_of_each(
    candidates: Sequence[Candidate], pairs: Iterable[Pair], rank: Sequence[int], reason: str
) -> list[Verdict]:
    """Keep, in the order of their ranks, each that is like none that is kept."""
    alike = defaultdict[int, set[int]](set)
    for one, other in pairs:
        if one != other:
            alike[one].add(other)
            alike[other].add(one)
    kept_instead: dict[int, int] = {}
    for place in sorted(range(len(candidates)), key=rank.__getitem__):
        kept = [other for other in alike[place] if rank[other] < rank[place] and other not in kept_instead]
        if kept:
            kept_instead[place] = min(kept, key=rank.__getitem__)
    return [
        Verdict(candidate, _as(candidates[kept_instead[place]].sample, reason) if place in kept_instead else None)
        for place, candidate in enumerate(candidates)
    ]


def _ranks(candidates: Sequence[Candidate], split_of: SplitOf) -> list[int]:
    """Who stays of two: the one with the smaller number."""
    keys = [
        (split_of(candidate.sample) is Split.TRAIN, candidate.sample.id, candidate.extract.key)
        for candidate in candidates
    ]
    ranks = [0] * len(keys)
    for rank, place in enumerate(sorted(range(len(keys)), key=keys.__getitem__)):
        ranks[place] = rank
    return ranks


def _as(other: Sample, reason: str) -> Finding:
    return Finding(reason, f"as {other.id[:12]}: {shown(other.instruction)}")
