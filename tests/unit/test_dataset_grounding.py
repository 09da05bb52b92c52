"""Whether an answer comes from its extract, and whether two answers make a preference."""

from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.dataset.grounding import grounded_share, known_words, why_ungrounded
from llm_engineering.application.dataset.preferences import (
    bound_bias,
    is_biased,
    length_bias,
    same_words,
    why_no_preference,
)
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate, Method
from tests.dataset_candidates import ANSWER, REJECTED, candidate

OPTIONS = QualityOptions()
EXTRACT = (
    "Redis keeps its data in memory. To survive a restart it writes snapshots, called RDB files, every 60 seconds, and "
    "an append-only log of every write. It serves 1,200,000 requests from three replicas."
)


def ungrounded(answer: str, extract: str = EXTRACT, **options: float) -> str | None:
    finding = why_ungrounded(candidate(answer=answer, extract=extract), QualityOptions.model_validate(options))
    return finding.reason if finding else None


@pytest.mark.parametrize(
    "answer",
    [
        "Redis survives restarts by snapshots and by a log of writes.",
        "It writes a snapshot every 60 seconds.",
        "It serves 1200000 requests, from 3 replicas.",
        "1. Redis keeps data in memory.\n2. It writes RDB snapshots.",
        "That is the trick.",
    ],
)
def test_an_answer_in_the_extracts_words_is_grounded(answer: str) -> None:
    assert ungrounded(answer) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Redis writes snapshots. Postgres vacuums dead tuples nightly.", "claim not in its source"),
        ("Redis writes a snapshot every 90 seconds.", "number not in its source"),
        ("Redis keeps 5 logs of writes in memory.", "number not in its source"),
    ],
)
def test_one_sentence_that_the_extract_does_not_say_is_enough(answer: str, expected: str) -> None:
    assert ungrounded(answer) == expected


def test_the_share_is_that_of_the_different_content_words() -> None:
    known = known_words(candidate(answer=EXTRACT).extract)
    # redis, writes, snapshots stand there; nightly, carefully do not; "the" and a second "redis" do not count.
    assert grounded_share("Redis, the Redis, writes snapshots nightly, carefully", known) == pytest.approx(3 / 5)
    assert grounded_share("Postgres vacuums", known) == 1.0


def test_the_threshold_is_the_options() -> None:
    answer = "Redis writes snapshots nightly, carefully."
    assert ungrounded(answer, min_grounding=0.6) is None
    assert ungrounded(answer, min_grounding=0.61) == "claim not in its source"


def test_what_stands_in_the_title_counts_as_known() -> None:
    assert "postg" in known_words(candidate(answer=EXTRACT, name="Postgres").extract)


@pytest.mark.parametrize("changed", [ANSWER.replace(". ", ".\n"), ANSWER.upper(), ANSWER + "!"])
def test_the_authors_words_must_stand_in_the_extract_sign_for_sign(changed: str) -> None:
    for sample in (
        candidate(answer=changed, method=Method.BACK_TRANSLATED, extract=ANSWER),
        candidate(answer=changed, rejected=REJECTED, extract=ANSWER),
    ):
        finding = why_ungrounded(sample, OPTIONS)
        assert finding is not None
        assert finding.reason == "answer not verbatim in its source"


def test_an_answer_that_is_a_part_of_the_extract_is_verbatim() -> None:
    part = candidate(answer=ANSWER, method=Method.BACK_TRANSLATED, extract=f"Before.\n\n{ANSWER}\n\nAfter.")
    assert why_ungrounded(part, OPTIONS) is None


def pair(chosen: int, rejected: int, name: str = "a") -> Candidate:
    """Answers of these lengths that have no word in common."""
    return candidate(answer="c" * chosen, rejected="r" * rejected, name=name)


@pytest.mark.parametrize(
    ("rejected", "expected"),
    [
        (REJECTED, None),
        (ANSWER.upper() + "!", "rejected is the chosen answer"),
        (ANSWER.partition(".")[0] + ".", "answers differ too little"),
        ("Nobody knows.", "lengths differ too much"),
        ("Completely unrelated wording. " * 20, "lengths differ too much"),
    ],
)
def test_a_rejected_answer_differs_in_words_and_not_much_in_length(rejected: str, expected: str | None) -> None:
    finding = why_no_preference(candidate(rejected=rejected), OPTIONS)
    assert (finding.reason if finding else None) == expected


def test_an_instruction_without_a_rejected_answer_is_no_broken_preference() -> None:
    assert why_no_preference(candidate(), OPTIONS) is None


def test_the_same_words_are_counted_of_the_answer_that_has_fewer() -> None:
    # Cats and dogs of cats, dogs and birds; the other answer has four more.
    one, other = "Cats, dogs, birds.", "Cats and dogs and fishes and horses and lions and tigers."
    assert same_words(one, other) == same_words(other, one) == pytest.approx(2 / 3)
    assert same_words("", "Cats.") == 0.0


