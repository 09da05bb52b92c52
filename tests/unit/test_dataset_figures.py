"""A dataset in numbers, its samples, what is doubtful in it, and what differs between two."""

import pytest

from llm_engineering.application.dataset.doubts import doubts_of
from llm_engineering.application.dataset.figures import compare, draw_samples, figures_of
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import DatasetKind, Method, Sample, Split, TrainTestSplit
from llm_engineering.domain.documents import Author, CleanedDocument
from tests.fakes import ADA, cleaned
from tests.sample_datasets import dataset, report, sample

BABBAGE = Author.named("Charles Babbage")
LOOM, MILL = "https://example.com/loom", "https://example.com/mill"
ABOUT_CARDS = (
    "The cards were punched by hand, one for each row of the cloth. A weaver could change the whole pattern by "
    "changing the chain of cards, and so the loom never had to be threaded anew."
)
ABOUT_MILLS = (
    "A mill has wheels that carry numbers from one column to the next. When a wheel passes nine it lifts a lever, and "
    "the lever is felt by every wheel above it in the same turn of the handle."
)
REJECTED = (
    "Textile machines of many kinds existed in Europe at that time. Historians disagree about who first thought of "
    "using paper, and most factories bought whatever their suppliers could deliver."
)
# Of rules that are tested elsewhere.
OPTIONS = QualityOptions()


def split_of(train: list[Sample], test: list[Sample], kind: DatasetKind = DatasetKind.INSTRUCT) -> TrainTestSplit:
    return TrainTestSplit(kind=kind, train=train, test=test, report=report())


CARDS = sample("Why were the loom's cards punched by hand?", ABOUT_CARDS, link=LOOM)
MILLS = sample("How does a mill carry numbers between columns?", ABOUT_MILLS, link=MILL)


def found(
    data: TrainTestSplit, questions: tuple[str, ...] = ("Who is it?",), documents: list[CleanedDocument] | None = None
) -> dict[str, int]:
    """By check, how much it found; checks that found nothing are left out."""
    return {d.check: d.found for d in doubts_of(data, OPTIONS, questions, documents).doubts if d.found}


def test_figures_are_counted_from_the_samples() -> None:
    figures = figures_of(dataset(DatasetKind.PREFERENCE))
    train, test = figures.splits[Split.TRAIN], figures.splits[Split.TEST]
    assert (train.samples, train.documents, test.samples, test.documents) == (2, 1, 1, 1)
    # "It weaves algebraic patterns." has 29 characters, "By cards,\npunched by hand.\u2028" has 27.
    assert (train.lengths["answer"].minimum, train.lengths["answer"].maximum) == (27, 29)
    assert set(train.lengths) == {"instruction", "answer", "rejected"}
    assert figures.languages == {"en": 2, "": 1}
    assert figures.dropped == {"rules: answer too short": 1}
    [stratum] = figures.strata
    assert (stratum.author, stratum.train_samples, stratum.test_samples) == ("Ada Lovelace", 2, 1)
    assert figures.length_bias is not None
    assert figures.length_bias.pairs == 3


def test_a_split_without_samples_has_no_lengths() -> None:
    figures = figures_of(split_of([CARDS], []))
    assert (figures.splits[Split.TEST].samples, figures.splits[Split.TEST].lengths) == (0, {})


def test_the_same_seed_draws_the_same_samples_whatever_their_order() -> None:
    many = [sample(f"What is number {i}?", ABOUT_CARDS) for i in range(30)]
    first = draw_samples(split_of(many, []), 5, "a")
    assert len(first) == 5
    assert draw_samples(split_of(many[::-1], []), 5, "a") == first
    assert draw_samples(split_of(many, []), 5, "b") != first


def test_samples_are_drawn_of_one_split_and_author() -> None:
    his = sample("What did he build?", ABOUT_MILLS, author=BABBAGE)
    data = split_of([CARDS, his], [MILLS])
    assert draw_samples(data, 9, "a", split=Split.TEST) == [(Split.TEST, MILLS)]
    assert draw_samples(data, 9, "a", author="charles BABBAGE") == [(Split.TRAIN, his)]
    assert draw_samples(data, 9, "a", author="Nobody") == []


def test_the_same_dataset_has_no_difference() -> None:
    difference = compare(split_of([CARDS], [MILLS]), split_of([CARDS], [MILLS]))
    assert difference.same == 2
    assert (difference.new, difference.gone, difference.changed) == ([], [], [])
    assert (difference.moved, difference.moved_documents) == ([], [])


def test_what_is_new_gone_and_changed_is_told_apart() -> None:
    changed = sample(CARDS.instruction, ABOUT_CARDS + " So it was.", link=LOOM)
    new = sample("Who wrote the first program for it?", ABOUT_MILLS, link=LOOM)
    difference = compare(split_of([CARDS], [MILLS]), split_of([changed, new], []))
    assert difference.new == [new]
    assert difference.gone == [MILLS]
    assert [(item.before, item.after) for item in difference.changed] == [(CARDS, changed)]
    assert (difference.same, difference.moved) == (0, [])


def test_two_answers_to_one_instruction_are_counted_each() -> None:
    twice = [sample(CARDS.instruction, f"{ABOUT_CARDS} {i}", link=LOOM) for i in range(3)]
    difference = compare(split_of(twice[:1], []), split_of(twice[1:], []))
    assert (len(difference.changed), len(difference.new), len(difference.gone)) == (1, 1, 0)


def test_which_of_several_answers_has_changed_does_not_depend_on_the_order_of_a_set() -> None:
    twice = [sample(CARDS.instruction, f"{ABOUT_CARDS} {i}", link=LOOM) for i in range(9)]
    [changed] = compare(split_of(twice[:8], []), split_of(twice[8:], [])).changed
    assert changed.before.id == min(one.id for one in twice[:8])


