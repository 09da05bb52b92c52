"""The whole training: questions, negatives, epochs, the comparison, the decision."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import TooLittleDataError
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.reranking import Epoch, RerankerReport
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.model.reranking.corpus import Part, corpus_hash, part_of, passage_text
from llm_engineering.model.reranking.data import (
    SENTENCES,
    TrainingQuestion,
    drawn,
    heading_questions,
    sentence_questions,
)
from llm_engineering.model.reranking.mining import Group, Ranking, Search, mine_all, rankings
from llm_engineering.model.reranking.promotion import Comparison, decide, keep, scorer
from llm_engineering.model.reranking.training import Trainer
from llm_engineering.model.reranking.weights import new_reranker, save_reranker, sha256_of

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

logger = logging.getLogger(__name__)

# With fewer, no interval says anything.
MIN_HELD_OUT = 10
_BATCH = 8


@dataclass(frozen=True)
class Ground:
    """What a reranker is trained on, and by what."""

    base: Path
    base_model: str
    device: str
    chunks: Sequence[RetrievedChunk]
    search: Search
    folder: Path
    split_seed: str


@dataclass(frozen=True)
class _Data:
    groups: list[Group]
    development: list[Ranking]
    held_out: list[Ranking]


def train_reranker(
    ground: Ground, written: Iterable[TrainingQuestion], config: RerankerConfig, progress: Progress
) -> RerankerReport:
    """Train, compare with no reranking, and promote what is better. `written` are questions beside the corpus' own.

    Raises:
        TooLittleDataError: the corpus gives too few questions to train on or to decide by.
    """
    started = time.perf_counter()
    data = _prepare(ground, written, config, progress)
    model = new_reranker(ground.base, config.max_length, ground.device, map(passage_text, ground.chunks))
    epochs, kept = Trainer(model, data.groups, config, ground.folder, progress).train(
        lambda trained: _compare("Scoring development questions", data.development, trained, progress).reranked.mrr
    )
    comparison = _compare("Scoring held-out questions", data.held_out, model, progress)
    report = _report(ground, config, data, comparison, epochs, kept)
    report = report.model_copy(update={"seconds": round(time.perf_counter() - started, 1)})
    logger.info("Reranker: %s", report.why)
    return keep(report, ground.folder, lambda folder: save_reranker(model, folder))


def _prepare(ground: Ground, written: Iterable[TrainingQuestion], config: RerankerConfig, progress: Progress) -> _Data:
    by_part: dict[Part, list[TrainingQuestion]] = {"train": [], "development": [], "test": []}
    for question in (*heading_questions(ground.chunks), *sentence_questions(ground.chunks), *written):
        part = part_of(question.document_id, ground.split_seed, config.development_share)
        by_part["test" if question.is_held_out else part].append(question)
    groups = mine_all(
        drawn(by_part["train"], config.questions),
        ground.search, config.candidates, config.max_score_ratio, config.negatives, progress,
    )  # fmt: skip
    data = _Data(
        list(groups),
        list(_rankings(by_part["development"], config.evaluation_questions // 2, ground, config, progress)),
        list(_rankings(by_part["test"], config.evaluation_questions, ground, config, progress)),
    )
    _check(data)
    return data


def _rankings(
    questions: Iterable[TrainingQuestion], most: int, ground: Ground, config: RerankerConfig, progress: Progress
) -> Iterable[Ranking]:
    """Sentences of a text are no test: the search finds them by their own words."""
    asked = drawn((question for question in questions if question.source != SENTENCES), max(most, 1))
    return rankings(asked, ground.search, config.candidates, progress)


def _compare(description: str, asked: Sequence[Ranking], model: "CrossEncoder", progress: Progress) -> Comparison:
    with progress.task(description, total=len(asked)) as advance:
        return Comparison(asked, scorer(model, _BATCH), lambda: advance(1))


def _check(data: _Data) -> None:
    if not data.groups or not data.development or len(data.held_out) < MIN_HELD_OUT:
        raise TooLittleDataError(
            f"The corpus gives {len(data.groups)} questions to train a reranker on, {len(data.development)} to choose "
            f"an epoch by and {len(data.held_out)} held-out ones, of which {MIN_HELD_OUT} are needed. Crawl more "
            "documents, or name a question_set in configs/train_reranker.yaml."
        )


def _report(
    ground: Ground, config: RerankerConfig, data: _Data, comparison: Comparison, epochs: list[Epoch], kept: int
) -> RerankerReport:
    gain = comparison.gain()
    promoted, why = decide(gain, config.minimum_gain)
    return RerankerReport(
        base_model=ground.base_model,
        base_sha256=sha256_of(ground.base),
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        corpus_hash=corpus_hash(ground.chunks),
        chunks=len(ground.chunks),
        groups=_count(data.groups),
        development=_count(data.development),
        held_out=_count(data.held_out),
        config=config.model_dump(),
        epochs=epochs,
        kept_epoch=kept,
        candidates=config.candidates,
        without=comparison.without,
        reranked=comparison.reranked,
        by_source=comparison.by_source(),
        gain=gain,
        gain_recall_at_1=comparison.gain_recall_at_1(),
        seconds_per_query=comparison.seconds_per_query,
        promoted=promoted,
        why=why,
    )


def _count(items: Sequence[Group] | Sequence[Ranking]) -> dict[str, int]:
    return dict(Counter(item.source for item in items))
