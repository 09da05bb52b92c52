"""What models have answered, in a real MongoDB-wire server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from llm_engineering.domain.errors import DependencyUnavailableError, StorageFullError
from llm_engineering.domain.generation import Generation, Outcome, Usage
from llm_engineering.infrastructure.db import mongo_client
from llm_engineering.infrastructure.db.mongo_errors import translated
from llm_engineering.infrastructure.db.mongo_generations import MongoGenerationStore


def generation(key: str, text: str = "said") -> Generation:
    return Generation(
        key=key,
        model_id="m",
        document_id=UUID(int=1),
        author_id=UUID(int=2),
        outcome=Outcome.ANSWERED,
        text=text,
        usage=Usage(prompt_tokens=3, completion_tokens=4),
        attempts=2,
        is_repaired=True,
    )


@pytest.fixture
def generations(mongo_uri: str) -> Iterator[MongoGenerationStore]:
    store = MongoGenerationStore(mongo_uri, f"test_{uuid4().hex}")
    yield store
    store.close()


def test_what_is_stored_is_found_as_it_was(generations: MongoGenerationStore) -> None:
    lost = Generation(
        key="b", model_id="m", document_id=UUID(int=1), author_id=UUID(int=2), outcome=Outcome.REFUSED, problem="no"
    )
    generations.store([generation("a", "日本 \x00 \U0001f9ff"), lost])
    assert generations.stored(["b", "a", "c"]) == {"a": generation("a", "日本 \x00 \U0001f9ff"), "b": lost}
    assert generations.stored([]) == {}
    generations.store([])


def test_the_first_answer_to_a_task_stays_and_the_others_of_its_batch_are_stored(
    generations: MongoGenerationStore,
) -> None:
    generations.store([generation("a", "first")])
    generations.store([generation("a", "second"), generation("b")])
    assert {key: one.text for key, one in generations.stored(["a", "b"]).items()} == {"a": "first", "b": "said"}
    assert generations.count() == 2


def test_writers_of_the_same_do_not_get_in_each_others_way(generations: MongoGenerationStore) -> None:
    batch = [generation(str(number)) for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(generations.store, [batch] * 8))
    assert generations.count() == 50


def test_people_and_documents_are_found_by_an_index(generations: MongoGenerationStore) -> None:
    generations.store([generation("a")])
    keys = {tuple(index["key"]) for index in generations._collection.index_information().values()}
    assert {(("author_id", 1),), (("document_id", 1),)} <= keys


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("x", 14031),
        OperationFailure("you are over your space quota, using 513 MB of 512 MB", 8000),
        BulkWriteError({"writeErrors": [{"code": 8, "errmsg": "28: No space left on device"}]}),
        BulkWriteError({"writeErrors": [{"code": 11000, "errmsg": "E11000"}, {"code": 14031, "errmsg": "full"}]}),
        BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 14031, "errmsg": "full"}]}),
    ],
)
def test_want_of_room_is_told_from_other_failures(error: OperationFailure) -> None:
    with pytest.raises(StorageFullError, match="MongoDB at here has no room left"), translated("here"):
        raise error


@pytest.mark.parametrize("error", [OperationFailure("x", 13), BulkWriteError({"writeErrors": [{"code": 2}]})])
def test_another_failure_is_not_want_of_room(error: OperationFailure) -> None:
    with pytest.raises(DependencyUnavailableError, match="refused the operation"), translated("here"):
        raise error


def test_a_failure_inside_the_server_may_be_a_full_disk() -> None:
    error = OperationFailure("internal server error", 1)
    with pytest.raises(DependencyUnavailableError, match="Is its disk full"), translated("here"):
        raise error


@pytest.mark.parametrize(
    "details",
    [
        {"writeErrors": [{"code": 11000, "errmsg": "E"}, {"code": 14031, "errmsg": "full"}]},
        {"writeErrors": [{"code": 11000, "errmsg": "E"}], "writeConcernErrors": [{"code": 14031, "errmsg": "full"}]},
    ],
)
def test_a_failure_beside_duplicates_is_not_passed_over(
    generations: MongoGenerationStore, monkeypatch: pytest.MonkeyPatch, details: dict[str, Any]
) -> None:
    def insert_many(*_: Any, **__: Any) -> None:
        raise BulkWriteError(details)

    monkeypatch.setattr(type(generations._collection), "insert_many", insert_many)
    with pytest.raises(StorageFullError):
        generations.store([generation("a")])


def test_a_server_that_is_down_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_client, "CONNECT_TIMEOUT_SECONDS", 0.1)
    store = MongoGenerationStore("mongodb://ada:hunter2@127.0.0.1:9/?directConnection=true", "x")
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9 does not answer") as caught:
        store.store([generation("a")])
    assert "hunter2" not in str(caught.value)
    store.close()
