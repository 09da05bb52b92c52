"""Windows of work on several workers, as a Ray Data job (Moritz et al., 2018)."""

import logging
import pickle
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llm_engineering.domain.errors import DependencyUnavailableError, MoodSwarmError
from llm_engineering.infrastructure.scale.ray_cluster import Workers, connected

if TYPE_CHECKING:
    import ray.data

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# What one job takes on; the workers of the next one start anew, which takes half a minute.
JOB_BYTES = 256 * 2**20
# The longest wait for the first worker, and for any news of a job.
START_SECONDS = 900
SILENT_SECONDS = 3600


@dataclass(frozen=True)
class _Refusal:
    """An error that a worker raised on purpose: it ends the job."""

    kind: type[MoodSwarmError]
    message: str

    def error(self) -> MoodSwarmError:
        """The error, made anew; some have constructors that pickle cannot call."""
        return self.kind.__new__(self.kind, self.message)


class RayJob(Generic[T, R]):
    """Calls a function on windows of items, in processes that keep what they have loaded.

    `make_worker` is called once in each process and gives that function; it and all that goes in or out is pickled.
    """

    def __init__(
        self, make_worker: Callable[[], Callable[[list[T]], R]], workers: Workers, address: str | None = None
    ) -> None:
        self._make_worker = make_worker
        self._workers = workers
        self._address = address

    def run(self, windows: Iterable[list[T]], give_up: Callable[[list[T]], R]) -> Generator[R, None, None]:
        """The results, in the order in which they are ready. Ray is started at once, and shut down at the end.

        Waiting windows stand in Ray's object store, which spills to the disk. A window whose worker died or failed is
        tried once more item by item; `give_up` says what to make of an item that failed again.

        Raises:
            MissingExtraError, ConfigurationError: see `connected`.
            DependencyUnavailableError: also when Ray itself fails.
            MoodSwarmError: a worker raised it.
        """
        with connected(self._workers, self._address):
            from ray.exceptions import RayError

            remaining = iter(windows)
            try:
                while put := _put(remaining):
                    lost = yield from self._results(put)
                    singles = ([item] for window in lost for item in window)
                    while again := _put(singles):
                        yield from map(give_up, (yield from self._results(again)))
            except RayError as error:
                raise DependencyUnavailableError(
                    f"The Ray job failed: {str(error).strip().splitlines()[-1]}. Run it again: what is stored stays. "
                    "FEATURE_ENGINE=local does without Ray."
                ) from error

    def _results(self, put: dict[int, Any]) -> Generator[R, None, list[list[T]]]:
        """Do one job; returns the windows of which nothing came."""
        import ray

        waiting = dict(put)
        batches = self._dataset(put).iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy")
        for batch in batches:
            for number, content in zip(batch["number"], batch["result"], strict=True):
                result = pickle.loads(content)  # noqa: S301 - from our own worker
                if isinstance(result, _Refusal):
                    raise result.error()
                del waiting[int(number)]
                yield result
        if waiting:
            logger.warning("%d of %d windows came to nothing: their workers died or failed", len(waiting), len(put))
        return [_window(ray.get(reference)) for reference in waiting.values()]

    def _dataset(self, put: dict[int, Any]) -> "ray.data.Dataset":
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1  # a window that fails is missed in the results; the others go on
        context.wait_for_min_actors_s = START_SECONDS
        context.execution_no_progress_timeout_s = SILENT_SECONDS
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            # From Ray 2.64 on the number of retries must be told in another way, which the present one does not have.
            warnings.simplefilter("ignore", DeprecationWarning)
            return ray.data.from_arrow_refs(list(put.values())).map_batches(
                _Worker,
                fn_constructor_args=(self._make_worker,),
                batch_size=None,
                batch_format="numpy",
                # One at a time: the windows that wait for a worker must not be lost when it dies.
                compute=ray.data.ActorPoolStrategy(size=self._workers.count, max_tasks_in_flight_per_actor=1),
                num_cpus=self._workers.cpus,
                num_gpus=self._workers.gpus,
                max_task_retries=0,  # by default a window that kills its worker is tried for ever
            )


class _Worker:
    """Lives in a process of Ray's; made anew where that one died."""

    def __init__(self, make_worker: Callable[[], Callable[[list[Any]], Any]]) -> None:
        self._refusal: _Refusal | None = None
        try:
            self._work = make_worker()
        except MoodSwarmError as error:
            self._refusal = _Refusal(type(error), str(error))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        results = [pickle.dumps(self._result(content)) for content in batch["window"]]
        return {"number": list(batch["number"]), "result": results}

    def _result(self, content: bytes) -> Any:
        if self._refusal:
            return self._refusal
        try:
            return self._work(pickle.loads(content))  # noqa: S301 - from our own driver
        except MoodSwarmError as error:
            return _Refusal(type(error), str(error))


def _put(windows: Iterator[list[T]]) -> dict[int, Any]:
    """As many windows as one job takes, each as a block of its own in Ray's object store: references by number."""
    import pyarrow  # type: ignore[import-untyped]
    import ray

    put: dict[int, Any] = {}
    size = 0
    for window in windows:
        content, number = pickle.dumps(window), len(put)
        column = pyarrow.array([content], pyarrow.large_binary())
        put[number] = ray.put(pyarrow.table({"number": [number], "window": column}))
        size += len(content)
        if size >= JOB_BYTES:
            break
    return put


def _window(table: Any) -> list[Any]:
    window: list[Any] = pickle.loads(table["window"][0].as_py())  # noqa: S301 - put there by `_put`
    return window