def test_a_ratio_at_the_bound_passes_either_way() -> None:
    assert why_no_preference(pair(300, 100), OPTIONS) is None
    assert why_no_preference(pair(100, 300), OPTIONS) is None
    assert why_no_preference(pair(301, 100), OPTIONS) is not None
    assert why_no_preference(pair(100, 301), OPTIONS) is not None


def test_the_bias_is_the_geometric_mean_of_the_ratios() -> None:
    bias = length_bias([pair(400, 100).sample, pair(100, 100, "b").sample])
    assert bias is not None
    assert bias.pairs == 2
    assert bias.mean_ratio == pytest.approx(2.0)
    # One is longer, and half of the other, which is neither.
    assert bias.chosen_longer == 0.75
    assert length_bias([candidate().sample]) is None


def test_the_most_extreme_pairs_go_until_the_bias_is_in_its_bound() -> None:
    # Of 4, 2, 1 and 1 the geometric mean is 8 ** (1/4) = 1.68; without the 4 it is 2 ** (1/3) = 1.26.
    pairs = [pair(100, 100, "c"), pair(400, 100, "a"), pair(200, 100, "b"), pair(150, 150, "d")]
    verdicts = bound_bias(pairs, OPTIONS)
    assert [verdict.finding is None for verdict in verdicts] == [True, False, True, True]
    finding = verdicts[1].finding
    assert finding is not None
    assert finding.reason == "adds to the length bias"
    shorter = [pair(100, 400, "a"), pair(100, 200, "b"), pair(100, 100, "c"), pair(150, 150, "d")]
    assert [verdict.finding is None for verdict in bound_bias(shorter, OPTIONS)] == [False, True, True, True]


def test_pairs_go_until_the_longer_one_is_not_always_the_chosen_one() -> None:
    # 1.4 times as long each: the mean is in its bound, and length tells all of them. Nothing that is left would not.
    longer = [pair(140, 100, str(number)) for number in range(50)]
    assert all(verdict.finding for verdict in bound_bias(longer, OPTIONS))
    # With 7 shorter ones 13 longer ones may stay: 13 of 20 are 65 %. The longest go.
    mixed = [pair(100 + number, 100, f"l{number}") for number in range(1, 31)]
    mixed += [pair(90, 100, f"s{number}") for number in range(7)]
    left = [verdict.candidate for verdict in bound_bias(mixed, OPTIONS) if verdict.finding is None]
    assert left == mixed[:13] + mixed[30:]
    bias = length_bias([one.sample for one in left])
    assert bias is not None
    assert bias.chosen_longer == pytest.approx(0.65)
    assert not is_biased(bias, OPTIONS)


def test_pairs_go_until_the_shorter_one_is_not_always_the_chosen_one_either() -> None:
    mixed = [pair(100, 100 + number, f"s{number}") for number in range(1, 31)]
    mixed += [pair(100, 90, f"l{number}") for number in range(7)]
    left = [verdict.candidate for verdict in bound_bias(mixed, OPTIONS) if verdict.finding is None]
    assert left == mixed[:13] + mixed[30:]


def test_of_few_pairs_or_of_the_same_length_none_goes() -> None:
    assert not any(verdict.finding for verdict in bound_bias([pair(140, 100, name) for name in "abcdefghi"], OPTIONS))
    assert all(verdict.finding for verdict in bound_bias([pair(140, 100, name) for name in "abcdefghij"], OPTIONS))
    even = [pair(100, 100, str(number)) for number in range(20)]
    assert not any(verdict.finding for verdict in bound_bias(even, OPTIONS))
    bias = length_bias([one.sample for one in even])
    assert bias is not None
    assert not is_biased(bias, OPTIONS)


lengths = st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=9)


@settings(deadline=None)
@given(lengths)
def test_after_bounding_the_bias_holds_and_one_pair_less_dropped_would_not_do(sizes: list[tuple[int, int]]) -> None:
    pairs = [pair(chosen, rejected, str(number)) for number, (chosen, rejected) in enumerate(sizes)]
    kept = [verdict.candidate for verdict in bound_bias(pairs, OPTIONS) if verdict.finding is None]
    assert [verdict.candidate for verdict in bound_bias(pairs[::-1], OPTIONS) if verdict.finding is None] == kept[::-1]
    logs = sorted(log(chosen / rejected) for chosen, rejected in sizes)

    def within(left: list[float]) -> bool:
        return not left or 1 / 1.5 - 1e-9 <= exp(sum(left) / len(left)) <= 1.5 + 1e-9

    bias = length_bias([one.sample for one in kept])
    assert bias is None or 1 / 1.5 - 1e-9 <= bias.mean_ratio <= 1.5 + 1e-9
    fewer = len(sizes) - len(kept) - 1
    if fewer >= 0:
        assert not within(logs[: len(logs) - fewer])
        assert not within(logs[fewer:])
