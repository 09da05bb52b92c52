"""Applying a batch of changes of documents to the vector store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.making import (
    DOCUMENT_FAULTS,
    DocumentFeatures,
    FeatureMakers,
    feature_hash,
    prepare_document,
)
from llm_engineering.application.preprocessing.refusals import write_acceptable
from llm_engineering.application.preprocessing.site_noise import noise_of
from llm_engineering.application.preprocessing.window import Window
from llm_engineering.domain.changes import Change
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.feature_reports import ChangeReport
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.ports import VectorStore


class ChangeApplier:
    """Applies batches of changes; applying one twice changes nothing."""

    def __init__(self, vectors: VectorStore, makers: FeatureMakers, writer: FeatureWriter) -> None:
        self._vectors = vectors
        self._makers = makers
        self._writer = writer

    def apply(self, changes: Iterable[Change], noise: Mapping[str, Collection[str]]) -> ChangeReport:
        """Bring the changed documents' features up to date; `noise` is what was learned of sites."""
        latest = _latest(changes)
        states = self._vectors.feature_states([change.document_id for change in latest])
        report = ChangeReport()
        self._remove(latest, states, report)
        window = Window()
        for change in {change.document_id: change for change in latest if change.kind == "upsert"}.values():
            item = self._prepared(change, states, noise, report)
            if item:
                window.add(item)
            if window.is_full:
                self._write(window.take(), states, report)
        self._write(window.take(), states, report)
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
        self,
        change: Change,
        states: Mapping[UUID, FeatureState],
        noise: Mapping[str, Collection[str]],
        report: ChangeReport,
    ) -> DocumentFeatures | None:
        """The document's features, unless they are there already or cannot be made."""
        raw = change.document
        if raw is None:
            report.failed[f"document {change.document_id}"] = change.problem
            return None
        try:
            lines = noise_of(raw, noise)
            state = states.get(raw.id)
            if state and state.feature_hash == feature_hash(raw, self._makers, lines):
                report.unchanged += 1
                return None
            item = prepare_document(raw, self._makers, lines)
        except DOCUMENT_FAULTS as error:
            report.failed[raw.link] = f"{type(error).__name__}: {error}"
            return None
        return item

    def _write(
        self, items: Sequence[DocumentFeatures], states: Mapping[UUID, FeatureState], report: ChangeReport
    ) -> None:
        refused = write_acceptable(self._writer, items, states)
        for item in items:
            if item.cleaned.id in refused:
                report.failed[item.cleaned.link] = refused[item.cleaned.id]
            else:
                report.applied += 1
                report.chunks += len(item.chunks)


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
