"""Change data capture: follow the document store's changes and apply each to the vector store within seconds.

At least once: where the follower stands is saved after a batch is stored, so that after a kill the batch comes again;
applying it twice changes nothing. The next batch is read when the last one is stored, so nothing piles up here. Where
the place is lost, everything is compared once, beginning with a note of the place to follow from.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import Event
from typing import Any
from uuid import UUID

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from llm_engineering.application.index_models import check_models
from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.features import WINDOW_CHUNKS, FeatureSync
from llm_engineering.application.preprocessing.making import (
    DOCUMENT_FAULTS,
    DocumentFeatures,
    FeatureMakers,
    feature_hash,
    prepare_document,
)
from llm_engineering.application.preprocessing.site_noise import noise_of
from llm_engineering.domain.changes import Change, ChangeBatch, ChangeFeed
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError, ResumeTokenLostError
from llm_engineering.domain.feature_reports import ChangeReport
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.ports import DocumentStore, Progress, VectorStore

logger = logging.getLogger(__name__)

MAX_BATCH = 64
# The longest first pause; the longest pause doubles with each failure, and each is random within it.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# How often, at most, an idle follower saves its place and reads anew what was learned of sites.
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

    def run(self) -> None:
        """Follow until told to stop; go on after every failure of a store."""
        patiently = Retrying(
            retry=retry_if_exception_type(DependencyUnavailableError),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            before_sleep=_say_when_again,
            retry_error_callback=lambda _: None,
        )
        while not self._stop.is_set():
            patiently(self._follow)

    def _follow(self) -> None:
        """Follow until told to stop, or until the place is lost, or a store fails that did answer before."""
        heard = False
        try:
            with self._feed.follow(self._token(), MAX_BATCH) as batches:
                for batch in batches:
                    self._take(batch)
                    heard = True
                    if self._stop.is_set():
                        return
        except ResumeTokenLostError as error:
            logger.warning("%s All documents are compared instead.", error)
            self._reconcile()
        except DependencyUnavailableError as error:
            if not heard:
                raise
            logger.warning("%s Going on from the last batch that was stored.", error)

    def _token(self) -> dict[str, Any]:
        """Where to go on from."""
        token = self._feed.load_token()
        if not token:
            raise ResumeTokenLostError("Nothing was followed before.")
        if self._vectors.active() is None:
            raise ResumeTokenLostError("There is no index.")
        check_models(self._vectors.active(), self._makers.embedder, self._makers.sparse)
        self._writer.prepare()  # now, so that the first change does not wait for the model
        self._keep_house(token)
        return token

    def _reconcile(self) -> None:
        """Compare everything. What is written meanwhile comes after the token, and so is not lost."""
        check_models(self._vectors.active(), self._makers.embedder, self._makers.sparse)
        self._feed.save_token({})  # after a kill in the middle, no older place may be gone on from
        token = self._feed.now()
        sync = FeatureSync(self._documents, self._vectors, self._makers, self._progress, stopped=self._stop.is_set)
        report = sync.run()
        if self._stop.is_set():
            return
        self._feed.save_token(token)
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
        if batch.changes:
            report = self._apply(batch.changes)
            self._feed.save_token(batch.token)
            self._on_report(report)
        elif time.monotonic() > self._house_kept + HOUSEKEEPING_SECONDS:
            self._keep_house(batch.token)

    def _keep_house(self, token: dict[str, Any]) -> None:
        self._feed.save_token(token)
        self._noise = self._documents.site_noise()
        self._house_kept = time.monotonic()

    def _apply(self, changes: Iterable[Change]) -> ChangeReport:
        """Bring the changed documents' features up to date."""
        latest = _latest(changes)
        states = self._vectors.feature_states([change.document_id for change in latest])
        report = ChangeReport()
        self._remove(latest, states, report)
        window: list[DocumentFeatures] = []
        for change in {change.document_id: change for change in latest if change.kind == "upsert"}.values():
            item = self._prepared(change, states, report)
            window += [item] if item else []
            if sum(len(item.chunks) for item in window) >= WINDOW_CHUNKS:
                self._writer.write(window, states)
                window = []
        self._writer.write(window, states)
        self._writer.finish()
        report.lag_seconds = _lag(latest)
        return report

    def _remove(self, changes: Iterable[Change], states: Mapping[UUID, FeatureState], report: ChangeReport) -> None:
        """Remove what was deleted; not what has moved to another category: the features are of that one then."""
        kept = {change.document_id for change in changes if change.kind == "upsert"}
        gone: dict[UUID, FeatureState] = {}
        for change in changes:
            state = states.get(change.document_id)
            if change.kind == "delete" and change.document_id not in kept:
                if state and state.category is change.category:
                    gone[change.document_id] = state
                else:
                    report.unchanged += 1
        self._writer.remove(gone)
        report.removed += len(gone)

    def _prepared(
        self, change: Change, states: Mapping[UUID, FeatureState], report: ChangeReport
    ) -> DocumentFeatures | None:
        """The document's features, unless they are there already or cannot be made."""
        raw = change.document
        if raw is None:
            report.failed[f"document {change.document_id}"] = change.problem
            return None
        try:
            noise = noise_of(raw, self._noise)
            state = states.get(raw.id)
            if state and state.feature_hash == feature_hash(raw, self._makers, noise):
                report.unchanged += 1
                return None
            item = prepare_document(raw, self._makers, noise)
        except DOCUMENT_FAULTS as error:
            report.failed[raw.link] = f"{type(error).__name__}: {error}"
            return None
        report.applied += 1
        report.chunks += len(item.chunks)
        return item


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
    cannot be cleaned or cut is reported, and the others go on. `progress` shows a comparison of all documents.

    Raises:
        ModelMismatchError: the index was made by other models, or another process has switched to another index.
        ConfigurationError: the document store cannot tell of changes.
    """
    _Follower(feed, documents, vectors, makers, stop, on_report, progress).run()


def _latest(changes: Iterable[Change]) -> list[Change]:
    """The last change of each document in each category: one that moves is inserted here and deleted there."""
    latest: dict[tuple[UUID, DataCategory], Change] = {}
    for change in changes:
        key = (change.document_id, change.category)
        earliest = latest[key].written_at if key in latest else change.written_at
        latest.pop(key, None)
        latest[key] = change.model_copy(update={"written_at": earliest})
    return list(latest.values())


def _lag(changes: Iterable[Change]) -> float:
    """Seconds since the first of the writes."""
    written = [change.written_at for change in changes if change.written_at]
    return max((datetime.now(UTC) - min(written)).total_seconds(), 0.0) if written else 0.0


def _say_when_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    logger.warning("%s Trying again in %.1f s.", error, pause)
