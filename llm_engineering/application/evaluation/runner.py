"""Run a question set through configurations of the real retriever, and score each."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from uuid import uuid4

from llm_engineering.application.evaluation.configurations import Chunking, Configuration
from llm_engineering.application.evaluation.matching import passage_ranks
from llm_engineering.application.evaluation.metrics import mean_scores, percentile, score_question
from llm_engineering.application.evaluation.significance import difference_interval, mean_interval
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import (
    ConfigurationResult,
    EvaluationReport,
    Interval,
    Latency,
    Question,
    QuestionScores,
    QuestionSet,
    best_of,
)
from llm_engineering.domain.ports import Advance, Progress
from llm_engineering.domain.queries import MAX_QUERY_CHARACTERS, Query, RetrievedChunk
from llm_engineering.domain.retrieval import RetrievalOptions, Retrieved

TOTAL = "total"
# In the place of a split's name: every question.
ALL = "all"
_SHOWN_CHARACTERS = 120


@dataclass(frozen=True)
class Index:
    """What questions are put to."""

    retrieve: Callable[[Query, RetrievalOptions], Retrieved]
    chunks: int


# Gives the index that is cut as asked: for no difference the one that serves, else one that is made and thrown away.
OpenIndex = Callable[[Chunking], AbstractContextManager[Index]]
# The rank of each expected item among the chunks.
Judge = Callable[[Question, Sequence[RetrievedChunk]], list[int | None]]


def judge_passages(question: Question, chunks: Sequence[RetrievedChunk]) -> list[int | None]:
    """Chunks are ranked; an item counts when most of its passage was seen."""
    return passage_ranks(question.expected, chunks)


def evaluate(
    questions: QuestionSet,
    split: str | None,
    configurations: Sequence[Configuration],
    open_index: OpenIndex,
    embedding_model: str,
    progress: Progress,
    judge: Judge = judge_passages,
) -> EvaluationReport:
    """Put the questions of a split (None or 'all': every question) to every configuration.

    Raises:
        InvalidQuestionSetError: the split has no question.
    """
    started = time.monotonic()
    asked = [question for question in questions.questions if split in (None, ALL, question.split)]
    if not asked:
        splits = ", ".join(sorted({question.split for question in questions.questions}))
        raise InvalidQuestionSetError(f"{questions.name} has no question in the split {split!r}; it has {splits}.")
    results: dict[int, ConfigurationResult] = {}
    # Configurations that are cut alike stand side by side, so that each index is made once.
    order = sorted(range(len(configurations)), key=lambda i: repr(configurations[i].chunking))
    with progress.task(f"Evaluating on {questions.name}", total=len(asked) * len(configurations)) as advance:
        for _, group in groupby(order, key=lambda i: repr(configurations[i].chunking)):
            same_cut = list(group)
            with open_index(configurations[same_cut[0]].chunking) as index:
                for i in same_cut:
                    results[i] = _run(configurations[i], asked, index, judge, advance)
    compared = _compare([results[i] for i in range(len(configurations))])
    return EvaluationReport(
        run_id=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}",
        question_set=questions.name,
        split=split or ALL,
        chunks=next((r.chunks for r in compared if not r.chunking), compared[0].chunks),
        embedding_model=embedding_model,
        results=compared,
        seconds=time.monotonic() - started,
        questions={question.id: question.text for question in asked},
        set_warnings=questions.warnings,
    )


def _run(
    configuration: Configuration, asked: Sequence[Question], index: Index, judge: Judge, advance: Advance
) -> ConfigurationResult:
    """All questions, one after the other; the first is asked once more before, to load what is loaded at first use."""
    index.retrieve(_query(asked[0], configuration.limit), configuration.options)
    scores: dict[str, QuestionScores] = {}
    seconds: dict[str, list[float]] = {TOTAL: []}
    warnings: dict[str, None] = {}
    for question in asked:
        query = _query(question, configuration.limit)
        started = time.perf_counter()
        found = index.retrieve(query, configuration.options)
        seconds[TOTAL].append(time.perf_counter() - started)
        for stage, value in found.notes.timings.items():
            if stage != TOTAL:
                seconds.setdefault(stage, []).append(value)
        warnings |= dict.fromkeys(found.notes.warnings)
        grades = [item.grade for item in question.expected]
        scores[question.id] = score_question(judge(question, found.chunks), grades, _first(found.chunks))
        advance(1)
    return ConfigurationResult(
        name=configuration.name,
        options=configuration.options,
        limit=configuration.limit,
        chunking=configuration.chunking,
        chunks=index.chunks,
        scores=mean_scores(list(scores.values())),
        intervals=_intervals(list(scores.values())),
        latency={k: Latency(p50=percentile(v, 0.5), p95=percentile(v, 0.95)) for k, v in seconds.items()},
        by_question=scores,
        warnings=list(warnings),
    )


def _query(question: Question, limit: int) -> Query:
    """Some public benchmarks ask with whole articles; what is longer than a query may be is more than a model reads."""
    return Query.create(question.text[:MAX_QUERY_CHARACTERS], limit=limit)


def _first(chunks: Sequence[RetrievedChunk]) -> str:
    if not chunks:
        return "nothing"
    context = " ".join((chunks[0].context or chunks[0].title).split())
    return f"{context[:_SHOWN_CHARACTERS]} ({chunks[0].link})"


def _intervals(scores: Sequence[QuestionScores]) -> dict[str, Interval]:
    return {
        "recall@1": mean_interval([score.recall[1] for score in scores]),
        "recall@5": mean_interval([score.recall[5] for score in scores]),
        "mrr": mean_interval([score.reciprocal_rank for score in scores]),
    }


def _compare(results: list[ConfigurationResult]) -> list[ConfigurationResult]:
    """Each but the best with its paired difference to the best."""
    best = best_of(results)
    theirs = [score.reciprocal_rank for score in best.by_question.values()]

    def behind(result: ConfigurationResult) -> Interval | None:
        if result is best:
            return None
        return difference_interval([score.reciprocal_rank for score in result.by_question.values()], theirs)

    return [result.model_copy(update={"behind_best": behind(result)}) for result in results]
