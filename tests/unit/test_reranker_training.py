"""What a reranker is trained on, and when it is promoted. The training itself is among the integration tests."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from uuid import uuid5

import pytest
from rich.console import Console

from llm_engineering.domain.documents import NAMESPACE, DataCategory
from llm_engineering.domain.evaluation import Expected, Interval, Question
from llm_engineering.domain.features import IndexSpec
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.reranking import Epoch, RankingScores, RerankerReport
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.model.reranking.corpus import corpus_hash, part_of, passage_text, read_chunks
from llm_engineering.model.reranking.data import (
    HEADINGS,
    SENTENCES,
    WRITTEN,
    TrainingQuestion,
    drawn,
    heading_questions,
    sentence_questions,
    written_questions,
)
from llm_engineering.model.reranking.mining import Ranking, is_same_text, mine, rankings
from llm_engineering.model.reranking.promotion import (
    Comparison,
    decide,
    gain_interval,
    keep,
    reciprocal_rank,
    reordered,
)
from llm_engineering.model.reranking.training import best_epoch
from tests.fakes import MemoryVectorStore, SilentProgress, cleaned, embedded
from tools._reranker_report import reranker_table

SEED = "moodswarm"
FILLER = "Each of these forty words stands here only so that the passage is long enough to be asked about at all "


def found(
    name: str,
    text: str,
    score: float = 1.0,
    context: str = "",
    document: str = "a",
    category: DataCategory = DataCategory.ARTICLES,
) -> RetrievedChunk:
    return RetrievedChunk(
        id=uuid5(NAMESPACE, f"chunk {name}"),
        document_id=uuid5(NAMESPACE, document),
        category=category,
        author_full_name="Ada Lovelace",
        title=document,
        link=f"https://example.com/{document}",
        text=text,
        context=context,
        score=score,
    )


def asked(positive: RetrievedChunk, text: str = "What is it?", **more: object) -> TrainingQuestion:
    values = {
        "text": text,
        "document_id": positive.document_id,
        "positives": frozenset({positive.id}),
        "passage": positive.text,
        "source": WRITTEN,
    }
    return TrainingQuestion(**{**values, **more})  # type: ignore[arg-type]


def test_documents_are_held_out_by_their_ids_alone_and_in_the_shares_that_were_asked_for() -> None:
    ids = [uuid5(NAMESPACE, str(number)) for number in range(2000)]
    parts = [part_of(id_, SEED, 0.25) for id_ in ids]
    assert parts == [part_of(id_, SEED, 0.25) for id_ in ids]
    assert 900 < parts.count("test") < 1100
    # A quarter of the other half.
    assert 200 < parts.count("development") < 300
    assert parts != [part_of(id_, "another seed", 0.25) for id_ in ids]


def test_what_is_held_out_is_what_the_generator_of_evaluation_questions_calls_test() -> None:
    from llm_engineering.application.evaluation.passages import passages_of

    text = " ".join(f"word{number} of this paragraph says something" for number in range(8)) + "."
    for number in range(20):
        document = cleaned(text, name=str(number))
        [passage] = passages_of(document, SEED)
        assert (part_of(document.id, SEED, 0.25) == "test") == (passage.split == "test")


def test_of_a_corpus_that_is_too_large_whole_documents_are_read() -> None:
    store = MemoryVectorStore()
    store.prepare(IndexSpec(model_id="m", revision="r", precision="float32", dimension=2, sparse_encoder="words"))
    for name in "abcdef":
        document = cleaned(f"text of {name}", name=name)
        store.upsert_chunks([embedded(document, [1.0, 0.0], index, f"{name}{index} ") for index in range(3)])
    assert len(read_chunks(store, 100)) == 18
    some = read_chunks(store, 10)
    assert len(some) == 9
    documents = [chunk.document_id for chunk in some]
    assert [documents.count(id_) for id_ in dict.fromkeys(documents)] == [3, 3, 3]
    assert [chunk.index for chunk in some] == [0, 1, 2] * 3


def test_the_corpus_hash_changes_with_a_text() -> None:
    one, other = found("x", "first"), found("x", "second")
    assert corpus_hash([one]) == corpus_hash([one])
    assert corpus_hash([one]) != corpus_hash([other])


def test_a_heading_asks_for_the_chunks_below_it() -> None:
    body = f"# Guide\n\n## 2. Tuning the *engine* well\n\n{FILLER * 3}"
    first = found("first", body, context="Guide > 2. Tuning the *engine* well")
    second = found("second", "It goes on here.", context="Guide > 2. Tuning the *engine* well")
    [question] = heading_questions([first, second])
    assert question.text == "Tuning the engine well"
    assert question.positives == {first.id, second.id}
    assert question.source == HEADINGS
    if question.is_bare:
        assert "Tuning" not in question.passage
    else:
        assert question.passage == passage_text(first)


def test_most_heading_questions_are_read_without_their_headings_and_some_with_them() -> None:
    chunks = [
        found(
            str(number),
            f"## Subject number {number}\n\n{FILLER * 3}",
            context=f"Guide > Subject number {number}",
            document=str(number),
        )
        for number in range(60)
    ]
    bare = [question for question in heading_questions(chunks) if question.is_bare]
    assert 30 < len(bare) < 55
    assert not any("Subject number" in question.passage for question in bare)


@pytest.mark.parametrize(
    "chunk",
    [
        found("short", "Too little.", context="Guide > A heading of words"),
        found("plain", FILLER * 3, context="Guide"),
        found("word", FILLER * 3, context="Guide > Conclusion"),
        found("code", FILLER * 3, context="src > A heading of words", category=DataCategory.REPOSITORIES),
    ],
)
def test_a_heading_that_says_too_little_asks_nothing(chunk: RetrievedChunk) -> None:
    assert list(heading_questions([chunk])) == []


def test_a_heading_that_two_documents_have_asks_nothing() -> None:
    chunks = [found(name, FILLER * 3, context="Guide > What you should know", document=name) for name in "ab"]
    assert list(heading_questions(chunks)) == []


def test_a_sentence_asks_for_the_chunk_that_it_is_taken_out_of() -> None:
    sentences = [f"The engine number {number} turns its wheel quite slowly today." for number in range(8)]
    chunks = [found(str(number), " ".join(sentences) + f" Chunk {number} ends.") for number in range(40)]
    questions = list(sentence_questions(chunks))
    assert len(questions) == 40
    for question in questions:
        assert f"{question.text}." in sentences
        assert question.source == SENTENCES
    # One in ten keeps its words.
    assert sum(question.text in question.passage for question in questions) < 15
    assert any(question.text not in question.passage for question in questions)
    assert len({question.text for question in questions}) > 1


def test_no_sentence_is_taken_out_of_code() -> None:
    text = " ".join(f"The engine number {number} turns its wheel quite slowly today." for number in range(8))
    assert list(sentence_questions([found("x", text, category=DataCategory.REPOSITORIES)])) == []
    assert list(sentence_questions([found("x", f"{text}\n```\ncode\n```")])) == []


def test_a_written_question_belongs_to_the_chunks_that_have_its_passage() -> None:
    right = found("right", "The wheel is made of brass.")
    other = found("other", "It is heavy.")
    elsewhere = found("elsewhere", "The wheel is made of brass.", document="b")
    expected = (Expected(link="https://example.com/a", passage="made of brass"),)
    questions = [
        Question(id="1", text="Of what is the wheel?", expected=expected, split="development"),
        Question(id="2", text="And now?", expected=expected, split="test"),
        Question(id="3", text="Nothing?", expected=(Expected(link="https://example.com/a", passage="of gold"),)),
    ]
    first, second = written_questions(questions, [right, other, elsewhere], lambda text, passage: passage in text)
    assert first.positives == {right.id}
    assert not first.is_held_out
    assert second.is_held_out


def test_written_questions_are_drawn_first_then_headings_and_sentences_in_turn() -> None:
    chunk = found("x", "text")
    questions = [
        asked(chunk, f"{source} {number}", source=source)
        for source in (HEADINGS, SENTENCES, WRITTEN)
        for number in range(3)
    ]
    sources = [question.source for question in drawn(reversed(questions), 7)]
    assert sources[:3] == [WRITTEN] * 3
    assert sorted(sources[3:]) == sorted([HEADINGS, SENTENCES] * 2)
    assert drawn(questions, 7) == drawn(reversed(questions), 7)


def test_negatives_are_what_was_found_and_is_neither_right_nor_the_same_text() -> None:
    text = "The quick brown fox jumps over the lazy dog in the evening."
    right = found("right", text, 0.5)
    hits = [
        found("first wrong", "A cat sleeps on the warm roof.", 0.6),
        right,
        found("copy", f"{text} More follows.", 0.4),
        found("second wrong", "Birds sing at dawn, not before.", 0.3),
    ]
    group = mine(asked(right), hits, max_score_ratio=1.5, least=2)
    assert group is not None
    assert group.positive == text
    assert group.negatives == ("A cat sleeps on the warm roof.", "Birds sing at dawn, not before.")
    assert mine(asked(right), hits, max_score_ratio=1.5, least=3) is None


def test_what_scores_far_above_the_right_chunk_is_likely_right_too_and_no_negative() -> None:
    right = found("right", "The right text.", 0.4)
    hits = [found("better", "Perhaps an answer as well.", 0.61), found("near", "Another thing.", 0.6), right]
    group = mine(asked(right), hits, max_score_ratio=1.5, least=1)
    assert group is not None
    assert group.negatives == ("Another thing.",)


def test_where_the_right_chunk_was_not_found_every_hit_is_a_negative() -> None:
    group = mine(asked(found("right", "The right text.")), [found("x", "Other.", 99.0)], max_score_ratio=1.5, least=1)
    assert group is not None
    assert group.negatives == ("Other.",)


def test_beside_a_passage_without_headings_the_negatives_have_none_either() -> None:
    right = found("right", "The right text.")
    hits = [found("x", "## Heading\n\nOther.", context="Guide > Heading"), right]
    bare = mine(asked(right, is_bare=True), hits, max_score_ratio=1.5, least=1)
    whole = mine(asked(right), hits, max_score_ratio=1.5, least=1)
    assert bare is not None
    assert bare.negatives == ("Other.",)
    assert whole is not None
    assert whole.negatives == ("Guide > Heading\n## Heading\n\nOther.",)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a b c d e f", "A, b c d: e f!", True),
        ("a b c d", "x y a b c d z", True),
        # One of two runs is not more than half.
        ("a b c d", "a b c z", False),
        ("a b", "a b", False),
    ],
)
def test_texts_are_the_same_when_most_of_the_shorter_stands_in_the_longer(one: str, other: str, same: bool) -> None:
    assert is_same_text(one, other) is same
    assert is_same_text(other, one) is same


def test_reranking_is_measured_on_the_chunks_as_they_are_served() -> None:
    right = found("right", "## Heading\n\nThe right text.", context="Guide > Heading")
    hits = [found("x", "Other."), right]
    [ranking] = rankings([asked(right, is_bare=True)], lambda text, limit: hits[:limit], 20, SilentProgress())
    assert ranking.passages == ("Other.", passage_text(right))
    assert ranking.is_right == (False, True)
    assert list(rankings([asked(right)], lambda text, limit: [], 20, SilentProgress())) == []


@pytest.mark.parametrize(
    ("is_right", "expected"),
    [([True], 1.0), ([False, True, True], 0.5), ([False] * 9 + [True], 0.1), ([False] * 10 + [True], 0.0), ([], 0.0)],
)
def test_the_reciprocal_rank_is_that_of_the_first_hit_among_ten(is_right: list[bool], expected: float) -> None:
    assert reciprocal_rank(is_right) == pytest.approx(expected)


def ranking(*is_right: bool, source: str = WRITTEN) -> Ranking:
    return Ranking("question", tuple(map(str, range(len(is_right)))), is_right, source)


def test_equal_scores_leave_the_searchs_order() -> None:
    assert reordered(ranking(False, True, False), [1.0, 1.0, 1.0]) == [False, True, False]
    assert reordered(ranking(False, True, False), [1.0, 2.0, 3.0]) == [False, True, False]
    assert reordered(ranking(False, False, True), [1.0, 2.0, 3.0]) == [True, False, False]


def test_a_comparison_has_both_orders_of_the_same_candidates() -> None:
    def last_first(question: str, passages: Sequence[str]) -> list[float]:
        return [float(passage) for passage in passages]

    comparison = Comparison([ranking(False, True), ranking(True, False, source=HEADINGS)], last_first)
    # Without: ranks 2 and 1. Reranked: ranks 1 and 2.
    assert comparison.without == RankingScores(mrr=0.75, recall_at_1=0.5)
    assert comparison.reranked == RankingScores(mrr=0.75, recall_at_1=0.5)
    assert comparison.gain().value == 0.0
    worse, better = RankingScores(mrr=0.5, recall_at_1=0.0), RankingScores(mrr=1.0, recall_at_1=1.0)
    assert comparison.by_source() == {WRITTEN: (worse, better), HEADINGS: (better, worse)}


def test_the_interval_of_a_gain_that_is_the_same_for_every_question_is_a_point() -> None:
    interval = gain_interval([1.0] * 30, [0.5] * 30)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_the_interval_is_as_wide_as_the_normal_approximation_says() -> None:
    # Half of the gains are 0, half are 1: the mean's standard error is 0.5 / sqrt(100) = 0.05.
    interval = gain_interval([1.0, 0.0] * 50, [0.0] * 100)
    assert interval.value == 0.5
    assert interval.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.02)
    assert interval.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.02)


@pytest.mark.parametrize(
    ("gain", "promoted", "word"),
    [
        (Interval(value=0.05, low=0.02, high=0.08), True, "better"),
        (Interval(value=0.05, low=-0.001, high=0.1), False, "chance"),
        (Interval(value=0.05, low=0.0, high=0.1), False, "chance"),
        (Interval(value=0.01, low=0.005, high=0.02), False, "not more"),
        (Interval(value=-0.1, low=-0.2, high=-0.05), False, "chance"),
    ],
)
def test_only_a_gain_that_is_worth_it_and_no_chance_is_promoted(gain: Interval, promoted: bool, word: str) -> None:
    decided, why = decide(gain, minimum=0.01)
    assert decided is promoted
    assert word in why


def report(promoted: bool, name: str) -> RerankerReport:
    scores, gain = RankingScores(mrr=0.5, recall_at_1=0.5), Interval(value=0.0, low=0.0, high=0.0)
    return RerankerReport(
        base_model=name, base_sha256="", trained_at="", corpus_hash="", chunks=1, groups={}, development={},
        held_out={}, config={}, epochs=[Epoch(number=0, loss=None, development_mrr=0.5)], kept_epoch=0, candidates=20,
        without=scores, reranked=scores, by_source={}, gain=gain, gain_recall_at_1=gain, seconds_per_query=0.1,
        promoted=promoted, why="",
    )  # fmt: skip


def test_the_report_is_a_table_with_both_orders_and_the_decision() -> None:
    better, worse = RankingScores(mrr=0.875, recall_at_1=0.75), RankingScores(mrr=0.5, recall_at_1=0.25)
    shown = report(True, "tiny").model_copy(
        update={"held_out": {HEADINGS: 31, WRITTEN: 12}, "by_source": {HEADINGS: (worse, better)}, "why": "MRR +0.375"}
    )
    console = Console(width=140, record=True, file=StringIO())
    console.print(reranker_table(shown))
    text = console.export_text()
    row = next(line for line in text.splitlines() if "headings" in line)
    assert row.replace("│", " ").split() == ["headings", "31", "0.500", "0.875", "0.250", "0.750"]
    assert "43" in next(line for line in text.splitlines() if "All" in line)
    assert "Promoted: MRR +0.375" in text


def names(folder: Path) -> dict[str, str]:
    """Which model stands in each folder, by its card, and that the weights beside it are the same one's."""
    cards = {}
    for place in folder.iterdir():
        card = RerankerReport.model_validate_json((place / "card.json").read_text())
        assert (place / "weights").read_text() == card.base_model
        assert card.folder == str(place) or place.name == "previous"
        cards[place.name] = card.base_model
    return cards


