"""Grids of configurations, and what a run over them reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from llm_engineering.application.evaluation.configurations import Chunking, Configuration, expand, sizes_of
from llm_engineering.application.evaluation.runner import Index, evaluate
from llm_engineering.domain.errors import InvalidQuestionSetError, PipelineConfigError
from llm_engineering.domain.evaluation import EvaluationReport, Expected, Question, QuestionSet
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import RetrievalNotes, RetrievalOptions, Retrieved
from tests.fakes import SilentProgress, retrieved

DEFAULTS = RetrievalOptions()


def link(name: str) -> str:
    return f"https://example.com/{name}"


QUESTIONS = QuestionSet(
    name="letters",
    questions=tuple(
        Question(id=name, text=f"Where is {name}?", expected=(Expected(link=link(name)),), split=split)
        for name, split in (("a", "test"), ("b", "test"), ("c", "development"))
    ),
)


class Letters:
    """Finds the document of the question's letter at the rank that the options say, and remembers what it was asked."""

    def __init__(self, rank: dict[str, int]) -> None:
        self.rank = rank
        self.asked: list[tuple[str, int]] = []
        self.opened: list[Chunking] = []

    @contextmanager
    def open(self, chunking: Chunking) -> Iterator[Index]:
        self.opened.append(chunking)
        yield Index(self.retrieve, chunks=7 if chunking else 5)

    def retrieve(self, query: Query, options: RetrievalOptions) -> Retrieved:
        self.asked.append((query.text, query.limit))
        name = query.text.removesuffix("?")[-1]
        others = [retrieved(f"x{number}", link=link(f"x{number}")) for number in range(9)]
        others.insert(self.rank[options.mode] - 1, retrieved(name, link=link(name)))
        notes = RetrievalNotes(timings={"embed": 0.25, "total": 0.5}, warnings=("Slow.",) if name == "a" else ())
        return Retrieved(chunks=tuple(others), notes=notes)


def run(letters: Letters, grid: dict[str, list[Any]], split: str | None = "test") -> EvaluationReport:
    return evaluate(QUESTIONS, split, expand(grid, DEFAULTS), letters.open, "words", SilentProgress())


def names(grid: dict[str, list[Any]]) -> list[str]:
    return [configuration.name for configuration in expand(grid, DEFAULTS)]


def test_a_grid_is_every_combination_with_the_default_first() -> None:
    assert names({}) == ["default"]
    assert names({"candidates": [20, None], "limit": [3, None]}) == [
        "default", "candidates 20, limit 3", "candidates 20", "limit 3"
    ]  # fmt: skip


def test_what_has_no_effect_makes_no_configuration_of_its_own() -> None:
    assert names({"mode": ["dense", "hybrid"], "dense_weight": [0.2, 0.4], "rrf_k": [10]}) == [
        "default", "mode dense", "dense_weight 0.2, rrf_k 10", "dense_weight 0.4, rrf_k 10"
    ]  # fmt: skip
    assert names({"rerank_candidates": [10, 30], "variants": [2]}) == ["default"]
    of_scores: dict[str, list[Any]] = {"fusion": ["rrf", "linear", "adaptive"], "dense_weight": [0.4]}
    assert names(of_scores | {"bm25_weight": [0.1, 0.2]}) == [
        "default", "dense_weight 0.4", "fusion linear, bm25_weight 0.1", "fusion linear, bm25_weight 0.2",
        "fusion adaptive, bm25_weight 0.1", "fusion adaptive, bm25_weight 0.2",
    ]  # fmt: skip


def test_chunk_sizes_are_those_that_differ() -> None:
    [default, small, window] = expand({"chunks": [{"articles": {"max_tokens": 128}}, "window-1500"]}, DEFAULTS)
    assert (default.chunking, window.chunking) == ({}, {"cut": "window-1500"})
    assert small.name == "articles max_tokens 128"
    sizes = sizes_of(small.chunking, ChunkSizes())
    assert (sizes.articles.max_tokens, sizes.articles.min_tokens) == (128, ChunkSizes().articles.min_tokens)
    assert sizes.posts == ChunkSizes().posts


