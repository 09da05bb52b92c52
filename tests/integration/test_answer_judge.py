"""The real ragas, with a judge on loopback that judges by rule. In a process of its own: ragas' imports warn."""

import json
import subprocess
import sys
from typing import Any

import pytest

from llm_engineering.settings import PROJECT_ROOT
from tests.integration.judge_server import open_judge, open_refusing_judge

JUDGE = """
import json, os, sys
os.environ["RAGAS_DO_NOT_TRACK"] = "true"
from llm_engineering.domain.answer_evaluation import AnswerSample
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.evaluation.ragas_judge import RagasJudge
from llm_engineering.infrastructure.models.openai_compatible import Endpoint

class Embedder:
    def embed_queries(self, texts):
        return [[1.0, 0.0] if text.endswith("?") else [0.6, 0.8] for text in texts]

url, refusing, samples = json.loads(sys.stdin.read())
try:
    RagasJudge(Embedder(), Endpoint(refusing, "wrong"), "rule").judge(
        [AnswerSample(**sample) for sample in samples[:1]], lambda amount: None
    )
except DependencyUnavailableError as error:
    print(json.dumps(str(error)))
for endpoint in Endpoint(url, None), None:
    judge, steps = RagasJudge(Embedder(), endpoint, "rule"), []
    judged = judge.judge([AnswerSample(**sample) for sample in samples], lambda amount: steps.append(amount))
    print(json.dumps({"name": judge.name, "steps": len(steps), "judged": [item.model_dump() for item in judged]}))
"""
SAMPLES: list[dict[str, Any]] = [
    {
        "id": "half",
        "question": "Why count?",
        "answer": "It counts tokens. It flies.",
        "contexts": ["Unrelated words on bread.", "Chunks are slices. It counts tokens. Nothing else."],
        "references": ["It counts tokens."],
    },
    {
        "id": "broken",
        "question": "BROKEN?",
        "answer": "x y.",
        "contexts": ["x y."],
        "references": ["x y."],
    },
]


@pytest.fixture(scope="module")
def reports() -> list[Any]:
    """The error of a judge that refuses the key; with a judge, and without one."""
    with open_judge(broken="BROKEN") as url, open_refusing_judge() as (refusing, requests):
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", JUDGE],
            input=json.dumps([url, refusing, SAMPLES]),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 0, result.stderr
    return [requests, *(json.loads(line) for line in result.stdout.splitlines()[-3:])]


def test_a_judge_that_refuses_the_key_ends_the_judging(reports: list[Any]) -> None:
    requests, refusal, *_ = reports
    assert refusal == "The judge's server refused the key. Check OPENAI_API_KEY."
    assert 1 <= len(requests) <= 3  # of one metric, with the library's own repetitions


def test_a_judge_scores_answers_and_what_it_cannot_score_is_reported(reports: list[Any]) -> None:
    *_, report, _ = reports
    assert (report["name"], report["steps"]) == ("ragas, judged by rule", 2)
    half, broken = report["judged"]
    assert half["failures"] == {}
    scores = half["scores"]
    assert scores["faithfulness"] == 0.5  # of two sentences one stands in a context
    assert scores["answer_relevancy"] == pytest.approx(0.6)  # cosine of the question and what the judge makes of it
    assert scores["context_precision"] == pytest.approx(0.5)  # the only right passage is the second of two
    assert scores["context_recall"] == 1.0
    assert set(broken["failures"]) == {"faithfulness", "context_precision", "context_recall"}
    assert broken["scores"]["answer_relevancy"] == pytest.approx(0.6)


def test_without_a_judge_texts_are_compared(reports: list[Any]) -> None:
    *_, report = reports
    half, same = report["judged"]
    assert report["name"] == "ragas, without a language model"
    assert half.keys() == same.keys()
    assert same["scores"] == pytest.approx(
        {"text_context_precision": 1.0, "text_context_recall": 1.0, "answer_similarity": 1.0}
    )
    # "It counts tokens." is 17 of the 50 characters of the nearest passage: less than half alike.
    assert half["scores"]["text_context_recall"] == 0.0
