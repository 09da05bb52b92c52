"""What the two answers of a preference must be to each other."""

from collections import deque
from collections.abc import Sequence
from math import exp, fsum, log

from llm_engineering.application.dataset.finding import Finding, Verdict, shown
from llm_engineering.application.words import content_words, words
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.dataset_reports import LengthBias
from llm_engineering.domain.datasets import Candidate, Sample

# So that a mean at the bound is within it.
_ROUNDING = 1e-9


def why_no_preference(candidate: Candidate, options: QualityOptions) -> Finding | None:
    """Why nothing can be learned from the pair; None for a good one, and where there is no rejected answer."""
    sample = candidate.sample
    if sample.rejected is None:
        return None
    if words(sample.answer) == words(sample.rejected):
        return Finding("rejected is the chosen answer", shown(sample.answer))
    same = same_words(sample.answer, sample.rejected)
    if same > options.max_same_words:
        return Finding("answers differ too little", f"{same:.0%} of the words are the same")
    shorter, longer = sorted((len(sample.answer), len(sample.rejected)))
    if longer > options.max_length_ratio * shorter:
        return Finding("lengths differ too much", _told(_log_ratio(sample)))
    return None


def same_words(one: str, other: str) -> float:
    """Share of the content words of the answer that has fewer which the other one has too.

    Of the one with fewer: an answer that is cut off is no other answer.
    """
    first, second = set(content_words(one)), set(content_words(other))
    return len(first & second) / max(min(len(first), len(second)), 1)


def length_bias(samples: Sequence[Sample]) -> LengthBias | None:
    """How far the chosen answer can be told by its length; None without pairs.

    A model that is trained on pairs with a bias learns length (Park et al., 2024, arXiv:2403.19159).
    """
    ratios = [_log_ratio(sample) for sample in samples if sample.rejected]
    if not ratios:
        return None
    return LengthBias(
        pairs=len(ratios),
        chosen_longer=sum(ratio > 0 for ratio in ratios) / len(ratios),
        mean_ratio=exp(fsum(ratios) / len(ratios)),
    )


def bound_bias(candidates: Sequence[Candidate], options: QualityOptions) -> list[Verdict]:
    """Drop the pair that differs most, in the direction of the bias, until the mean is within `max_length_bias`.

    Always the same ones. Both splits are looked at together: what is to be tested must not differ from what is learned.
    """
    ratios = {item.sample.id: _log_ratio(item.sample) for item in candidates if item.sample.rejected}
    left = deque(sorted(ratios, key=lambda id_: (ratios[id_], id_)))
    total, bound = fsum(ratios.values()), log(options.max_length_bias) + _ROUNDING
    while left and abs(total) > bound * len(left):
        total -= ratios[left.pop() if total > 0 else left.popleft()]
    over = ratios.keys() - set(left)
    return [Verdict(item, _biased(ratios[item.sample.id]) if item.sample.id in over else None) for item in candidates]


def _biased(ratio: float) -> Finding:
    return Finding("adds to the length bias", _told(ratio))


def _told(log_ratio: float) -> str:
    return f"chosen is {exp(log_ratio):.2f} times as long as rejected"


def _log_ratio(sample: Sample) -> float:
    return log(max(len(sample.answer), 1) / max(len(sample.rejected or ""), 1))
