"""The stage that reads question and chunks together. None of a search's results hang on it."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from llm_engineering.application.rag.stages import run_side_by_side
from llm_engineering.domain.chunks import embedding_text
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.domain.ports import Reranker
from llm_engineering.domain.queries import Query, RetrievedChunk
from llm_engineering.domain.retrieval import RetrievalOptions

# The first question loads the model: importing the libraries alone takes up to 12 s. What takes longer goes on in the
# background, and the questions after it wait no longer than for any stage.
FIRST_USE_SECONDS = 30.0
_BUSY = "it is busy with other questions"


class RerankStage:
    """Orders chunks by one of the rerankers. Threads may share it."""

    def __init__(self, rerankers: Mapping[str, Reranker], clock: Callable[[], float] = time.monotonic) -> None:
        self._rerankers = rerankers
        self._turns = {name: Lock() for name in rerankers}
        self._used: set[str] = set()
        self._last_seconds = dict.fromkeys(rerankers, 0.0)
        self._clock = clock

    def run(
        self, query: Query, chunks: list[RetrievedChunk], options: RetrievalOptions
    ) -> tuple[list[RetrievedChunk], list[str]]:
        """The first chunks in the reranker's order; as they were, with a warning, where it fails or is too slow."""
        name = options.rerank
        reranker = self._rerankers.get(name)
        if reranker is None:
            return chunks, [f"There is no reranker {name!r}: went on without it."]
        candidates = chunks[: max(options.rerank_candidates, query.limit)]
        texts = [embedding_text(chunk.context, chunk.text, chunk.lead) for chunk in candidates]
        limit = self._limit(name, options.stage_seconds)
        outcomes = run_side_by_side({"rerank": self._in_turn(reranker, name, query.text, texts, limit)}, limit)
        if failures := outcomes.failures:
            return chunks, [f"Reranking failed, went on without it: {failures['rerank']}"]
        ranked = sorted(zip(candidates, outcomes.values["rerank"], strict=True), key=lambda pair: -pair[1])
        return [chunk.model_copy(update={"score": score}) for chunk, score in ranked], []

    def _limit(self, name: str, stage_seconds: float) -> float:
        if name in self._used:
            return stage_seconds
        self._used.add(name)
        return max(stage_seconds, FIRST_USE_SECONDS)

    def _in_turn(
        self, reranker: Reranker, name: str, question: str, texts: Sequence[str], limit: float
    ) -> Callable[[], list[float]]:
        """One question at a time; one whose answer would come too late gives up: nobody waits for it any more."""
        turn, deadline = self._turns[name], self._clock() + limit

        def score() -> list[float]:
            # A question that finds the reranker free always tries: one slow call must not keep all others out.
            if turn.acquire(blocking=False):
                needed = 0.0
            elif turn.acquire(timeout=max(0.0, deadline - self._clock())):
                needed = self._last_seconds[name]
            else:
                raise DependencyUnavailableError(_BUSY)
            try:
                started = self._clock()
                if started + needed >= deadline:
                    raise DependencyUnavailableError(_BUSY)
                scores = reranker.score(question, texts)
                self._last_seconds[name] = self._clock() - started
                return scores
            finally:
                turn.release()

        return score
