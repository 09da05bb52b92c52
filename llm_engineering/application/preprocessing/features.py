"""The feature pipeline: bring the vector store in line with the document store, and do no work twice.

Documents are streamed; what is held in memory is one window of chunks and a state a document. A window is sorted by
length before it is embedded, so that a batch has little padding. Others may write meanwhile, above all the follower of
changes: when a window is written, its documents are read once more, and what has changed since is done anew.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from uuid import UUID

from llm_engineering.application.index_models import check_models
from llm_engineering.application.preprocessing.engine import FeatureEngine, FeatureTask, Outcome
from llm_engineering.application.preprocessing.feature_writer import FeatureWriter, Stages
from llm_engineering.application.preprocessing.making import (
    DOCUMENT_FAULTS,
    DocumentFeatures,
    FeatureMakers,
    feature_hash,
    prepare_document,
)
from llm_engineering.application.preprocessing.refusals import write_acceptable
from llm_engineering.application.preprocessing.site_noise import learn, noise_of
from llm_engineering.application.preprocessing.window import Window
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.feature_reports import CategoryFeatures, FeatureReport
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.ports import Advance, DocumentStore, Progress, VectorStore


class FeatureSync:
    """One run over all categories; `sync_features` and `reindex` are the ways to it.

    `chosen` limits the run to these documents and does them whatever their state. When `stopped` says so, the run ends
    early; the next one goes on from there. With an `engine` the work is done by that. `on_made` sees what is
    made in this process, document by document.
    """

    def __init__(
        self,
        documents: DocumentStore,
        vectors: VectorStore,
        makers: FeatureMakers,
        progress: Progress,
        chosen: set[UUID] | None = None,
        stopped: Callable[[], bool] = lambda: False,
        engine: FeatureEngine | None = None,
        on_made: Callable[[DocumentFeatures], None] | None = None,
    ) -> None:
        self._documents = documents
        self._vectors = vectors
        self._makers = makers
        self._progress = progress
        self._chosen = chosen
        self._stopped = stopped
        self._on_made = on_made
        self._engine = engine
        self._stages = Stages()
        self._writer = FeatureWriter(vectors, makers, self._stages)
        self._report = FeatureReport(embedding_model=makers.embedder.model_id)
        self._window = Window()

    def run(self, author_ids: Sequence[UUID] | None = None) -> FeatureReport:
        """Sync every category and report."""
        started = time.monotonic()
        is_whole = author_ids is None and self._chosen is None
        self._noise = self._learn_noise() if is_whole else self._documents.site_noise()
        with self._stages.timed("load"):
            self._states = self._vectors.feature_states()
        self._report.categories = {category: CategoryFeatures() for category in DataCategory}
        if self._engine:
            self._sync_by(self._engine, author_ids)
        else:
            for category in DataCategory:
                self._sync(category, author_ids)
        if self._chosen is None and not self._stopped():
            self._remove_vanished()
        self._writer.finish()
        self._report.seconds = time.monotonic() - started
        self._report.seconds_by_stage = self._stages.seconds
        return self._report

    def _learn_noise(self) -> dict[str, list[str]]:
        """Learn which lines repeat on the pages of a site, and remember it for those who see one page at a time."""
        with self._stages.timed("learn noise"):
            learned = learn(self._documents.stream(DataCategory.ARTICLES))
            known = self._documents.site_noise()
            news = {site: lines for site, lines in learned.items() if known.get(site, []) != lines}
            # What was learned of a site that is no more must not stay: it may be the words of someone forgotten.
            self._documents.save_site_noise(news | {site: [] for site in known.keys() - learned.keys()})
        return learned

    def _sync(self, category: DataCategory, author_ids: Sequence[UUID] | None) -> None:
        total = len(self._chosen) if self._chosen is not None else self._documents.count(category, author_ids)
        with self._progress.task(f"Features of {category}", total=total) as advance:
            for raw in self._to_do(category, author_ids, advance):
                self._prepare(raw)
                if self._window.is_full:
                    self._write(advance)
            self._write(advance)

    def _sync_by(self, engine: FeatureEngine, author_ids: Sequence[UUID] | None) -> None:
        """All categories at once, for an engine takes long to start."""
        total = sum(self._documents.count(category, author_ids) for category in DataCategory)
        with self._progress.task("Features", total=total) as advance:
            to_do: Iterator[RawDocument] = chain.from_iterable(
                self._to_do(category, author_ids, advance) for category in DataCategory
            )
            while changed := self._run_engine(engine, to_do, advance):
                advance(0, len(changed))
                to_do = iter(changed)

    def _run_engine(self, engine: FeatureEngine, to_do: Iterable[RawDocument], advance: Advance) -> list[RawDocument]:
        """Returns the documents that have changed since they were read."""
        changed: list[RawDocument] = []
        tasks = (FeatureTask(raw, noise_of(raw, self._noise), self._states.get(raw.id)) for raw in to_do)
        for result in engine.run(tasks, self._vectors, self._stages):
            self._stages.add(result.seconds)
            for outcome in result.outcomes:
                self._note(outcome)
            if self._on_made:
                for item in result.items:
                    self._on_made(item)
            advance(len(result.outcomes))
            changed += self._changed_since({o.document_id: o.state for o in result.outcomes if o.state})
        return changed

    def _note(self, outcome: Outcome) -> None:
        if outcome.state is None:
            self._report.fail(self._report.categories[outcome.category], outcome.link, outcome.failure)
            return
        self._count(outcome.category, outcome.document_id, outcome.state.chunk_count, outcome.characters)
        self._states[outcome.document_id] = outcome.state

    def _to_do(
        self, category: DataCategory, author_ids: Sequence[UUID] | None, advance: Advance
    ) -> Iterator[RawDocument]:
        """The category's documents that are not up to date."""
        report = self._report.categories[category]
        for raw in self._documents.stream(category, author_ids):
            if self._stopped():
                return
            if self._chosen is not None and raw.id not in self._chosen:
                continue
            state = self._states.get(raw.id)
            expected = feature_hash(raw, self._makers, noise_of(raw, self._noise))
            if self._chosen is None and state and state.feature_hash == expected:
                report.unchanged += 1
                advance(1)
                continue
            yield raw

    def _prepare(self, raw: RawDocument) -> None:
        """Clean and chunk one document into the window."""
        if not self._window:
            self._writer.prepare()
        try:
            with self._stages.timed("clean and chunk"):
                item = prepare_document(raw, self._makers, noise_of(raw, self._noise))
        except DOCUMENT_FAULTS as error:
            self._report.fail(self._report.categories[raw.category], raw.link, f"{type(error).__name__}: {error}")
            return
        self._window.add(item)
        if self._on_made:
            self._on_made(item)

    def _count(self, category: DataCategory, document_id: UUID, chunks: int, characters: int) -> None:
        report = self._report.categories[category]
        if document_id in self._states:
            report.changed += 1
        else:
            report.new += 1
        report.empty += not chunks
        report.characters += characters
        report.chunks_embedded += chunks

    def _write(self, advance: Advance) -> None:
        """Write the window, and do again what has changed since it was read."""
        while items := self._window.take():
            refused = write_acceptable(self._writer, items, self._states, advance)
            written = self._note_written(items, refused)
            changed = self._changed_since(written)
            advance(0, len(changed))
            for raw in changed:
                self._prepare(raw)

    def _note_written(self, items: Iterable[DocumentFeatures], refused: Mapping[UUID, str]) -> dict[UUID, FeatureState]:
        """Count the documents; returns the states of those that were written."""
        written: dict[UUID, FeatureState] = {}
        for item in items:
            id_, state, link = item.cleaned.id, item.state, item.cleaned.link
            if id_ in refused:
                self._report.fail(self._report.categories[state.category], link, refused[id_])
            else:
                self._count(state.category, id_, state.chunk_count, len(item.cleaned.text))
                written[id_] = state
        self._states |= written
        return written

    def _changed_since(self, written: Mapping[UUID, FeatureState]) -> list[RawDocument]:
        """The written documents that have another text now, which may be overwritten; what is gone is removed again.

        As it is asked after the write, whatever changes later is still to come for a follower of changes.
        """
        found = {raw.id: raw for raw in self._documents.by_ids(list(written))}
        # Once more, for what is moving is written to its new category first, and that one may have been read before.
        found |= {raw.id: raw for raw in self._documents.by_ids([id_ for id_ in written if id_ not in found])}
        gone = {id_: state for id_, state in written.items() if id_ not in found}
        self._writer.remove(gone)
        for id_, state in gone.items():
            del self._states[id_]
            self._report.categories[state.category].removed += 1
        return [
            raw
            for raw in found.values()
            if feature_hash(raw, self._makers, noise_of(raw, self._noise)) != written[raw.id].feature_hash
        ]

    def _remove_vanished(self) -> None:
        """Delete what was taken out of the document store, whoever's it was."""
        vanished = dict(self._states)
        for category in DataCategory:
            for id_ in self._documents.ids(category):
                vanished.pop(id_, None)
        self._writer.remove(vanished)
        for state in vanished.values():
            self._report.categories[state.category].removed += 1


def sync_features(
    documents: DocumentStore,
    vectors: VectorStore,
    makers: FeatureMakers,
    progress: Progress,
    author_ids: Sequence[UUID] | None = None,
    engine: FeatureEngine | None = None,
    on_made: Callable[[DocumentFeatures], None] | None = None,
) -> FeatureReport:
    """Clean, chunk and embed what is new or changed, and remove what vanished.

    `author_ids` limits what is computed, not what is removed. A document that cannot be cleaned or cut is reported, and
    the others go on. A run that finds nothing changed does not load the model. Without an `engine` all is done in this
    process, and `on_made` sees each document's features.

    Raises:
        ModelMismatchError: the index was made by other models; the message has the command that makes a new one.
    """
    check_models(vectors.active(), makers.embedder, makers.sparse)
    return FeatureSync(documents, vectors, makers, progress, engine=engine, on_made=on_made).run(author_ids)
