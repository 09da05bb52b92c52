"""The HTTP API: what comes in is checked, what goes wrong is said, nothing leaks."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from llm_engineering.domain.answers import Answer, Source
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError, UnknownAuthorError
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import ChunkFilter, RetrievalNotes
from llm_engineering.infrastructure.api.app import create_app

ANSWER = Answer(
    answer="It counts. [1]",
    sources=[Source(title="t", link="https://e.com/a", score=0.5, excerpt="x")],
    method="generated",
    model_id="m",
    timings={"retrieval": 0.1, "context": 0.0, "generation": 0.2},
    retrieval=RetrievalNotes(
        variants=("why",),
        filter=ChunkFilter(categories=(DataCategory.POSTS,)),
        filtered_by=("category: posts",),
        warnings=("Reranking failed.",),
        scored_by="fused ranks",
        timings={"total": 0.1},
    ),
)


class FakeTwin:
    """Answers, or raises what it was given."""

    def __init__(self, error: Exception | None = None, states: dict[str, str] | None = None) -> None:
        self.queries: list[Query] = []
        self._error = error
        self._states = states or {"mongodb": "ok"}

    def answer(self, query: Query) -> Answer:
        self.queries.append(query)
        if self._error:
            raise self._error
        return ANSWER

    def health(self) -> dict[str, str]:
        return self._states


def client(twin: FakeTwin) -> TestClient:
    return TestClient(create_app(twin), raise_server_exceptions=False)


def test_a_question_gets_the_answer_with_its_sources() -> None:
    twin = FakeTwin()
    response = client(twin).post("/rag", json={"query": " How? ", "author": "Ada Lovelace", "limit": 5})
    assert response.status_code == 200
    assert response.json() == {
        "answer": "It counts. [1]",
        "sources": [{"title": "t", "link": "https://e.com/a", "score": 0.5, "excerpt": "x"}],
        "method": "generated",
        "model_id": "m",
        "timings": {"retrieval": 0.1, "context": 0.0, "generation": 0.2},
        "retrieval": {
            "variants": ["why"],
            "filter": {
                "author_ids": [],
                "categories": ["posts"],
                "platforms": [],
                "languages": [],
                "published_from": None,
                "published_before": None,
            },
            "filtered_by": ["category: posts"],
            "warnings": ["Reranking failed."],
            "scored_by": "fused ranks",
            "timings": {"total": 0.1},
        },
    }
    assert twin.queries == [Query(text="How?", author_full_name="Ada Lovelace", limit=5)]


@pytest.mark.parametrize(
    "body",
    [
        {"query": ""},
        {"query": "   "},
        {"query": "?!"},
        {"query": "a\u0000b"},
        {"query": "x" * 2001},
        {"query": 3},
        {"query": None},
        {"query": ["why"]},
        {},
        {"query": "why", "limit": 0},
        {"query": "why", "limit": 21},
        {"query": "why", "limit": "3"},
        {"query": "why", "bogus": 1},
    ],
)
def test_what_is_no_question_gets_422_and_reaches_nothing(body: dict[str, Any]) -> None:
    twin = FakeTwin()
    assert client(twin).post("/rag", json=body).status_code == 422
    assert twin.queries == []


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b'{"query": "\\ud800"}', b'"text"', b"", b'"\xff"', b" " * 70_000])
def test_a_body_that_is_not_json_gets_422(body: bytes) -> None:
    response = client(FakeTwin()).post("/rag", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422


def test_an_unknown_author_gets_422_with_the_known_ones() -> None:
    response = client(FakeTwin(UnknownAuthorError("Known authors: Ada"))).post("/rag", json={"query": "why"})
    assert (response.status_code, response.json()) == (422, {"detail": "Known authors: Ada"})


@pytest.mark.parametrize("error", [DependencyUnavailableError("Qdrant is down"), ModelMismatchError("Qdrant is down")])
def test_a_dependency_that_is_down_gets_503_with_what_is_wrong(error: Exception) -> None:
    response = client(FakeTwin(error)).post("/rag", json={"query": "why"})
    assert (response.status_code, response.json()) == (503, {"detail": "Qdrant is down"})


def test_an_unexpected_error_shows_neither_a_trace_nor_its_text() -> None:
    response = client(FakeTwin(RuntimeError("password=hunter2"))).post("/rag", json={"query": "why"})
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "Traceback" not in response.text


def test_health_is_200_when_all_is_well_and_503_with_the_reason_when_not() -> None:
    assert client(FakeTwin()).get("/health").json() == {"status": "ok", "dependencies": {"mongodb": "ok"}}
    response = client(FakeTwin(states={"mongodb": "ok", "qdrant": "does not answer"})).get("/health")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "dependencies": {"mongodb": "ok", "qdrant": "does not answer"},
    }
