"""What the two answers of a preference must be to each other."""

from collections import deque
from collections.abc import Sequence
from math import exp, fsum, log

from llm_engineering.application.dataset.finding import Finding, Verdict, shown
from llm_engineering.application.words import content_words, words
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.dataset_reports import LengthBias
from llm_engineering.domain.datasets import Candidate, Sample

# Of fewer pairs the share whose chosen answer is longer is chance, and not bounded.
MIN_PAIRS = 10
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
        chosen_longer=sum((ratio > 0) + (ratio >= 0) for ratio in ratios) / (2 * len(ratios)),
        mean_ratio=exp(fsum(ratios) / len(ratios)),
    )


def is_biased(bias: LengthBias, options: QualityOptions) -> bool:
    """Whether length tells chosen from rejected: by how much they differ in the mean, or by which is longer how often.

    Of fewer than `MIN_PAIRS` pairs only the mean is looked at.
    """
    most, share = log(options.max_length_bias), options.max_longer_share
    in_mean = abs(log(bias.mean_ratio)) <= most + _ROUNDING
    in_share = bias.pairs < MIN_PAIRS or 1 - share - _ROUNDING <= bias.chosen_longer <= share + _ROUNDING
    return not (in_mean and in_share)


def bound_bias(candidates: Sequence[Candidate], options: QualityOptions) -> list[Verdict]:
    """Drop the pair that differs most, in the direction of the bias, until its two bounds hold.

    These are `max_length_bias` of the mean and, where there are `MIN_PAIRS` pairs to begin with, `max_longer_share` of
    the pairs. Always the same ones go. Both splits are looked at together: what is to be tested must not differ from
    what is learned.
    """
    ratios = {item.sample.id: _log_ratio(item.sample) for item in candidates if item.sample.rejected}
    left = deque(sorted(ratios, key=lambda id_: (ratios[id_], id_)))
    bounds = log(options.max_length_bias), options.max_longer_share if len(left) >= MIN_PAIRS else 1.0
    total, longer = fsum(ratios.values()), sum(map(_sign, ratios.values()))
    while left and (towards := _direction(total, longer, len(left), bounds)):
        ratio = ratios[left.pop() if towards > 0 else left.popleft()]
        total, longer = total - ratio, longer - _sign(ratio)
    over = ratios.keys() - set(left)
    return [Verdict(item, _biased(ratios[item.sample.id]) if item.sample.id in over else None) for item in candidates]


def _direction(total: float, longer: int, pairs: int, bounds: tuple[float, float]) -> float:
    """Above 0 where chosen answers are too long, or too often the longer ones, below for too short; 0 within bounds.

    `longer` is how many chosen answers are longer, less how many are shorter: of a share of s, 2 s - 1 of the pairs.
    """
    mean, share = bounds
    if abs(total) > (mean + _ROUNDING) * pairs:
        return total
    return longer if abs(longer) > (2 * share - 1 + _ROUNDING) * pairs else 0


def _sign(ratio: float) -> int:
    return (ratio > 0) - (ratio < 0)


def _biased(ratio: float) -> Finding:
    return Finding("adds to the length bias", _told(ratio))


def _told(log_ratio: float) -> str:
    return f"chosen is {exp(log_ratio):.2f} times as long as rejected"


def _log_ratio(sample: Sample) -> float:
    return log(max(len(sample.answer), 1) / max(len(sample.rejected or ""), 1))
