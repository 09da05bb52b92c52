"""Hard negatives: what a search finds for a question and is not right."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from llm_engineering.domain.ports import Progress
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.model.reranking.corpus import passage_text
from llm_engineering.model.reranking.data import TrainingQuestion, without_headings

# The best chunks for a question, best first, without any reranking: its words, and how many.
Search = Callable[[str, int], Sequence[RetrievedChunk]]
# So many of the passages that were mined are kept a question; each epoch draws from them.
POOL = 8

_WORD = re.compile(r"[^\W_]+")
_RUN_WORDS = 3
_SAME_TEXT = 0.5


@dataclass(frozen=True)
class Group:
    """A question, a passage that is right, and wrong ones, those first that the search liked best."""

    question: str
    positive: str
    negatives: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Ranking:
    """A question with the candidates that the search found, in its order, and which of them are right."""

    question: str
    passages: tuple[str, ...]
    is_right: tuple[bool, ...]
    source: str


def mine(
    question: TrainingQuestion, hits: Sequence[RetrievedChunk], max_score_ratio: float, least: int
) -> Group | None:
    """The question with its hard negatives; None where fewer than `least` are left.

    Left out is what has the right passage's text, and what scores more than `max_score_ratio` times the right chunk:
    a chunk that fits so much better is likely to be right as well (Moreira et al., 2024, "NV-Retriever").
    """
    right = _right(question, hits)
    scores = [hit.score for hit, is_right in zip(hits, right, strict=True) if is_right]
    limit = max(scores) * max_score_ratio if scores else None
    wrong = [
        hit for hit, is_right in zip(hits, right, strict=True) if not is_right and (limit is None or hit.score <= limit)
    ]
    negatives = tuple(filter(None, (without_headings(hit) if question.is_bare else passage_text(hit) for hit in wrong)))
    if len(negatives) < least:
        return None
    return Group(question.text, question.passage, negatives[:POOL], question.source)


def mine_all(
    questions: Sequence[TrainingQuestion],
    search: Search,
    candidates: int,
    max_score_ratio: float,
    least: int,
    progress: Progress,
) -> Iterator[Group]:
    """The groups of all questions that have enough negatives."""
    for question, hits in _searched("Mining negatives", questions, search, candidates, progress):
        group = mine(question, hits, max_score_ratio, least)
        if group:
            yield group


def rankings(
    questions: Sequence[TrainingQuestion], search: Search, candidates: int, progress: Progress
) -> Iterator[Ranking]:
    """What reranking is measured on: real hits as they are served, the questions' own words included."""
    for question, hits in _searched("Searching held-out questions", questions, search, candidates, progress):
        if hits:
            passages = tuple(passage_text(hit) for hit in hits)
            yield Ranking(question.text, passages, tuple(_right(question, hits)), question.source)


def is_same_text(one: str, other: str) -> bool:
    """Whether the shorter text stands, for the most part, in the longer one: by runs of three words."""
    first, second = _runs(one), _runs(other)
    return bool(first and second) and len(first & second) > _SAME_TEXT * min(len(first), len(second))


def _right(question: TrainingQuestion, hits: Iterable[RetrievedChunk]) -> list[bool]:
    return [hit.id in question.positives or is_same_text(question.passage, passage_text(hit)) for hit in hits]


def _searched(
    description: str, questions: Sequence[TrainingQuestion], search: Search, candidates: int, progress: Progress
) -> Iterator[tuple[TrainingQuestion, Sequence[RetrievedChunk]]]:
    with progress.task(description, total=len(questions)) as advance:
        for question in questions:
            yield question, search(question.text, candidates)
            advance(1)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return {tuple(words[place : place + _RUN_WORDS]) for place in range(len(words) - _RUN_WORDS + 1)}
