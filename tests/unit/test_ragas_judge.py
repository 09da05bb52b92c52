"""Which errors of a judge cost one score, and which end the judging. The real library: tests/integration."""

import asyncio
from typing import Any

import httpx
import openai
import pytest

from llm_engineering.domain.answer_evaluation import AnswerSample, JudgedAnswer
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.evaluation.ragas_judge import Metric, _score_all, refuses_key

SAMPLES = [
    AnswerSample(id=str(number), question="Why?", answer="So.", contexts=("So.",), references=("So.",))
    for number in range(20)
]


def refusal(status: int) -> openai.APIStatusError:
    response: Any = httpx.Response(status, request=httpx.Request("POST", "http://judge.test/v1"))
    kinds: dict[int, type[openai.APIStatusError]] = {
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        429: openai.RateLimitError,
    }
    return kinds[status](f"Error code: {status} - no", response=response, body=None)


def wrapped(error: Exception) -> Exception:
    outer = RuntimeError("gave up")
    outer.__cause__ = error
    return outer


def failing(error: Exception, asked: list[str]) -> Metric:
    async def score(sample: AnswerSample) -> float:
        asked.append(sample.id)
        await asyncio.sleep(0)
        raise error

    return score


def advance(amount: float, found: int = 0, note: str = "") -> None:
    pass


def judge(metric: Metric) -> list[JudgedAnswer]:
    return asyncio.run(_score_all(SAMPLES, {"faithfulness": metric}, advance))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_known_wherever_it_is_wrapped(status: int) -> None:
    assert refuses_key(refusal(status))
    assert refuses_key(wrapped(wrapped(refusal(status))))
    assert refuses_key(RuntimeError(f"<last_exception>Error code: {status} - no</last_exception>"))


@pytest.mark.parametrize("error", [refusal(429), wrapped(refusal(429)), ValueError("no JSON: 401")])
def test_other_errors_cost_the_score_and_are_reported(error: Exception) -> None:
    assert not refuses_key(error)
    judged = judge(failing(error, []))
    assert [item.failures for item in judged] == [{"faithfulness": type(error).__name__}] * len(SAMPLES)


def test_a_refused_key_ends_the_judging_at_once() -> None:
    asked: list[str] = []
    with pytest.raises(DependencyUnavailableError, match="Check OPENAI_API_KEY"):
        judge(failing(wrapped(refusal(401)), asked))
    assert len(asked) < len(SAMPLES)


@pytest.mark.parametrize("defect", [TypeError, AttributeError, NameError])
def test_a_defect_is_not_taken_for_the_judges(defect: type[Exception]) -> None:
    with pytest.raises(defect):
        judge(failing(defect("ours"), []))