def test_a_promoted_reranker_serves_and_the_one_before_is_kept(tmp_path: Path) -> None:
    def train(name: str, promoted: bool) -> RerankerReport:
        return keep(report(promoted, name), tmp_path, lambda folder: _write(folder / "weights", name))

    assert train("first", True).folder == str(tmp_path / "current")
    assert names(tmp_path) == {"current": "first"}
    train("worse", False)
    assert names(tmp_path) == {"current": "first", "candidate": "worse"}
    train("worse still", False)
    assert names(tmp_path) == {"current": "first", "candidate": "worse still"}
    train("second", True)
    train("third", True)
    assert names(tmp_path) == {"current": "third", "previous": "second", "candidate": "worse still"}


def test_a_write_that_fails_leaves_what_serves(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _write(folder / "weights", "half")
        raise OSError("disk full")

    keep(report(True, "first"), tmp_path, lambda folder: _write(folder / "weights", "first"))
    with pytest.raises(OSError, match="disk full"):
        keep(report(True, "second"), tmp_path, fail)
    assert (tmp_path / "current" / "weights").read_text() == "first"
    keep(report(True, "third"), tmp_path, lambda folder: _write(folder / "weights", "third"))
    assert names(tmp_path) == {"current": "third", "previous": "first"}


def test_the_best_epoch_is_the_last_of_those_with_the_highest_mrr() -> None:
    values = [0.5, 0.7, 0.6, 0.7]
    epochs = [Epoch(number=number, loss=None, development_mrr=value) for number, value in enumerate(values)]
    assert best_epoch(epochs) == 3
    assert best_epoch(epochs[:1]) == 0


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch_count"):
        RerankerConfig(epoch_count=3)  # type: ignore[call-arg]


def _write(path: Path, text: str) -> None:
    path.write_text(text)
