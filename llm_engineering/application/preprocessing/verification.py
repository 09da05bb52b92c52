"""Compare the two stores, document by document and chunk by chunk, and mend what differs.

Everything is streamed; what is held in memory is a state a document, and the differences. Other processes may write
meanwhile: whatever seems to differ is looked at once more at the end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from llm_engineering.application.index_models import check_models
from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.features import FeatureSync
from llm_engineering.application.preprocessing.making import FeatureMakers, feature_hash
from llm_engineering.application.preprocessing.site_noise import noise_of
from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.chunks import chunk_id
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import ModelMismatchError
from llm_engineering.domain.feature_reports import VerificationReport
from llm_engineering.domain.features import FeatureState, StoredChunk
from llm_engineering.domain.ports import DocumentStore, Progress, VectorStore


@dataclass
class _Findings:
    """What differs: links by document, and chunks without one. `expected` has the hashes that documents should have."""

    missing: dict[UUID, str] = field(default_factory=dict)
    stale: dict[UUID, str] = field(default_factory=dict)
    expected: dict[UUID, str] = field(default_factory=dict)
    vanished: dict[UUID, FeatureState] = field(default_factory=dict)
    incomplete: dict[UUID, str] = field(default_factory=dict)
    orphaned: dict[UUID, StoredChunk] = field(default_factory=dict)
    edited: dict[UUID, str] = field(default_factory=dict)
    documents: int = 0
    chunks: int = 0


class _Comparison:
    """One comparison of the stores."""

    def __init__(self, documents: DocumentStore, vectors: VectorStore, makers: FeatureMakers) -> None:
        self._documents = documents
        self._vectors = vectors
        self._makers = makers
        self._states = vectors.feature_states()
        self._found = _Findings()

    def run(self) -> _Findings:
        """Compare documents, then chunks, then look at the differences once more."""
        links = self._compare_documents()
        self._compare_chunks(links)
        self._look_again()
        return self._found

    def _compare_documents(self) -> dict[UUID, str]:
        """Returns the links of the documents whose features are up to date."""
        noise = self._documents.site_noise()
        left, links = dict(self._states), {}
        for category in DataCategory:
            for raw in self._documents.stream(category):
                self._found.documents += 1
                if raw.content_hash != raw.actual_hash():
                    self._found.edited[raw.id] = raw.link
                state = left.pop(raw.id, None)
                expected = feature_hash(raw, self._makers, noise_of(raw, noise))
                if state and state.feature_hash == expected:
                    links[raw.id] = raw.link
                    continue
                (self._found.stale if state else self._found.missing)[raw.id] = raw.link
                self._found.expected[raw.id] = expected
        self._found.vanished = left
        return links

    def _compare_chunks(self, links: Mapping[UUID, str]) -> None:
        met: Counter[UUID] = Counter()
        for chunk in self._vectors.stored_chunks():
            self._found.chunks += 1
            if _belongs(chunk, self._states):
                met[chunk.document_id] += 1
            else:
                self._found.orphaned[chunk.id] = chunk
        # Of a document that is stale or has vanished, all chunks are done anew or go.
        self._found.incomplete = {id_: link for id_, link in links.items() if met[id_] < self._states[id_].chunk_count}

    def _look_again(self) -> None:
        """Drop what another process has mended since, or was writing just then."""
        found = self._found
        owners = {chunk.document_id for chunk in found.orphaned.values()}
        ids = {*found.missing, *found.stale, *found.vanished, *found.incomplete, *owners}
        now = {id_: state for batch in batched(ids, BATCH_SIZE) for id_, state in self._states_of(batch).items()}
        for part in (found.missing, found.stale):
            for id_ in [id_ for id_ in part if id_ in now and now[id_].feature_hash == found.expected[id_]]:
                del part[id_]
        found.vanished = {id_: now[id_] for id_ in self._without_record(found.vanished) if id_ in now}
        found.incomplete = {id_: link for id_, link in found.incomplete.items() if now.get(id_) == self._states[id_]}
        found.orphaned = {id_: chunk for id_, chunk in found.orphaned.items() if not _belongs(chunk, now)}

    def _without_record(self, ids: Iterable[UUID]) -> set[UUID]:
        """Those that have no record: one that is malformed, or was moved while they were read, has not vanished."""
        gone = set(ids)
        for category in DataCategory if gone else ():
            gone.difference_update(self._documents.ids(category))
        return gone

    def _states_of(self, ids: list[UUID]) -> dict[UUID, FeatureState]:
        return self._vectors.feature_states(ids)


def verify(documents: DocumentStore, vectors: VectorStore, makers: FeatureMakers) -> VerificationReport:
    """How the vector store differs from the document store. Changes nothing, loads no model."""
    report = VerificationReport(embedding_model=makers.embedder.model_id)
    try:
        check_models(vectors.active(), makers.embedder, makers.sparse)
    except ModelMismatchError as error:
        # Every document would be stale: the one sentence says more.
        report.index_problem = str(error)
        return report
    return _described(_Comparison(documents, vectors, makers).run(), report)


def repair(
    documents: DocumentStore, vectors: VectorStore, makers: FeatureMakers, progress: Progress
) -> VerificationReport:
    """Mend exactly what differs: orphans and vanished documents go, documents that differ are done anew.

    A text that was edited by hand stays, and gets its own hash.

    Raises:
        ModelMismatchError: the index was made by other models; that is mended by a re-index.
    """
    check_models(vectors.active(), makers.embedder, makers.sparse)
    found = _Comparison(documents, vectors, makers).run()
    report = _described(found, VerificationReport(embedding_model=makers.embedder.model_id))
    for batch in batched(found.orphaned, BATCH_SIZE):
        vectors.delete_chunks(batch)
    report.chunks_deleted = len(found.orphaned)
    report.rehashed = sum(documents.rehash(batch) for batch in batched(found.edited, BATCH_SIZE))
    FeatureWriter(vectors, makers).remove(found.vanished)
    chosen = {*found.missing, *found.stale, *found.incomplete}
    report.repaired = FeatureSync(documents, vectors, makers, progress, chosen).run()
    for state in found.vanished.values():
        report.repaired.categories[state.category].removed += 1
    return report


def _belongs(chunk: StoredChunk, states: Mapping[UUID, FeatureState]) -> bool:
    """Whether the chunk is one of those that its document should have."""
    state = states.get(chunk.document_id)
    return (
        state is not None
        and 0 <= chunk.index < state.chunk_count
        and chunk.id == chunk_id(chunk.document_id, chunk.index)
    )


def _described(found: _Findings, report: VerificationReport) -> VerificationReport:
    """The report of what was found, with the first of each kind by name."""
    report.documents, report.chunks = found.documents, found.chunks
    named: list[tuple[str, Iterator[str]]] = [
        ("missing", iter(found.missing.values())),
        ("stale", iter(found.stale.values())),
        ("vanished", (f"document {id_}" for id_ in found.vanished)),
        ("incomplete", iter(found.incomplete.values())),
        ("orphaned", (f"chunk {id_} ({c.index} of {c.document_id})" for id_, c in found.orphaned.items())),
        ("edited", iter(found.edited.values())),
    ]
    for kind, names in named:
        for name in names:
            report.differences[kind].add(name)
    return report
