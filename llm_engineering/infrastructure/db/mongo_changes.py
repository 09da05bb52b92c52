"""MongoDB's change stream as a feed of changes of raw documents.

One stream over the database, so that writes of all collections come in their order. Where the follower stands is kept
beside the documents, in the collection `cdc_state`: a database that is dropped or restored takes its token along.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pymongo import MongoClient
from pymongo.change_stream import ChangeStream
from pymongo.errors import OperationFailure

from llm_engineering.domain.changes import Change, ChangeBatch
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import ConfigurationError, DependencyUnavailableError, ResumeTokenLostError
from llm_engineering.infrastructure.db.mongo_errors import redacted, translated
from llm_engineering.infrastructure.db.mongo_records import Record, document_from

logger = logging.getLogger(__name__)

STATE = "cdc_state"
CONNECT_TIMEOUT_SECONDS = 5.0
# Longer than a server may take to find its place in a long log; a server that hangs is given up after it.
SOCKET_TIMEOUT_SECONDS = 60
# A batch ends when there was nothing more for so long, or when it has been open for so long.
AWAIT_SECONDS = 0.25
BATCH_SECONDS = 0.5
IDLE_SECONDS = 1.0
# Or when its texts are so long together, so that memory does not grow with the documents.
BATCH_CHARACTERS = 8_000_000
_FOLLOWER = "features"
_STANDALONE = 40573
# FailedToParse, CappedPositionLost, CloseChangeStream, InvalidResumeToken, ChangeStreamFatalError,
# ChangeStreamHistoryLost, BSONObjectTooLarge (an event of over 16 MiB, which no stream gets past)
_LOST = frozenset({9, 136, 222, 260, 280, 286, 10334})
_WRITES = frozenset({"insert", "update", "replace"})
_PIPELINE: list[Record] = [
    {
        "$match": {
            "$or": [
                {"ns.coll": {"$in": [category.value for category in DataCategory]}},
                {"operationType": {"$in": ["dropDatabase", "invalidate"]}},
            ]
        }
    },
    # With the document it could be over the 16 MiB that an event may have, and nobody reads it.
    {"$project": {"updateDescription": 0}},
]


class MongoChangeFeed:
    """Implements `ChangeFeed`. After a failure it connects anew, to where `find_uri` then leads.

    Every method raises DependencyUnavailableError when the server does not answer or refuses, and ConfigurationError
    when it has no change streams.
    """

    def __init__(self, find_uri: Callable[[], str], database: str) -> None:
        self._find_uri = find_uri
        self._name = database
        self._client: MongoClient[Record] | None = None

    def load_token(self) -> dict[str, Any] | None:
        """Where the follower last stood; None where it never ran."""
        with self._connected() as client:
            state = client[self._name][STATE].find_one({"_id": _FOLLOWER})
        return state["token"] if state else None

    def save_token(self, token: Mapping[str, Any]) -> None:
        """Remember that all up to here is applied."""
        state = {"token": token, "saved_at": datetime.now(UTC)}
        with self._connected() as client:
            client[self._name][STATE].replace_one({"_id": _FOLLOWER}, state, upsert=True)

    def now(self) -> dict[str, Any]:
        """A token for 'from here on', to be taken before a full reconciliation."""
        with self._stream(None) as stream:
            return _token_of(stream)

    @contextmanager
    def follow(self, token: Mapping[str, Any], max_batch: int) -> Iterator[Iterator[ChangeBatch]]:
        """Batches of at most `max_batch` changes, as they come; an empty one when there is nothing for a second.

        Raises:
            ResumeTokenLostError: the server has forgotten what came after the token, or a collection was dropped.
        """
        with self._stream(token) as stream:
            yield _batches(stream, max_batch)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @contextmanager
    def _stream(self, token: Mapping[str, Any] | None) -> Iterator[ChangeStream[Record]]:
        with (
            self._connected() as client,
            _token_checked(),
            client[self._name].watch(
                _PIPELINE,
                full_document="updateLookup",
                resume_after=token,
                max_await_time_ms=int(AWAIT_SECONDS * 1000),
            ) as stream,
        ):
            yield stream

    @contextmanager
    def _connected(self) -> Iterator[MongoClient[Record]]:
        if self._client is None:
            uri = self._find_uri()
            self._where = redacted(uri)
            with translated(self._where):
                self._client = MongoClient(
                    uri,
                    serverSelectionTimeoutMS=int(CONNECT_TIMEOUT_SECONDS * 1000),
                    socketTimeoutMS=SOCKET_TIMEOUT_SECONDS * 1000,
                    appname="moodswarm-cdc",
                    tz_aware=True,
                )
        try:
            with translated(self._where), _replica_set_required(self._where):
                yield self._client
        except DependencyUnavailableError:
            self.close()
            raise


def _batches(stream: ChangeStream[Record], max_batch: int) -> Iterator[ChangeBatch]:
    while stream.alive:
        changes = tuple(_next_changes(stream, max_batch))
        yield ChangeBatch(changes=changes, token=_token_of(stream))
    raise ResumeTokenLostError("The change stream of MongoDB has ended.")


def _next_changes(stream: ChangeStream[Record], max_batch: int) -> Iterator[Change]:
    """The changes of one batch: waits for the first, then takes what comes shortly after it."""
    count, characters, ends = 0, 0, time.monotonic() + IDLE_SECONDS
    while count < max_batch and characters < BATCH_CHARACTERS and time.monotonic() < ends:
        event = stream.try_next()
        if event is None:
            if count:
                return
            continue
        if count == 0:
            ends = time.monotonic() + BATCH_SECONDS
        count += 1
        change = _change_of(event)
        if change is not None:
            characters += len(change.document.content) if change.document else 0
            yield change


def _change_of(event: Record) -> Change | None:
    """The change that an event of the stream tells of; None for a record that is none of ours.

    Raises:
        ResumeTokenLostError: the collection or the database is gone or renamed; no event tells of its documents.
    """
    kind = event["operationType"]
    if kind not in _WRITES and kind != "delete":
        raise ResumeTokenLostError(f"MongoDB reports '{kind}' of {event.get('ns', {}).get('coll', 'the database')}.")
    category, key = DataCategory(event["ns"]["coll"]), event["documentKey"]["_id"]
    try:
        document_id = UUID(key)
    except (ValueError, AttributeError, TypeError):
        logger.warning("A record in %s has the id %r, which is no document's: left out.", category, key)
        return None
    written_at = event.get("wallTime") or event["clusterTime"].as_datetime()
    record = event.get("fullDocument")
    if record is None:  # deleted, or deleted since the update
        return Change(kind="delete", document_id=document_id, category=category, written_at=written_at)
    change = Change(kind="upsert", document_id=document_id, category=category, written_at=written_at)
    try:
        return change.model_copy(update={"document": document_from(record)})
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_url=False))
        return change.model_copy(update={"problem": f"the record is malformed: {fields}"})


def _token_of(stream: ChangeStream[Record]) -> dict[str, Any]:
    token = stream.resume_token
    if token is None:
        raise DependencyUnavailableError("MongoDB gives no resume token. Version 4.2 or later is needed.")
    return dict(token)


@contextmanager
def _token_checked() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code not in _LOST:
            raise
        raise ResumeTokenLostError(f"MongoDB cannot go on from the resume token (code {error.code}).") from error


@contextmanager
def _replica_set_required(where: str) -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code != _STANDALONE:
            raise
        raise ConfigurationError(
            f"MongoDB at {where} runs alone and so has no change streams. Start it as a replica set, which may have "
            "one member: mongod --replSet rs0, then once mongosh --eval 'rs.initiate()'."
        ) from error
