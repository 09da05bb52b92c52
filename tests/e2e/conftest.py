"""The quickstart, run once for all tests that begin where it ends."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings
from tests.e2e.commands import run


@dataclass(frozen=True)
class Quickstart:
    """What `make quickstart` printed up to its questions, and where it ran."""

    environment: dict[str, str]
    up: str
    first_run: str


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstart]:
    """The embedded stack, with this project crawled and its features made."""
    state = tmp_path_factory.mktemp("quickstart") / "state"
    inherited = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    environment = {
        **inherited,
        "LOCAL_STATE_DIR": str(state),
        "MODELS_DIR": str(PROJECT_ROOT / ".local" / "models"),
        "COLUMNS": "150",
        "CRAWL_ALLOWED_PATHS": str(PROJECT_ROOT),
    }
    try:
        up = run(environment, "tools.local_stack", "up").stdout
        yield Quickstart(environment, up, run(environment, "tools.run", "--run-end-to-end-data").stdout)
    finally:
        MongoDaemon(state).stop()


@pytest.fixture(scope="session")
def environment(quickstart: Quickstart) -> dict[str, str]:
    """The settings of the quickstart's run."""
    return quickstart.environment
