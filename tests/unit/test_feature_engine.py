"""Workers make the features that one process makes; what they cannot make is told, and the rest goes on."""

import pickle
from collections.abc import Callable, Generator, Iterable
from itertools import count

import pytest

from llm_engineering.application.preprocessing import engine as engine_module
from llm_engineering.application.preprocessing.engine import (
    FeatureTask,
    FeatureWorker,
    ParallelEngine,
    RunWindows,
    WindowResult,
)
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.reindexing import reindex
from llm_engineering.bootstrap_scale import _for_workers
from llm_engineering.domain.documents import RawDocument
from llm_engineering.domain.errors import ModelMismatchError
from llm_engineering.domain.feature_reports import FeatureReport
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.settings import Settings
from tests.fakes import (
    Killed,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
    spec_of,
)


class Unreadable(WordEmbedder):
    """Cannot cut a text with this word."""

    def token_starts(self, text: str) -> list[int]:
        if "unreadable" in text:
            raise ValueError("no offsets")
        return super().token_starts(text)


def made_by(embedder: WordEmbedder | None = None) -> FeatureMakers:
    return FeatureMakers(embedder or Unreadable(), WordEncoder(), ChunkSizes())


class Processes:
    """Stands for workers in other processes: one window after the other, and all that goes in or out is pickled."""

    def __init__(self, vectors: MemoryVectorStore | None = None, deadly: str = "deadly") -> None:
        self._vectors = vectors
        self._deadly = deadly
        self.windows: list[list[FeatureTask]] = []
        self.makers = made_by()

    def run(
        self, windows: Iterable[list[FeatureTask]], give_up: Callable[[list[FeatureTask]], WindowResult]
    ) -> Generator[WindowResult, None, None]:
        worker = FeatureWorker(self.makers, self._vectors)
        for window in windows:
            self.windows.append(window)
            received: list[FeatureTask] = pickle.loads(pickle.dumps(window))
            if any(self._deadly in task.raw.content for task in received):
                yield give_up(window)
            else:
                yield pickle.loads(pickle.dumps(worker(received)))


def corpus() -> list[RawDocument]:
    texts = [" ".join(f"cat w{number}." for number in range(length)) for length in (3, 40, 7, 90, 21)]
    return [article(text, f"https://e.com/{number}") for number, text in enumerate(texts)]


def sync(documents: list[RawDocument], vectors: MemoryVectorStore, run: RunWindows | None) -> FeatureReport:
    engine = ParallelEngine(made_by(), run) if run else None
    store = MemoryDocumentStore(documents)
    return sync_features(store, vectors, made_by(), SilentProgress(), engine=engine)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "WINDOW_CHARACTERS", 300)


@pytest.mark.parametrize("own_connection", [True, False], ids=["workers write", "the driver writes"])
def test_workers_store_what_one_process_stores(own_connection: bool) -> None:
    alone, together = MemoryVectorStore(), MemoryVectorStore()
    processes = Processes(together if own_connection else None)
    expected = sync(corpus(), alone, None)
    report = sync(corpus(), together, processes.run)
    assert len(processes.windows) > 1
    assert together.points == alone.points
    assert together.states == alone.states
    assert together.documents == alone.documents
    assert report.total == expected.total


@pytest.mark.parametrize("own_connection", [True, False], ids=["workers write", "the driver writes"])
def test_a_text_that_became_shorter_leaves_no_chunk_behind(own_connection: bool) -> None:
    alone, together = MemoryVectorStore(), MemoryVectorStore()
    processes = Processes(together if own_connection else None)
    animals = ("cat", "dog", "fish", "bird", "horse")  # the same text on all pages would be the site's
    shorter = [article(f"{animal} only.", raw.link) for animal, raw in zip(animals, corpus(), strict=True)]
    for texts in (corpus(), shorter):
        sync(texts, alone, None)
        report = sync(texts, together, processes.run)
    assert report.total.changed == 5
    assert together.points == alone.points
    assert len(together.points) == 5


def test_only_what_is_new_or_changed_reaches_the_workers() -> None:
    vectors, processes = MemoryVectorStore(), Processes()
    sync(corpus(), vectors, processes.run)
    processes.windows.clear()
    changed = [*corpus()[:-1], article("dog now.", "https://e.com/4")]
    report = sync(changed, vectors, processes.run)
    assert [[task.raw.link for task in window] for window in processes.windows] == [["https://e.com/4"]]
    assert (report.total.changed, report.total.unchanged) == (1, 4)


