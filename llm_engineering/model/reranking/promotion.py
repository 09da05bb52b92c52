"""A reranker serves only when it is measurably better than none."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from llm_engineering.domain.evaluation import Interval
from llm_engineering.domain.reranking import RankingScores, RerankerReport
from llm_engineering.model.reranking.mining import Ranking
from llm_engineering.model.reranking.weights import CANDIDATE, CARD, CURRENT, PREVIOUS

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

CUTOFF = 10
RESAMPLES = 2_000
# Question and passages; a score a passage.
Score = Callable[[str, Sequence[str]], Sequence[float]]
_SEED = 20261122


def reciprocal_rank(is_right: Sequence[bool]) -> float:
    """1 / the rank of the first right one among the first 10, counted from 1; 0 where there is none."""
    return next((1 / rank for rank, right in enumerate(is_right[:CUTOFF], start=1) if right), 0.0)


def reordered(ranking: Ranking, scores: Sequence[float]) -> list[bool]:
    """Which are right, in the order of the scores; where they are equal, the search's order stays."""
    ranked = sorted(zip(scores, ranking.is_right, strict=True), key=lambda pair: -pair[0])
    return [is_right for _, is_right in ranked]


def scores_over(orders: Sequence[Sequence[bool]]) -> RankingScores:
    """The means over the questions."""
    return RankingScores(mrr=fmean(map(reciprocal_rank, orders)), recall_at_1=fmean(order[0] for order in orders))


def gain_interval(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """The mean difference by question, with its 95 % interval by the paired bootstrap (Efron, 1979)."""
    import numpy as np

    gains = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    draws = np.random.default_rng(_SEED).integers(0, len(gains), size=(RESAMPLES, len(gains)))
    low, high = np.quantile(gains[draws].mean(axis=1), [0.025, 0.975])
    return Interval(value=float(gains.mean()), low=float(low), high=float(high))


def decide(gain: Interval, minimum: float) -> tuple[bool, str]:
    """Whether to promote, and why."""
    measured = f"MRR {gain.value:+.3f} (95 % interval {gain.low:+.3f} to {gain.high:+.3f}) on held-out questions"
    if gain.low <= 0:
        return False, f"{measured}: may be chance."
    if gain.value <= minimum:
        return False, f"{measured}: not more than the {minimum:.3f} that it should bring."
    return True, f"{measured}: better than no reranking."


class Comparison:
    """The held-out questions in the search's order and in the reranker's."""

    def __init__(self, rankings: Sequence[Ranking], score: Score, advance: Callable[[], None] = lambda: None) -> None:
        self._rankings = rankings
        self._theirs = [list(ranking.is_right) for ranking in rankings]
        self._ours, seconds = [], []
        for ranking in rankings:
            started = time.perf_counter()
            scores = score(ranking.question, ranking.passages)
            seconds.append(time.perf_counter() - started)
            self._ours.append(reordered(ranking, scores))
            advance()
        self.seconds_per_query = round(median(seconds), 4)
        self.without, self.reranked = scores_over(self._theirs), scores_over(self._ours)

    def gain(self) -> Interval:
        """In MRR."""
        return gain_interval(list(map(reciprocal_rank, self._ours)), list(map(reciprocal_rank, self._theirs)))

    def gain_recall_at_1(self) -> Interval:
        """In Recall@1."""
        return gain_interval([order[0] for order in self._ours], [order[0] for order in self._theirs])

    def by_source(self) -> dict[str, tuple[RankingScores, RankingScores]]:
        """Without and with the reranker, by where the questions are from."""
        places: dict[str, list[int]] = {}
        for place, ranking in enumerate(self._rankings):
            places.setdefault(ranking.source, []).append(place)
        return {
            source: (
                scores_over([self._theirs[place] for place in found]),
                scores_over([self._ours[place] for place in found]),
            )
            for source, found in places.items()
        }


def scorer(model: "CrossEncoder", batch_size: int) -> Score:
    """How the model scores when it serves: raw scores, no sigmoid."""
    from torch.nn import Identity

    def score(question: str, passages: Sequence[str]) -> list[float]:
        pairs = [(question, passage) for passage in passages]
        found = model.predict(pairs, batch_size=batch_size, activation_fn=Identity(), show_progress_bar=False)
        return [float(value) for value in found]

    return score


def keep(report: RerankerReport, folder: Path, write: Callable[[Path], None]) -> RerankerReport:
    """Write weights and card, as `current` when the report says so, else as `candidate`; what serves stays until then.

    The reranker before is kept as `previous`. A run that is killed meanwhile leaves either the old one or the new one,
    except between the two renames, when none serves.
    """
    place = folder / (CURRENT if report.promoted else CANDIDATE)
    report = report.model_copy(update={"folder": str(place)})
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    (partial / CARD).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if report.promoted and place.exists():
        shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
        place.rename(folder / PREVIOUS)
    elif place.exists():
        shutil.rmtree(place)
    partial.rename(place)
    return report
