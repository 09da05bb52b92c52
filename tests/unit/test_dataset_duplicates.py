"""Samples that are like others, or like what the twin is evaluated by."""

import random
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llm_engineering.application.dataset.contamination import EvaluationWords, drop_same_questions
from llm_engineering.application.dataset.duplicates import (
    answer,
    drop_same,
    drop_same_meaning,
    drop_similar,
    instruction,
    rejected_answer,
)
from llm_engineering.application.dataset.finding import Verdict
from llm_engineering.application.dataset.meanings import Meanings
from llm_engineering.application.dataset.similarity import (
    Index,
    containment,
    counted_pairs,
    jaccard,
    shingles,
    similar_pairs,
)
from llm_engineering.application.words import words_and_names
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate, Sample, Split
from tests.dataset_candidates import REJECTED, candidate
from tests.fakes import WordEmbedder

OPTIONS = QualityOptions()
VOCABULARY = [f"word{number}" for number in range(400)]


def all_train(_: Sample) -> Split:
    return Split.TRAIN


def held_out(names: Sequence[str]) -> Callable[[Sample], Split]:
    return lambda sample: Split.TEST if sample.source.title in names else Split.TRAIN


def kept(verdicts: Sequence[Verdict]) -> set[str]:
    return {verdict.candidate.sample.source.title for verdict in verdicts if verdict.finding is None}


