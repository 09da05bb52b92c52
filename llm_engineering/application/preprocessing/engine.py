"""Features made by several workers at once: what each of them does, and how the work reaches them and comes back.

The functions are those of the feature pipeline in one process; what runs the workers stands behind `RunWindows`.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, Self
from uuid import UUID

from llm_engineering.application.preprocessing.feature_writer import UPSERT_CHUNKS, FeatureWriter, Stages
from llm_engineering.application.preprocessing.making import (
    DOCUMENT_FAULTS,
    DocumentFeatures,
    FeatureMakers,
    embed_batches,
    prepare_document,
)
from llm_engineering.domain.batching import batched
from llm_engineering.domain.chunks import EmbeddedChunk
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.features import FeatureState, IndexSpec
from llm_engineering.domain.ports import VectorStore

# Some 250 chunks: enough for batches with little padding, and for many workers to be busy to the end.
WINDOW_CHARACTERS = 200_000
# A window of documents with next to no text ends here.
WINDOW_DOCUMENTS = 256


@dataclass(frozen=True)
class FeatureTask:
    """A document to do, with the lines of its site that it has, and how far its features were so far."""

    raw: RawDocument
    noise_lines: frozenset[str]
    stored: FeatureState | None


@dataclass(frozen=True)
class Outcome:
    """What became of a task. `stored` is the state before, `state` the one now, or None where `failure` says why."""

    document_id: UUID
    category: DataCategory
    link: str
    stored: FeatureState | None
    state: FeatureState | None = None
    characters: int = 0
    failure: str = ""

    @classmethod
    def failed(cls, task: FeatureTask, failure: str) -> Self:
        """Of a task that could not be done."""
        return cls(task.raw.id, task.raw.category, task.raw.link, task.stored, failure=failure)

    @classmethod
    def done(cls, task: FeatureTask, item: DocumentFeatures) -> Self:
        """Of a task with its features."""
        raw = task.raw
        return cls(raw.id, raw.category, raw.link, task.stored, item.state, len(item.cleaned.text))


@dataclass(frozen=True)
class WindowResult:
    """What became of a window's tasks. A worker that writes nothing itself gives back all that is to be written."""

    outcomes: list[Outcome]
    seconds: dict[str, float] = field(default_factory=dict)
    items: list[DocumentFeatures] = field(default_factory=list)
    embedded: list[EmbeddedChunk] = field(default_factory=list)


class RunWindows(Protocol):
    """Has windows done by workers, each a `FeatureWorker` in a process of its own."""

    def __call__(
        self, windows: Iterable[list[FeatureTask]], give_up: Callable[[list[FeatureTask]], WindowResult]
    ) -> Generator[WindowResult, None, None]:
        """The results, in any order; `give_up` makes the result of a window whose worker died of it."""


class FeatureEngine(Protocol):
    """Makes features elsewhere than in this process."""

    def spec(self) -> IndexSpec:
        """What the index is made by."""

    def run(self, tasks: Iterable[FeatureTask], vectors: VectorStore, stages: Stages) -> Iterator[WindowResult]:
        """Do the tasks and store what they give; each result is of tasks that are done. Starts nothing for no task."""


class FeatureWorker:
    """Does windows in one of many processes; the models are loaded once."""

    def __init__(self, makers: FeatureMakers, vectors: VectorStore | None) -> None:
        """`vectors` is the worker's own connection to the store; without one, all goes back to be written there."""
        self._makers = makers
        spec = makers.spec()  # loads the model: here, where it is no part of the work
        # The models' index, whether or not it is the one that serves; the driver has made it and sees to that.
        self._vectors = vectors.generation(spec) if vectors else None

    def __call__(self, tasks: list[FeatureTask]) -> WindowResult:
        """Clean, chunk and embed the documents; write them, if that is this worker's business."""
        stages = Stages()
        with stages.timed("clean and chunk"):
            prepared = [self._prepare(task) for task in tasks]
        outcomes = [outcome for outcome, _ in prepared]
        items = [item for _, item in prepared if item]
        if self._vectors:
            writer = FeatureWriter(self._vectors, self._makers, stages)
            writer.write(items, _stored(outcomes))
            return WindowResult(outcomes, stages.seconds)
        with stages.timed("embed"):
            chunks = (chunk for item in items for chunk in item.chunks)
            embedded = list(chain.from_iterable(embed_batches(chunks, self._makers)))
        return WindowResult(outcomes, stages.seconds, items, embedded)

    def _prepare(self, task: FeatureTask) -> tuple[Outcome, DocumentFeatures | None]:
        try:
            item = prepare_document(task.raw, self._makers, task.noise_lines)
        except DOCUMENT_FAULTS as error:
            return Outcome.failed(task, f"{type(error).__name__}: {error}"), None
        return Outcome.done(task, item), item


class ParallelEngine:
    """Implements `FeatureEngine`: cuts the tasks into windows, and writes what the workers do not write themselves.

    `makers` load a model in this process only to learn what the index is made by.
    """

    def __init__(self, makers: FeatureMakers, run_windows: RunWindows) -> None:
        self._makers = makers
        self._run_windows = run_windows

    def spec(self) -> IndexSpec:
        """What the index is made by. Loads the embedding model."""
        return self._makers.spec()

    def run(self, tasks: Iterable[FeatureTask], vectors: VectorStore, stages: Stages) -> Iterator[WindowResult]:
        """Do the tasks, and store what they give, in the order of `FeatureWriter`.

        Raises:
            ModelMismatchError: the index was made by other models, or another process has switched to another index.
        """
        remaining = iter(tasks)
        first = next(remaining, None)
        if first is None:
            return
        writer = FeatureWriter(vectors, self._makers, stages)
        writer.prepare()
        with closing(self._run_windows(_windows(chain([first], remaining)), _given_up)) as results:
            for result in results:
                writer.prepare()
                embedded = batched(result.embedded, UPSERT_CHUNKS)
                writer.write(result.items, _stored(result.outcomes), embedded=embedded)
                yield result
        writer.finish()


def _windows(tasks: Iterable[FeatureTask]) -> Iterator[list[FeatureTask]]:
    """Tasks of about as many characters, and not too many."""
    window: list[FeatureTask] = []
    size = 0
    for task in tasks:
        window.append(task)
        size += len(task.raw.content)
        if size >= WINDOW_CHARACTERS or len(window) >= WINDOW_DOCUMENTS:
            yield window
            window, size = [], 0
    if window:
        yield window


def _given_up(tasks: list[FeatureTask]) -> WindowResult:
    failure = "The worker died or failed each time, out of memory perhaps. Its log has more."
    return WindowResult([Outcome.failed(task, failure) for task in tasks])


def _stored(outcomes: Iterable[Outcome]) -> dict[UUID, FeatureState]:
    """The states that the tasks' documents had so far."""
    return {outcome.document_id: outcome.stored for outcome in outcomes if outcome.stored}
