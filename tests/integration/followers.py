"""A follower of changes on real stores, in a thread or in a process that kills itself at a chosen moment."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from llm_engineering.application.preprocessing.cdc import follow_changes
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.verification import verify
from llm_engineering.domain.feature_reports import ChangeReport
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.ports import DocumentStore, VectorStore
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.mongo_changes import MongoChangeFeed
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from tests.fakes import SilentProgress, WordEmbedder, WordEncoder

# What changes in the two stores, in the order of one batch; a process can be killed before each.
WRITES = ("upsert_documents", "upsert_chunks", "delete_chunks_from", "delete_documents")


def makers(model_id: str = "words") -> FeatureMakers:
    """Words as tokens: what the follower does is the same with every model."""
    return FeatureMakers(WordEmbedder(max_tokens=32, model_id=model_id), WordEncoder(), ChunkSizes())


class Follower:
    """A running follower, and what it has reported."""

    def __init__(
        self, documents: DocumentStore, vectors: VectorStore, find_uri: Callable[[], str], database: str
    ) -> None:
        self.documents = documents
        self.vectors = vectors
        self.reports: list[ChangeReport] = []
        self.errors: list[BaseException] = []
        self.feed = MongoChangeFeed(find_uri, database)
        self._stop = Event()
        self._thread = Thread(target=self._run)

    @contextmanager
    def running(self) -> Iterator["Follower"]:
        """Follow until the end of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self.stop()
        assert self.errors == []

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.feed.close()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Until the condition holds; fails after a while, or when the follower has ended by an error."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.errors == []
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def is_consistent(self) -> bool:
        return verify(self.documents, self.vectors, makers()).is_consistent

    def _run(self) -> None:
        try:
            follow_changes(
                self.feed, self.documents, self.vectors, makers(), self._stop, self.reports.append, SilentProgress()
            )
        except BaseException as error:  # noqa: BLE001 - the test's own thread looks at it
            self.errors.append(error)


def follow_and_die(uri: str, database: str, folder: str, before_write: str, number: int) -> None:
    """Follow in this process; it ends by SIGKILL before the n-th call of the write, 'save_token' among them."""
    documents, vectors = MongoDocumentStore(uri, database), open_embedded(Path(folder))
    feed = MongoChangeFeed(lambda: uri, database)
    stop = Event()
    target: Any = feed if before_write == "save_token" else vectors
    real, calls = getattr(target, before_write), 0

    def killing(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    setattr(target, before_write, killing)
    follow_changes(feed, documents, vectors, makers(), stop, lambda report: None, SilentProgress())
