"""Metrics, beside the reference implementation of TREC's and worked out by hand."""

from math import log2

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.evaluation.metrics import (
    mean_scores,
    ndcg,
    percentile,
    recall,
    reciprocal_rank,
    score_question,
)
from llm_engineering.application.evaluation.significance import difference_interval, mean_interval

DOCUMENTS = [f"d{number}" for number in range(20)]
QRELS = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(1, 3), min_size=1, max_size=14)
RANKINGS = st.permutations(DOCUMENTS).flatmap(lambda order: st.integers(0, 20).map(lambda count: order[:count]))


def ranks_of(ranking: list[str], qrels: dict[str, int]) -> list[int | None]:
    return [ranking.index(document) + 1 if document in ranking else None for document in qrels]


@settings(max_examples=150, deadline=None)
@given(qrels=QRELS, ranking=RANKINGS)
def test_recall_mrr_and_ndcg_are_those_of_trec_eval(qrels: dict[str, int], ranking: list[str]) -> None:
    measures = {"recall.1,3,5,10", "ndcg_cut.10", "recip_rank"}
    # What has the same score is ranked by trec_eval in an order of its own: the places themselves are the scores.
    run = {document: float(-place) for place, document in enumerate(ranking)}
    theirs = pytrec_eval.RelevanceEvaluator({"q": qrels}, measures).evaluate({"q": run})["q"]
    first_ten = dict(sorted(run.items(), key=lambda item: -item[1])[:10])
    top = pytrec_eval.RelevanceEvaluator({"q": qrels}, {"recip_rank"}).evaluate({"q": first_ten})["q"]
    ours = score_question(ranks_of(ranking, qrels), list(qrels.values()))
    for cutoff in (1, 3, 5, 10):
        assert ours.recall[cutoff] == pytest.approx(theirs[f"recall_{cutoff}"])
    assert ours.ndcg == pytest.approx(theirs["ndcg_cut_10"])
    assert ours.reciprocal_rank == pytest.approx(top["recip_rank"])


def test_documents_of_equal_score_count_in_the_order_of_the_ranking() -> None:
    # By their scores alone, a and b could change places; we rank lists, so that the first one is first.
    assert reciprocal_rank(ranks_of(["a", "b"], {"a": 1})) == 1.0
    assert reciprocal_rank(ranks_of(["b", "a"], {"a": 1})) == 0.5


def test_a_question_is_scored_as_one_does_by_hand() -> None:
    ranks, grades = [2, None, 4], [3, 1, 2]
    scores = score_question(ranks, grades)
    assert scores.recall == {1: 0.0, 3: 1 / 3, 5: 2 / 3, 10: 2 / 3}
    assert scores.rank == 2
    assert scores.reciprocal_rank == 0.5
    ideal = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)
    assert scores.ndcg == pytest.approx((3 / log2(3) + 2 / log2(5)) / ideal)


def test_what_stands_below_the_tenth_place_is_not_seen() -> None:
    assert recall([11], 10) == 0
    assert reciprocal_rank([11]) == 0
    assert ndcg([11], [1]) == 0
    assert score_question([11], [1]).rank is None


def test_two_items_in_one_chunk_do_not_count_for_more_than_the_best_ranking() -> None:
    assert ndcg([1, 1], [1, 1]) == 1.0
    assert recall([1, 1], 1) == 1.0


def test_the_means_are_over_all_questions() -> None:
    means = mean_scores([score_question([1], [1]), score_question([4], [1]), score_question([None], [1])])
    assert means.mrr == pytest.approx((1 + 0.25) / 3)
    assert means.recall == {1: 1 / 3, 3: 1 / 3, 5: 2 / 3, 10: 2 / 3}
    assert means.ndcg == pytest.approx((1 + 1 / log2(5)) / 3)
    assert means.questions == 3


@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=30), share=st.floats(0, 1))
def test_a_percentile_is_numpys(values: list[float], share: float) -> None:
    assert percentile(values, share) == pytest.approx(float(np.quantile(values, share)))


def test_the_interval_of_a_share_is_about_that_of_the_normal_distribution() -> None:
    values = [1.0] * 80 + [0.0] * 20
    interval = mean_interval(values)
    assert interval.value == pytest.approx(0.8)
    # 1.96 standard errors of a share of 0.8 among 100 are 0.078.
    assert interval.low == pytest.approx(0.722, abs=0.015)
    assert interval.high == pytest.approx(0.878, abs=0.015)
    assert mean_interval(values) == interval


def test_a_paired_difference_knows_more_than_two_intervals_do() -> None:
    ours = [1.0, 0.5, 0.0, 1.0] * 20
    theirs = [max(0.0, value - 0.1) for value in ours]
    difference = difference_interval(ours, theirs)
    assert not difference.is_noise
    assert mean_interval(ours).low < mean_interval(theirs).high
    assert difference_interval([1.0, 0.0] * 10, [0.0, 1.0] * 10).is_noise
