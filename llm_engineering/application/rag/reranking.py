"""The stage that reads question and chunks together. None of a search's results hang on it."""

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


class RerankStage:
    """Orders chunks by one of the rerankers. Threads may share it."""

    def __init__(self, rerankers: Mapping[str, Reranker]) -> None:
        self._rerankers = rerankers
        self._turns = {name: Lock() for name in rerankers}
        self._used: set[str] = set()

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
        """One question at a time; one that is not waited for any more gives up, so that they do not pile up."""

        def score() -> list[float]:
            if not self._turns[name].acquire(timeout=limit):
                raise DependencyUnavailableError("it is busy with other questions")
            try:
                return reranker.score(question, texts)
            finally:
                self._turns[name].release()

        return score
