"""What is sent to Qdrant at a time, and what its refusals mean."""

from typing import Any

import httpx
import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from llm_engineering.domain.errors import DependencyUnavailableError, RefusedWriteError
from llm_engineering.domain.features import IndexSpec
from llm_engineering.infrastructure.db import qdrant_access
from llm_engineering.infrastructure.db.qdrant_access import IndexPoints
from llm_engineering.infrastructure.db.qdrant_indexes import CHUNKS, CollectionLayout, Indexes

SPEC = IndexSpec(model_id="m", revision="1", precision="float32", dimension=3, sparse_encoder="words")


class Client:
    """Remembers the ids of each request, and answers with the status that it was given."""

    def __init__(self, status: int | None = None) -> None:
        self.requests: list[list[Any]] = []
        self._status = status

    def upsert(self, collection: str, points: list[models.PointStruct]) -> None:
        self.requests.append([point.id for point in points])
        if self._status:
            raise UnexpectedResponse(self._status, "", b"", httpx.Headers())


def points_of(client: Any) -> IndexPoints:
    return IndexPoints(client, "here", Indexes(client, CollectionLayout()), SPEC)


def point(id_: int, text: str) -> models.PointStruct:
    return models.PointStruct(id=id_, vector={}, payload={"t": text})


def test_a_request_is_bounded_by_the_bytes_of_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_access, "UPSERT_BYTES", 100)
    client = Client()
    # Each has 9 bytes around its text: {'t': ''}; 'é' has two bytes.
    texts = ["a" * 41, "b" * 41, "c", "d" * 300, "e", "é" * 45]
    points_of(client).upsert(CHUNKS, [point(number, text) for number, text in enumerate(texts)])
    assert client.requests == [[0, 1], [2], [3], [4], [5]]


def test_nothing_is_sent_for_no_points() -> None:
    client = Client()
    points_of(client).upsert(CHUNKS, [])
    assert client.requests == []


@pytest.mark.parametrize(("status", "reason"), [(400, "see the server's log"), (413, "too large"), (422, "log")])
def test_a_request_that_is_at_fault_itself_is_refused(status: int, reason: str) -> None:
    with pytest.raises(
        RefusedWriteError, match=f"at here refuses what was to be written with status {status}.*{reason}"
    ):
        points_of(Client(status)).upsert(CHUNKS, [point(1, "a")])


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_a_request_that_may_do_later_meets_an_unavailable_store(status: int) -> None:
    with pytest.raises(DependencyUnavailableError):
        points_of(Client(status)).upsert(CHUNKS, [point(1, "a")])
