"""How much of a score, or of a difference between two, is chance: the bootstrap over questions (Efron, 1979).

For two configurations the same questions are drawn for both (paired), for which questions are hard is the larger part
of the noise (Sakai, 2006).
"""

from collections.abc import Sequence

from llm_engineering.domain.evaluation import Interval

RESAMPLES = 2_000
_AT_ONCE = 200
_SEED = 20261122


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of a value a question, with its 95 % interval. The same values always give the same interval."""
    import numpy as np

    if not values:
        return Interval(value=0.0, low=0.0, high=0.0)
    observed, random = np.asarray(values, dtype=float), np.random.default_rng(_SEED)
    means = [
        observed[random.integers(0, len(observed), size=(_AT_ONCE, len(observed)))].mean(axis=1)
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Interval(value=float(observed.mean()), low=float(low), high=float(high))


def difference_interval(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """The mean of ours less theirs, question by question. Both are in the same order."""
    return mean_interval([one - other for one, other in zip(ours, theirs, strict=True)])