def test_a_test_answer_inside_an_answer_of_train_is_found() -> None:
    both = sample("How were weaving and counting done?", f"{ABOUT_CARDS} {ABOUT_MILLS}", link=LOOM)
    assert found(split_of([both], [MILLS])) == {"text of an answer in both splits": 1}
    assert found(split_of([both, MILLS], [])) == {}


def test_the_same_rejected_answer_twice_is_found() -> None:
    pairs = [sample(one.instruction, one.answer, REJECTED, link=one.source.link) for one in (CARDS, MILLS)]
    assert found(split_of(pairs, [], DatasetKind.PREFERENCE)) == {"rejected answer twice in a split": 1}


def test_a_sample_and_its_document_that_change_the_split_are_told() -> None:
    difference = compare(split_of([CARDS, MILLS], []), split_of([CARDS], [MILLS]))
    assert difference.moved == [MILLS]
    assert difference.moved_documents == [MILL]


def test_a_document_that_changes_the_split_is_told_though_its_samples_are_new() -> None:
    other = sample("What do the wheels of a mill carry?", ABOUT_MILLS, link=MILL)
    difference = compare(split_of([CARDS, MILLS], []), split_of([CARDS], [other]))
    assert (difference.moved, difference.moved_documents) == ([], [MILL])


def test_a_good_dataset_has_no_doubts() -> None:
    assert found(split_of([CARDS], [MILLS])) == {}


def test_the_same_texts_are_found_inside_and_across_splits_in_other_capitals_and_signs() -> None:
    loud = sample(CARDS.instruction.upper(), ABOUT_MILLS.replace(",", " –"), link=LOOM)
    data = split_of([CARDS, loud], [MILLS])
    assert found(data)["instruction twice in a split"] == 1
    assert found(data)["answer in both splits"] == 1
    assert "instruction in both splits" not in found(data)
    assert found(split_of([CARDS], [sample(CARDS.instruction, ABOUT_MILLS, link=MILL)])) == {
        "instruction in both splits": 1
    }


def test_near_duplicates_are_told_by_where_they_are_and_not_again_when_they_are_the_same() -> None:
    near = sample("How were weavers taught?", ABOUT_CARDS.replace("threaded", "strung"), link=MILL)
    assert found(split_of([CARDS], [near])) == {"near-duplicate answers across splits": 1}
    both = found(split_of([CARDS, near.model_copy(update={"source": CARDS.source})], [MILLS]))
    assert both == {"near-duplicate answers in a split": 1}


def test_a_document_in_both_splits_is_found() -> None:
    other = sample("What do the wheels lift when they pass nine?", ABOUT_MILLS, link=LOOM)
    assert found(split_of([CARDS], [other])) == {"document in both splits": 1}


def test_a_broken_rule_and_a_leaked_question_are_found() -> None:
    pointing = sample("What does the extract above say about mills?", ABOUT_MILLS, link=MILL)
    assert found(split_of([CARDS], [pointing])) == {"breaks a rule": 1}
    asked = ("Why were the loom's cards punched by hand in those days, and by whom?",)
    assert found(split_of([CARDS], [MILLS]), asked) == {"has words of an evaluation question": 1}


def test_pairs_are_looked_at_for_their_difference_and_their_lengths() -> None:
    good = sample(CARDS.instruction, ABOUT_CARDS, REJECTED, link=LOOM)
    assert found(split_of([good], [], DatasetKind.PREFERENCE)) == {}
    same = sample(CARDS.instruction, ABOUT_CARDS, ABOUT_CARDS, link=LOOM)
    assert found(split_of([same], [], DatasetKind.PREFERENCE)) == {"is no preference": 1}
    # Twice as long each: no single pair is out of bounds, all of them together are.
    short = sample(CARDS.instruction, ABOUT_CARDS, REJECTED[: len(ABOUT_CARDS) // 2 - 1] + ".", link=LOOM)
    assert found(split_of([short], [], DatasetKind.PREFERENCE)) == {"length tells chosen from rejected": 1}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"Before.\n\n{ABOUT_CARDS}\n\nAfter.", 0),
        (ABOUT_CARDS.replace("chain of", "chain-\nof").replace(". A", ".\nA"), 1),
        (ABOUT_CARDS.replace(". A", ".\nA"), 0),
        (ABOUT_CARDS.replace("weaver", "spinner"), 1),
    ],
)
def test_an_authors_words_are_looked_for_in_their_document(text: str, count: int) -> None:
    document = cleaned(text, "loom").model_copy(update={"id": CARDS.source.document_id})
    quality = doubts_of(split_of([CARDS], [MILLS]), OPTIONS, (), [document, cleaned("x", "other")])
    [verbatim] = [doubt for doubt in quality.doubts if doubt.check == "answer not verbatim in its document"]
    # The mill's document is not there: nothing can be said of it.
    assert (verbatim.looked_at, verbatim.found) == (1, count)
    assert quality.found == count


def test_what_a_model_wrote_is_not_looked_for_in_the_document() -> None:
    written = CARDS.model_copy(update={"method": Method.GENERATED})
    document = cleaned("Something else.", "loom", author=ADA).model_copy(update={"id": CARDS.source.document_id})
    assert found(split_of([written], [MILLS]), documents=[document]) == {}


def test_what_could_not_be_looked_at_is_noted() -> None:
    notes = doubts_of(split_of([CARDS], [MILLS]), OPTIONS, (), None).notes
    assert "no evaluation questions" in notes[0]
    assert "documents are not at hand" in notes[1]
