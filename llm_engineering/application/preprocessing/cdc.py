"""Change data capture: follow the document store's changes and apply each to the vector store within seconds.

At least once: where the follower stands is saved after a batch is stored, so that after a kill the batch comes again;
applying it twice changes nothing. The next batch is read when the last one is stored, so nothing piles up here. Where
the place is lost, everything is compared once, beginning with a note of the place to follow from.
"""

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from llm_engineering.application.index_models import check_models
from llm_engineering.application.preprocessing.applying import ChangeApplier
from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.features import FeatureSync
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.changes import ChangeBatch, ChangeFeed
from llm_engineering.domain.errors import DependencyUnavailableError, ResumeTokenLostError
from llm_engineering.domain.feature_reports import ChangeReport
from llm_engineering.domain.ports import DocumentStore, Progress, VectorStore

logger = logging.getLogger(__name__)

MAX_BATCH = 64
# The longest first pause; the longest pause doubles with each failure, and each is random within it.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# How often what was learned of sites is read anew, and the place saved though nothing was applied.
HOUSEKEEPING_SECONDS = 60.0


class _Follower:
    """One call of `follow_changes`."""

    def __init__(
        self,
        feed: ChangeFeed,
        documents: DocumentStore,
        vectors: VectorStore,
        makers: FeatureMakers,
        stop: Event,
        on_report: Callable[[ChangeReport], None],
        progress: Progress,
    ) -> None:
        self._feed = feed
        self._documents = documents
        self._vectors = vectors
        self._makers = makers
        self._stop = stop
        self._on_report = on_report
        self._progress = progress
        self._writer = FeatureWriter(vectors, makers)
        self._applier = ChangeApplier(vectors, makers, self._writer)
        self._lost = False  # the place, so that everything is to be compared
        self._in_vain = 0  # comparisons since the last batch

    def run(self) -> None:
        """Follow until told to stop; go on after every failure of a store."""
        patiently = Retrying(
            retry=retry_if_exception_type((DependencyUnavailableError, ResumeTokenLostError)),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            before_sleep=_say_when_again,
            retry_error_callback=lambda _: None,
        )
        while not self._stop.is_set():
            patiently(self._follow)

    def _follow(self) -> None:
        """Follow until told to stop, or until the place is lost, or a store fails that did answer before.

        A place that is lost for the first time is no failure: the next call compares everything at once. One that is
        lost again with no batch in between is raised, so that the next comparison waits.
        """
        heard = False
        try:
            if self._lost:
                self._reconcile()
            if self._stop.is_set():
                return
            with self._feed.follow(self._token(), MAX_BATCH) as batches:
                for batch in batches:
                    self._take(batch)
                    heard, self._in_vain = True, 0
                    if self._stop.is_set():
                        return
        except ResumeTokenLostError as error:
            again = self._lost or self._in_vain > 0
            self._lost = True
            if again:
                self._complain()
                raise
            logger.warning("%s All documents are compared instead.", error)
        except DependencyUnavailableError as error:
            if not heard:
                raise
            logger.warning("%s Going on from the last batch that was stored.", error)

    def _complain(self) -> None:
        """Name the likely cause, when comparing everything has not helped twice."""
        if self._in_vain > 1:
            logger.warning(
                "After %d comparisons in a row the place is lost again: the document store's history is too small, it "
                "covers less time than a comparison takes. Enlarge MongoDB's oplog: "
                "db.adminCommand({replSetResizeOplog: 1, size: <MB>})",
                self._in_vain,
            )

    def _token(self) -> dict[str, Any]:
        """Where to go on from."""
        token = self._feed.load_token()
        if not token:
            raise ResumeTokenLostError("Nothing was followed before.")
        if self._vectors.active() is None:
            raise ResumeTokenLostError("There is no index.")
        check_models(self._vectors.active(), self._makers.embedder, self._makers.sparse)
        self._writer.prepare()  # now, so that the first change does not wait for the model
        self._feed.save_token(token)
        self._read_noise()
        return token

    def _reconcile(self) -> None:
        """Compare everything. What is written meanwhile comes after the token, and so is not lost."""
        check_models(self._vectors.active(), self._makers.embedder, self._makers.sparse)
        self._feed.save_token({})  # after a kill in the middle, no older place may be gone on from
        self._writer.prepare()  # an index is needed to follow, also where there is no document yet
        token = self._feed.now()
        sync = FeatureSync(self._documents, self._vectors, self._makers, self._progress, stopped=self._stop.is_set)
        report = sync.run()
        if self._stop.is_set():
            return
        self._feed.save_token(token)
        self._lost = False
        self._in_vain += 1
        total = report.total
        self._on_report(
            ChangeReport(
                applied=total.new + total.changed,
                removed=total.removed,
                unchanged=total.unchanged,
                failed=report.failures,
                chunks=total.chunks_embedded,
                reconciliation=report,
            )
        )

    def _take(self, batch: ChangeBatch) -> None:
        """Apply a batch, then remember that it is."""
        if self._vectors.active() is None:
            raise ResumeTokenLostError("The index is gone.")
        report = self._applier.apply(batch.changes, self._noise) if batch.changes else None
        is_due = time.monotonic() > self._noise_read + HOUSEKEEPING_SECONDS
        if report or is_due:
            self._feed.save_token(batch.token)
        if report:
            self._on_report(report)
        if is_due:
            self._read_noise()

    def _read_noise(self) -> None:
        self._noise = self._documents.site_noise()
        self._noise_read = time.monotonic()


def follow_changes(
    feed: ChangeFeed,
    documents: DocumentStore,
    vectors: VectorStore,
    makers: FeatureMakers,
    stop: Event,
    on_report: Callable[[ChangeReport], None],
    progress: Progress,
) -> None:
    """Apply changes as they come, until `stop` is set; the batch in hand is finished then.

    When a store does not answer, the follower waits, longer each time, and goes on from its place. A document that
    cannot be cleaned or cut, or that the vector store refuses, is reported, and the others go on. `progress` shows a
    comparison of all documents.

    Raises:
        ModelMismatchError: the index was made by other models, or another process has switched to another index.
        ConfigurationError: the document store cannot tell of changes.
    """
    _Follower(feed, documents, vectors, makers, stop, on_report, progress).run()


def _say_when_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    logger.warning("%s Trying again in %.1f s.", error, pause)