def smaller_id(*candidates: Candidate) -> str:
    return min(candidates, key=lambda one: one.sample.id).sample.source.title


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Runs of words, written anew; for texts of lower-case words only."""
    found = text.split()
    return {tuple(found[i : i + length]) for i in range(len(found) - length + 1)}


def overlap(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return sum(run in other for run in one) / len(one.union(other))


def nearly_same_texts(count: int, seed: int) -> list[str]:
    """Texts of 30 words; of every four the last three are the first with 1, 2 and 3 words changed."""
    generator = random.Random(seed)
    texts = []
    for _ in range(count // 4):
        found = generator.choices(VOCABULARY, k=30)
        for changes in range(4):
            changed = list(found)
            for place in generator.sample(range(30), changes):
                changed[place] = generator.choice(VOCABULARY)
            texts.append(" ".join(changed))
    return texts


def test_the_similarity_is_the_share_of_runs_that_both_have() -> None:
    # a b, b c, c d and b c, c d, d e: two of four.
    assert jaccard(shingles("a b c d", 2), shingles("B, c d e!", 2)) == 0.5
    assert shingles("Just one", 3) == {"just one"}
    assert jaccard(shingles("", 2), shingles("", 2)) == 1.0


@pytest.mark.parametrize("threshold", [hundredths / 100 for hundredths in range(1, 101)])
def test_no_threshold_is_rounded_to_one_side_by_one_finder_and_to_the_other_by_the_other(threshold: float) -> None:
    # Of 20, 25, ... a share that is the threshold itself, as far as there is one; and the next smaller.
    for whole in (20, 25, 50, 100):
        for shared in {int(threshold * whole), round(threshold * whole)} - {0}:
            sets = [frozenset(map(str, range(whole))), frozenset(map(str, range(shared)))]
            is_alike = shared * 100 >= round(threshold * 100) * whole
            assert bool(list(similar_pairs(sets, threshold))) is is_alike
            assert bool(list(counted_pairs(sets, threshold))) is is_alike
            assert bool(Index(sets[:1]).alike(sets[1], threshold)) is is_alike


def test_a_threshold_of_nothing_is_no_option() -> None:
    for name in ("near_duplicate", "same_meaning", "contaminated_cosine", "max_shared_text"):
        with pytest.raises(ValidationError, match="greater than 0"):
            QualityOptions.model_validate({name: 0.0})


@settings(deadline=None)
@given(st.lists(st.frozensets(st.sampled_from("abcdefghij"), min_size=1), max_size=12), st.integers(1, 20))
def test_what_contains_a_set_is_found_the_closest_first(sets: list[frozenset[str]], twentieths: int) -> None:
    wanted = frozenset("abcd")
    expected = {
        place for place, one in enumerate(sets) if 20 * len(wanted & one) >= twentieths * min(len(wanted), len(one))
    }
    found = Index(sets).containing(wanted, twentieths / 20)
    assert {place for _, place in found} == expected
    assert [share for share, _ in found] == sorted((containment(wanted, sets[p]) for p in expected), reverse=True)


@settings(deadline=None)
@given(st.lists(st.frozensets(st.sampled_from("abcdefghij"), min_size=1), max_size=12), st.integers(1, 20))
def test_all_similar_pairs_are_found_and_no_others(sets: list[frozenset[str]], twentieths: int) -> None:
    threshold = twentieths / 20
    # Whole numbers, so that nothing is rounded: |A and B| / |A or B| >= n / 20.
    expected = {
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(sets), 2)
        if 20 * len(one & other) >= twentieths * len(one | other)
    }
    assert set(similar_pairs(sets, threshold)) == expected
    assert set(counted_pairs(sets, threshold)) == expected


@pytest.mark.parametrize(("part", "run"), [(instruction, 2), (answer, 3)])
def test_no_pair_at_the_threshold_is_left_of_generated_near_duplicates(part: Callable[[Sample], str], run: int) -> None:
    texts = nearly_same_texts(240, seed=run)
    candidates = [candidate(text, text, name=str(number)) for number, text in enumerate(texts)]
    split_of = held_out([str(number) for number in range(0, 240, 7)])
    verdicts = drop_similar(candidates, part, split_of, run, OPTIONS.near_duplicate)
    left = [runs(part(verdict.candidate.sample), run) for verdict in verdicts if verdict.finding is None]
    gone = [runs(part(verdict.candidate.sample), run) for verdict in verdicts if verdict.finding]
    assert all(overlap(one, other) < OPTIONS.near_duplicate for one, other in combinations(left, 2))
    # Nothing went without a reason: each that was dropped is like one that stayed.
    assert all(any(overlap(one, other) >= OPTIONS.near_duplicate for other in left) for one in gone)
    assert len(left) >= 60
    assert len(gone) >= 60


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_samples_changes_nothing(shuffler: random.Random) -> None:
    candidates = [candidate(text, name=str(n)) for n, text in enumerate(nearly_same_texts(40, seed=5))]
    split_of = held_out(["1", "6", "11"])
    shuffled = list(candidates)
    shuffler.shuffle(shuffled)

    def all_kept(some: list[Candidate]) -> set[str]:
        similar = drop_similar(some, instruction, split_of, 2, OPTIONS.near_duplicate)
        left = [verdict.candidate for verdict in similar if verdict.finding is None]
        return kept(drop_same(left, answer, split_of))

    assert all_kept(candidates) == all_kept(shuffled)


def test_of_the_same_instruction_in_both_splits_the_one_to_train_on_goes() -> None:
    train, test = candidate(name="train"), candidate("How does Redis survive a restart", name="test")
    for order in ([train, test], [test, train]):
        assert kept(drop_same(order, instruction, held_out(["test"]))) == {"test"}
        assert kept(drop_similar(order, instruction, held_out(["test"]), 2, 0.7)) == {"test"}


def test_inside_a_split_the_one_with_the_smaller_id_stays() -> None:
    same = [candidate(name=name) for name in "abcd"]
    verdicts = drop_same(same, instruction, all_train)
    assert kept(verdicts) == {smaller_id(*same)}
    findings = [verdict.finding for verdict in verdicts if verdict.finding]
    stays = next(verdict.candidate.sample for verdict in verdicts if verdict.finding is None)
    assert {finding.reason for finding in findings} == {"same instruction"}
    assert all(stays.id[:12] in finding.detail for finding in findings)


def test_capitals_blanks_and_punctuation_make_no_other_instruction() -> None:
    pair = [candidate("What is  RAG?", name="a"), candidate("what is rag", name="b")]
    assert len(kept(drop_same(pair, instruction, all_train))) == 1
    assert len(kept(drop_same([candidate("?!", name="a"), candidate("...", name="b")], instruction, all_train))) == 2


def test_names_that_differ_in_their_signs_are_different_names() -> None:
    asked = [candidate(f"Explain what {name} is good for.", name=name) for name in ("C", "C++", "C#", "c#?")]
    same = drop_same(asked, instruction, all_train)
    assert len(kept(same) & {"C#", "c#?"}) == 1
    assert {"C", "C++"} <= kept(same)
    # Of seven pairs of words the five without the name are the same: 4 / 8.
    assert {"C", "C++", "C#"} == kept(drop_similar(asked[:3], instruction, all_train, 2, 0.7))
    assert words_and_names("C++, F# and a 1+1 # b") == ["c++", "f#", "and", "a", "1", "1", "b"]


def test_the_same_rejected_answer_is_one() -> None:
    pairs = [candidate(f"Why {name}?", name=name, rejected=REJECTED) for name in "ab"]
    verdicts = drop_same(pairs, rejected_answer, held_out("b"))
    assert kept(verdicts) == {"b"}
    assert verdicts[0].finding is not None
    assert verdicts[0].finding.reason == "same rejected answer"


def test_what_is_like_a_dropped_sample_only_stays() -> None:
    # Neighbours share 4 of 6 runs (0.67), a and c 3 of 7 (0.43). b goes for a; then c is like nothing that is left.
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    a, b, c = (candidate(" ".join(numbers[at : at + 6]), name=name) for at, name in enumerate("abc"))
    assert kept(drop_similar([b, c, a], instruction, held_out(["a"]), 2, 0.6)) == {"a", "c"}
    assert kept(drop_similar([b, c, a], instruction, held_out(["b"]), 2, 0.6)) == {"b"}


def test_two_samples_with_the_same_answer_are_one_whatever_is_asked() -> None:
    pair = [candidate("What is Redis?", name="a"), candidate("Why do people like Redis?", name="b")]
    assert len(kept(drop_same(pair, answer, all_train))) == 1
    assert len(kept(drop_same(pair, instruction, all_train))) == 2


def test_instructions_with_the_same_meaning_are_one() -> None:
    # The fake's vectors say which of these animals are in a text.
    samples = [
        candidate("What does a cat eat?", name="a"),
        candidate("Name a cat's food!", name="b"),
        candidate("What do a cat and a dog eat?", name="c"),
    ]
    verdicts = drop_same_meaning(samples, held_out(["b"]), Meanings(WordEmbedder()), 0.95)
    assert kept(verdicts) == {"b", "c"}
    # A cat, and a cat and a dog: the cosine is 0.71.
    assert kept(drop_same_meaning(samples, held_out(["b"]), Meanings(WordEmbedder()), 0.7)) == {"b"}


def test_a_text_is_embedded_once_in_batches_and_as_a_question() -> None:
    embedder = WordEmbedder()
    meanings = Meanings(embedder)
    texts = ["cat", "dog", "fish", "cat", "bird"]
    assert list(meanings.close_pairs(texts, 0.9)) == [(0, 3)]
    assert meanings.closest(["cat", "a dog"], ["dog", "bird"]) == [(0, 0.0), (0, 1.0)]
    assert sorted(embedder.queries) == ["a dog", "bird", "cat", "dog", "fish"]
    assert embedder.embedded == []
    assert list(meanings.close_pairs([], 0.9)) == []


QUESTION = "In which places can I look up afterwards why a URL was not read?"


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("Tell me: in which places can I look up afterwards things?", "", "instruction"),
        ("Where does it stand?", "One may ask in which places can I look up afterwards.", "answer"),
        ("In which places can I look up?", "After a time I can look up why a URL was not read.", None),
        ("Which HTTP errors are final?", "", "instruction"),
        ("Are all HTTP errors final?", "", None),
    ],
)
def test_eight_words_in_a_row_of_a_question_are_too_many(asked: str, said: str, expected: str | None) -> None:
    # The second question has five words: all of it counts. The third is too short to be told from chance.
    words = EvaluationWords([QUESTION, "Which HTTP errors are final?", "Why so?"], OPTIONS)
    finding = words.why_contaminated(candidate(asked, said + " Why so? "))
    assert (finding.reason if finding else None) == (expected and f"{expected} has words of an evaluation question")


def test_a_rejected_answer_gives_a_question_away_too() -> None:
    words = EvaluationWords([QUESTION], OPTIONS)
    assert words.why_contaminated(candidate(rejected=f"{QUESTION} In the log."))


def test_an_instruction_that_means_an_evaluation_question_is_dropped() -> None:
    samples = [candidate("What does a cat eat?", name="a"), candidate("What do a cat and a dog eat?", name="b")]
    verdicts = drop_same_questions(samples, ["The dog?", "Food of the cat?"], Meanings(WordEmbedder()), OPTIONS)
    assert kept(verdicts) == {"b"}
    finding = verdicts[0].finding
    assert finding is not None
    assert finding.detail == "1.00: Food of the cat?"


@pytest.mark.parametrize(
    ("asked", "is_dropped"),
    [
        # Of the thirteen pairs of words of either eleven are the same: 11 / 15. No eight words in a row are.
        ("In which places can I look up later why a URL was not read?", True),
        ("In which places can I look up later why a page was not read?", False),
    ],
)
def test_an_instruction_in_nearly_the_words_of_a_question_is_dropped(asked: str, is_dropped: bool) -> None:
    words = EvaluationWords([QUESTION], OPTIONS)
    finding = words.why_contaminated(candidate(asked))
    assert (finding.reason if finding else None) == (
        "instruction is nearly an evaluation question" if is_dropped else None
    )
    assert words.why_contaminated(candidate(answer=asked)) is None


def test_what_is_to_be_found_for_a_question_may_be_learned() -> None:
    words = EvaluationWords([QUESTION], OPTIONS)
    assert (
        words.why_contaminated(candidate("Where is it told?", "Look it up in the run's report, below failed links."))
        is None
    )


def test_without_evaluation_questions_nothing_is_contaminated() -> None:
    embedder = WordEmbedder()
    assert kept(drop_same_questions([candidate()], [], Meanings(embedder), OPTIONS)) == {"a"}
    assert drop_same_questions([], ["Why?"], Meanings(embedder), OPTIONS) == []
    assert EvaluationWords([], OPTIONS).why_contaminated(candidate()) is None
    assert embedder.queries == []
