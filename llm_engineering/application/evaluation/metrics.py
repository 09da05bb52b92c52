"""What a ranking is worth, as TREC's `trec_eval` and BEIR (Thakur et al., 2021) define it.

Everything is a function of the ranks at which the expected items stand, counted from 1; None where one was not found.
Several items can share a rank when one chunk has them all.
"""

from collections.abc import Sequence
from math import log2

from llm_engineering.domain.evaluation import CUTOFFS, QuestionScores, Scores

DEPTH = 10


def recall(ranks: Sequence[int | None], cutoff: int) -> float:
    """Share of the expected items among the first `cutoff`."""
    return sum(rank is not None and rank <= cutoff for rank in ranks) / len(ranks)


def first_rank(ranks: Sequence[int | None], cutoff: int = DEPTH) -> int | None:
    """Where the first expected item stands among the first `cutoff`."""
    return min((rank for rank in ranks if rank is not None and rank <= cutoff), default=None)


def reciprocal_rank(ranks: Sequence[int | None], cutoff: int = DEPTH) -> float:
    """1 / rank of the first expected item among the first `cutoff`; 0 where there is none."""
    first = first_rank(ranks, cutoff)
    return 1 / first if first else 0.0


def ndcg(ranks: Sequence[int | None], grades: Sequence[int], cutoff: int = DEPTH) -> float:
    """Discounted gain of the items found, divided by that of the best possible ranking of all expected items.

    The gain is the grade itself, as in `trec_eval`. At most 1: items that share a rank do not count for more than an
    item a rank would.
    """
    found = zip(ranks, grades, strict=True)
    gained = sum(grade / log2(rank + 1) for rank, grade in found if rank is not None and rank <= cutoff)
    best = sorted(grades, reverse=True)[:cutoff]
    ideal = sum(grade / log2(rank + 1) for rank, grade in enumerate(best, start=1))
    return min(1.0, gained / ideal)


def score_question(ranks: Sequence[int | None], grades: Sequence[int], first: str = "") -> QuestionScores:
    """All metrics of one question."""
    return QuestionScores(
        rank=first_rank(ranks),
        recall={cutoff: recall(ranks, cutoff) for cutoff in CUTOFFS},
        ndcg=ndcg(ranks, grades),
        first=first,
    )


def mean_scores(questions: Sequence[QuestionScores]) -> Scores:
    """The means over all questions; all 0 where there are none."""
    count = len(questions)

    def mean(values: Sequence[float]) -> float:
        return sum(values) / count if count else 0.0

    return Scores(
        recall={cutoff: mean([question.recall[cutoff] for question in questions]) for cutoff in CUTOFFS},
        mrr=mean([question.reciprocal_rank for question in questions]),
        ndcg=mean([question.ndcg for question in questions]),
        questions=count,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, interpolated as numpy does by default."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
