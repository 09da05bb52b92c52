"""A connection to Ray: to a cluster that runs, or to one on this machine that lives as long as the connection."""

import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from secrets import token_hex
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from llm_engineering.domain.errors import ConfigurationError, DependencyUnavailableError, MissingExtraError

logger = logging.getLogger(__name__)

# What waits to be worked on; more than that goes to the disk.
OBJECT_STORE_BYTES = 200 * 2**20
# Ray's own small tasks need a core beside those that the workers hold: without it, both wait for each other for ever.
SPARE_CPUS = 1
# How long to wait where others hold what the workers need.
BUSY_SECONDS = 300.0
LONGEST_FOLDER = 25


@dataclass(frozen=True)
class Workers:
    """How many workers there are and what each of them holds."""

    count: int
    cpus: int = 1
    gpus: int = 0


def workers_here(count: int, uses_gpu: bool) -> Workers:
    """Workers that share the cores of this machine.

    Raises:
        ConfigurationError: there are more workers than cores: each loads a model, and none would get on.
    """
    cores = os.cpu_count() or 1
    if count > cores:
        raise ConfigurationError(f"FEATURE_WORKERS is {count}, this machine has {cores} cores: set {cores} or less.")
    return Workers(count, cores // count, int(uses_gpu))


def environment(address: str | None) -> dict[str, str]:
    """The variables that Ray is to find when it is imported.

    It tells nobody of its use, and the workers share this environment, where `uv run` would have Ray make one for each.
    What is started on this machine answers on the loopback interface alone, and to this process alone.
    """
    values = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",  # else each job writes an error of no consequence to the terminal
    }
    if address is None:
        values |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name it keeps Ray on the loopback on Linux, too
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token_hex(32),
        }
    return values


@contextmanager
def connected(workers: Workers, address: str | None = None) -> Iterator[None]:
    """A connection that is shut down at the end, whatever happens; one that is there already is used, and stays.

    Without an address Ray is started on this machine, with its files in a folder that goes with it. Nobody else can
    use it: it asks for the token of `environment`.

    Raises:
        MissingExtraError: Ray is not installed.
        DependencyUnavailableError: Ray does not start, nobody answers at the address, or others hold all that it has.
        ConfigurationError: there are not enough CPUs or GPUs for all workers: they would wait for ever.
    """
    for package in ("ray", "pyarrow"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "scale", "FEATURE_ENGINE=ray")
    import ray

    if ray.is_initialized():
        _require_room(workers)
        yield
        return
    with TemporaryDirectory(prefix="ray-", dir=_short_folder(), ignore_cleanup_errors=True) as folder:
        try:
            _start(workers, address, folder)
            _require_room(workers)
            yield
        finally:
            ray.shutdown()


def _start(workers: Workers, address: str | None, folder: str) -> None:
    import ray

    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {
            "address": "local",
            "num_cpus": workers.count * workers.cpus + SPARE_CPUS,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": folder,
        }
    where = address or "this machine"
    logger.info("Starting %d workers by Ray on %s", workers.count, where)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(**options, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise DependencyUnavailableError(
            f"Ray on {where} cannot be used: {error}. Check RAY_ADDRESS; for a Ray of its own unset it, and see that "
            "TMPDIR is a short path that can be written to. Or set FEATURE_ENGINE=local."
        ) from error


def _short_folder() -> str:
    """Where temporary files go; Ray adds some 75 characters, and a socket's path may have 103."""
    folder = gettempdir()
    return folder if len(folder) <= LONGEST_FOLDER or os.name != "posix" else "/tmp"  # noqa: S108 - as Ray itself does


def _require_room(workers: Workers) -> None:
    """See that all workers can run, and wait for a while where others hold what they need."""
    import ray

    whole: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    if _room(whole, workers) < workers.count:
        raise ConfigurationError(_too_many(whole, workers, "has"))
    until = time.monotonic() + BUSY_SECONDS
    while True:
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        if _room(free, workers) >= workers.count:
            return
        if time.monotonic() > until:
            raise DependencyUnavailableError(_too_many(free, workers, "is busy, and has free"))
        time.sleep(0.2)


def _room(resources: dict[str, float], workers: Workers) -> int:
    """For how many workers there is room."""
    room = math.floor(resources.get("CPU", 0) - SPARE_CPUS) // workers.cpus
    return min(room, math.floor(resources.get("GPU", 0)) // workers.gpus) if workers.gpus else room


def _too_many(resources: dict[str, float], workers: Workers, has: str) -> str:
    each = f"{workers.cpus} CPUs and {workers.gpus} GPUs"
    return (
        f"FEATURE_WORKERS is {workers.count}, each with {each}, and Ray itself needs {SPARE_CPUS} CPU; Ray {has} "
        f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs. Set FEATURE_WORKERS to at most "
        f"{max(_room(resources, workers), 0)}, or add machines."
    )