@pytest.mark.parametrize(
    ("grid", "problem"),
    [
        ({"modus": ["dense"]}, "unknown option 'modus'; known are bm25_weight, candidates, chunks"),
        ({"mode": ["fuzzy"]}, "grid: mode: Input should be 'dense', 'sparse' or 'hybrid'"),
        ({"mode": "dense"}, "grid.mode: expected a list of values, as in [dense]"),
        ({"mode": []}, "grid.mode: expected a list"),
        ({"dense_weight": [1.5]}, "grid: dense_weight: "),
        ({"limit": [30]}, "grid.limit: expected a number from 1 to 20; got 30"),
        ({"chunks": ["window-99"]}, "grid.chunks: expected sizes by category or 'window-1500'"),
        ({"chunks": [{"letters": {"max_tokens": 128}}]}, "grid.chunks: expected sizes by category (articles,"),
        ({"chunks": [{"posts": {"max_tokens": 1}}]}, "grid.chunks: posts.max_tokens: "),
        ({"rrf_k": list(range(1, 100)), "candidates": list(range(1, 100))}, "9,801 combinations are more than 500"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_runs(grid: dict[str, Any], problem: str) -> None:
    with pytest.raises(PipelineConfigError) as caught:
        expand(grid, DEFAULTS)
    assert problem in str(caught.value)


def test_a_report_has_the_scores_of_each_configuration_on_its_split() -> None:
    report = run(Letters({"hybrid": 1, "dense": 2, "sparse": 6}), {"mode": ["sparse", "dense"]})
    assert [result.name for result in report.results] == ["default", "mode sparse", "mode dense"]
    assert [result.name for result in report.ranked] == ["default", "mode dense", "mode sparse"]
    assert [result.scores.mrr for result in report.ranked] == pytest.approx([1, 1 / 2, 1 / 6])
    assert report.ranked[2].scores.recall == {1: 0, 3: 0, 5: 0, 10: 1}
    assert report.ranked[1].ranks == {"a": 2, "b": 2}
    assert report.questions == {"a": "Where is a?", "b": "Where is b?"}
    assert report.best.behind_best is None
    assert report.ranked[1].behind_best is not None
    assert report.ranked[1].behind_best.value == pytest.approx(-0.5)
    assert (report.question_set, report.split, report.chunks) == ("letters", "test", 5)


def test_times_are_by_stage_and_the_first_question_is_asked_once_before_the_clock_runs() -> None:
    letters = Letters({"hybrid": 1})
    [result] = run(letters, {}).results
    assert letters.asked == [("Where is a?", 10), ("Where is a?", 10), ("Where is b?", 10)]
    assert result.latency.keys() == {"total", "embed"}
    assert (result.latency["embed"].p50, result.latency["embed"].p95) == (0.25, 0.25)
    assert 0 < result.latency["total"].p50 < 0.25  # as measured here, not as the retriever says
    assert result.warnings == ["Slow."]


def test_an_index_is_opened_once_for_all_configurations_that_are_cut_alike() -> None:
    letters = Letters({"hybrid": 1, "dense": 1})
    report = run(letters, {"mode": ["dense", None], "chunks": [None, "window-1500"]})
    assert sorted(letters.opened, key=repr) == [{"cut": "window-1500"}, {}]
    assert [(result.name, result.chunks) for result in report.results] == [
        ("default", 5), ("mode dense", 5), ("mode dense, cut window-1500", 7), ("cut window-1500", 7)
    ]  # fmt: skip
    assert report.chunks == 5


def test_all_splits_or_one_that_is_there() -> None:
    for everything in (None, "all"):
        assert run(Letters({"hybrid": 1}), {}, split=everything).questions.keys() == {"a", "b", "c"}
    with pytest.raises(InvalidQuestionSetError, match="no question in the split 'dev'; it has development, test"):
        run(Letters({"hybrid": 1}), {}, split="dev")


def test_equal_scores_are_won_by_the_faster() -> None:
    report = run(Letters({"hybrid": 1, "dense": 1}), {"mode": ["dense"]})
    slow, fast = (
        result.model_copy(update={"latency": {"total": result.latency["total"].model_copy(update={"p50": p50})}})
        for result, p50 in zip(report.results, (0.2, 0.1), strict=True)
    )
    assert report.model_copy(update={"results": [slow, fast]}).best.name == "mode dense"
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_questions_longer_than_a_query_may_be_are_cut() -> None:
    long = Question(id="a", text="long " * 1000 + "a?", expected=(Expected(link=link("a")),))
    letters = Letters({"hybrid": 1})
    letters.rank["hybrid"] = 1
    configurations = [Configuration("one", DEFAULTS)]
    questions = QuestionSet(name="long", questions=(long,))
    evaluate(questions, None, configurations, letters.open, "words", SilentProgress())
    assert {len(text) for text, _ in letters.asked} == {1999}  # 2,000 without the blank at the end