def test_where_nothing_changed_no_worker_is_started_and_no_model_loaded() -> None:
    vectors = MemoryVectorStore()
    sync(corpus(), vectors, Processes().run)

    started = False

    def run(windows: object, give_up: object) -> Generator[WindowResult, None, None]:
        nonlocal started
        started = True
        yield from ()

    vectors.prepared_for = None
    report = sync(corpus(), vectors, run)
    assert report.total.unchanged == 5
    assert not started
    assert vectors.prepared_for is None


def test_a_document_that_cannot_be_cut_or_kills_its_worker_is_told_and_the_others_are_stored() -> None:
    vectors = MemoryVectorStore()
    documents = [
        *corpus(),
        article("unreadable cat.", "https://e.com/cut"),
        article("a deadly cat." + 400 * " w", "https://e.com/kill"),
        article("last.", "https://e.com/last"),
    ]
    # The documents of the window that killed its worker: how a job finds the one is the job's business.
    processes = Processes()
    report = sync(documents, vectors, processes.run)
    lost = next(window for window in processes.windows if any("deadly" in task.raw.content for task in window))
    expected = {task.raw.link for task in lost} | {"https://e.com/cut"}
    assert set(report.failures) == expected
    assert report.total.failed == len(expected)
    assert report.total.new == len(documents) - len(expected)
    assert {document.link for document in vectors.documents.values()} == {d.link for d in documents} - expected


@pytest.mark.parametrize("own_connection", [True, False], ids=["workers write", "the driver writes"])
def test_a_run_that_was_killed_is_taken_up_again(own_connection: bool) -> None:
    whole = MemoryVectorStore()
    sync(corpus(), whole, None)
    for writes in count():
        vectors = MemoryVectorStore()
        processes = Processes(vectors if own_connection else None)
        vectors.die_after = writes
        try:
            sync(corpus(), vectors, processes.run)
        except Killed:
            vectors.die_after = None
        else:
            break
        unfinished = {id_ for id_, state in vectors.states.items() if not state.feature_hash}
        for id_, item in vectors.points.items():  # each chunk is led to by a record that says how far to look
            assert item.chunk.index < vectors.states[item.chunk.document.id].chunk_count
            assert item.chunk.document.id in unfinished or whole.points[id_] == item
        sync(corpus(), vectors, processes.run)
        assert vectors.points == whole.points
        assert vectors.states == whole.states
    assert writes >= 6  # two windows at least, each with its documents marked, chunks, and marks taken off


def test_a_switch_to_another_index_in_the_middle_ends_the_run() -> None:
    vectors = MemoryVectorStore()
    processes = Processes(vectors)

    def switching(
        windows: Iterable[list[FeatureTask]], give_up: Callable[[list[FeatureTask]], WindowResult]
    ) -> Generator[WindowResult, None, None]:
        for result in processes.run(windows, give_up):
            vectors.activate(spec_of(WordEmbedder(model_id="other")))
            yield result

    with pytest.raises(ModelMismatchError):
        sync(corpus(), vectors, switching)


def test_workers_fill_a_new_index_while_the_old_one_serves() -> None:
    vectors, documents = MemoryVectorStore(), MemoryDocumentStore(corpus())
    sync(corpus(), vectors, None)
    processes = Processes(vectors)
    processes.makers = made_by(WordEmbedder(model_id="new"))
    engine = ParallelEngine(processes.makers, processes.run)
    report = reindex(documents, vectors, processes.makers, SilentProgress(), engine)
    assert vectors.active() == spec_of(WordEmbedder(model_id="new"))
    assert report.total.new == 5
    assert len(vectors.points) == report.chunks_embedded


def test_no_secret_travels_to_the_workers_that_they_do_not_need() -> None:
    settings = Settings.model_validate(
        {
            "DATABASE_HOST": "mongodb://ada:s3cret-mongo@db.example",
            "OPENAI_API_KEY": "s3cret-openai",
            "AWS_SECRET_KEY": "s3cret-aws",
            "QDRANT_APIKEY": "key-of-qdrant",
            "RAG_MODEL_DEVICE": "cuda:1",
        }
    )
    sent = _for_workers(settings)
    assert b"s3cret" not in pickle.dumps(sent)
    assert sent.QDRANT_APIKEY == settings.QDRANT_APIKEY
    assert sent.RAG_MODEL_DEVICE == "cuda"  # Ray shows a worker but one GPU, as the first
