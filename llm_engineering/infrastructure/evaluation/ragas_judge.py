"""Metrics of answers by the library ragas (Es et al., 2024), an extra.

Without a language model it compares texts: how similar the passages found are to the expected ones (context precision
and recall), and how near the answer is to them by the embedding model. A judge behind OpenAI's API adds faithfulness,
answer relevancy, and context precision and recall as the judge sees them.
"""

import asyncio
import importlib.util
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from llm_engineering.domain.answer_evaluation import AnswerSample, JudgedAnswer
from llm_engineering.domain.errors import DependencyUnavailableError, MissingExtraError
from llm_engineering.domain.ports import Advance, Embedder
from llm_engineering.infrastructure.models.openai_compatible import Endpoint

logger = logging.getLogger(__name__)

CONCURRENCY = 4
TIMEOUT_SECONDS = 120.0
# The library's own limit would cut the list of a long answer's statements.
MAX_TOKENS = 4096
QUESTIONS_PER_ANSWER = 3

# Of this program, not of the judge.
DEFECTS = (TypeError, AttributeError, NameError)
_REFUSED = re.compile(r"\bError code: 40[13]\b")

Metric = Callable[[AnswerSample], Awaitable[float]]


class RagasJudge:
    """Implements `AnswerJudge`. Without an endpoint only what needs no language model is measured."""

    def __init__(self, embedder: Embedder, endpoint: Endpoint | None, model_id: str) -> None:
        self._embedder = embedder
        self._endpoint = endpoint
        self._model_id = model_id

    @property
    def name(self) -> str:
        """The judge's model, or that there is none."""
        return f"ragas, judged by {self._model_id}" if self._endpoint else "ragas, without a language model"

    def check(self) -> None:
        """Raises MissingExtraError when ragas is not installed."""
        if importlib.util.find_spec("ragas") is None:
            raise MissingExtraError("ragas", "ragas", "Judging answers")

    def judge(self, samples: Sequence[AnswerSample], advance: Advance) -> list[JudgedAnswer]:
        """Score every sample, `CONCURRENCY` at a time.

        Raises:
            MissingExtraError: ragas is not installed.
            DependencyUnavailableError: the judge's server refuses the key.
        """
        self.check()
        return asyncio.run(self._judge(samples, advance))

    async def _judge(self, samples: Sequence[AnswerSample], advance: Advance) -> list[JudgedAnswer]:
        metrics = _textual_metrics(self._embedder)
        if self._endpoint is None:
            return await _score_all(samples, metrics, advance)
        from openai import AsyncOpenAI

        async with AsyncOpenAI(
            base_url=self._endpoint.url, api_key=self._endpoint.api_key or "none", timeout=TIMEOUT_SECONDS
        ) as client:
            judged = _judged_metrics(client, self._model_id, self._embedder)
            return await _score_all(samples, metrics | judged, advance)


async def _score_all(
    samples: Sequence[AnswerSample], metrics: dict[str, Metric], advance: Advance
) -> list[JudgedAnswer]:
    room = asyncio.Semaphore(CONCURRENCY)

    async def score(sample: AnswerSample) -> JudgedAnswer:
        async with room:
            judged = JudgedAnswer(id=sample.id)
            for name, metric in metrics.items():
                await _measure(judged, name, metric, sample)
            advance(1)
            return judged

    tasks = [asyncio.create_task(score(sample)) for sample in samples]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:  # where one has ended the judging
            task.cancel()


async def _measure(judged: JudgedAnswer, name: str, metric: Metric, sample: AnswerSample) -> None:
    """One metric of one answer. A judge that fails costs this score, and is reported; one that refuses ends it all."""
    try:
        score = await metric(sample)
    except DEFECTS:
        raise
    except Exception as error:
        if refuses_key(error):
            raise DependencyUnavailableError("The judge's server refused the key. Check OPENAI_API_KEY.") from error
        logger.debug("%s of %s failed", name, sample.id, exc_info=True)
        judged.failures[name] = type(error).__name__
    else:
        if math.isnan(score):
            judged.failures[name] = "no score"
        else:
            judged.scores[name] = min(max(score, 0.0), 1.0)


def refuses_key(error: BaseException) -> bool:
    """Whether the server took the key for wrong, or for one that may not use the model.

    ragas and instructor wrap the client's error in their own; some keep only its text.
    """
    import openai

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, openai.AuthenticationError | openai.PermissionDeniedError) or _REFUSED.search(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _textual_metrics(embedder: Embedder) -> dict[str, Metric]:
    from ragas import SingleTurnSample
    from ragas.metrics import NonLLMContextPrecisionWithReference, NonLLMContextRecall
    from ragas.metrics.collections import SemanticSimilarity

    similarity = SemanticSimilarity(_embeddings(embedder))

    def sample_of(sample: AnswerSample) -> SingleTurnSample:
        return SingleTurnSample(
            response=sample.answer,
            reference="\n".join(sample.references),
            retrieved_contexts=list(sample.contexts),
            reference_contexts=list(sample.references),
        )

    def metric(library: Any) -> Metric:
        async def score(sample: AnswerSample) -> float:
            return float(await library.single_turn_ascore(sample_of(sample)))

        return score

    async def similarity_of(sample: AnswerSample) -> float:
        return _value(await similarity.ascore("\n".join(sample.references), sample.answer))

    return {
        "text_context_precision": metric(NonLLMContextPrecisionWithReference()),
        "text_context_recall": metric(NonLLMContextRecall()),
        "answer_similarity": similarity_of,
    }


def _judged_metrics(client: Any, model_id: str, embedder: Embedder) -> dict[str, Metric]:
    from ragas.llms import llm_factory
    from ragas.metrics.collections import AnswerRelevancy, ContextPrecisionWithReference, ContextRecall, Faithfulness

    llm = llm_factory(model_id, client=client, max_tokens=MAX_TOKENS, temperature=0)
    faithfulness, recall, precision = Faithfulness(llm), ContextRecall(llm), ContextPrecisionWithReference(llm)
    relevancy = AnswerRelevancy(llm, _embeddings(embedder), strictness=QUESTIONS_PER_ANSWER)

    async def faithfulness_of(sample: AnswerSample) -> float:
        return _value(await faithfulness.ascore(sample.question, sample.answer, list(sample.contexts)))

    async def relevancy_of(sample: AnswerSample) -> float:
        return _value(await relevancy.ascore(sample.question, sample.answer))

    async def precision_of(sample: AnswerSample) -> float:
        return _value(await precision.ascore(sample.question, "\n".join(sample.references), list(sample.contexts)))

    async def recall_of(sample: AnswerSample) -> float:
        return _value(await recall.ascore(sample.question, list(sample.contexts), "\n".join(sample.references)))

    return {
        "faithfulness": faithfulness_of,
        "answer_relevancy": relevancy_of,
        "context_precision": precision_of,
        "context_recall": recall_of,
    }


def _value(result: Any) -> float:
    return float(result.value)


def _embeddings(embedder: Embedder) -> Any:
    """Our own embedding model in the library's form."""
    from ragas.embeddings.base import BaseRagasEmbedding

    class Embeddings(BaseRagasEmbedding):
        def embed_text(self, text: str, **_: Any) -> list[float]:
            return embedder.embed_queries([text])[0]

        async def aembed_text(self, text: str, **_: Any) -> list[float]:
            return await asyncio.to_thread(self.embed_text, text)

    return Embeddings()
