"""The commands around features, run as a user runs them, with the real model."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings
from tests.fakes import article

PAGES = [article(f"The loom number {i} weaves flowers and leaves.", f"https://e.com/{i}") for i in range(3)]


class Project:
    """The commands, on a state folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.environment = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
        self.environment |= {
            "LOCAL_STATE_DIR": str(folder),
            "EMBEDDING_PRECISION": "float32",
            "COLUMNS": "150",
            "PYTHONUNBUFFERED": "1",
        }
        self.folder = folder
        self.daemon = MongoDaemon(folder)
        self.documents = MongoDocumentStore(self.daemon.ensure_running().uri, "twin")

    def features(self, flag: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "tools.features", flag],
            cwd=PROJECT_ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def run(self, flag: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "tools.run", flag],
            cwd=PROJECT_ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def follow(self, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "tools.run", "--run-cdc"],
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("features"))
    yield project
    project.documents.close()
    project.daemon.stop()


def wait_for(log: Path, words: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while words not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_follower_runs_until_interrupted_and_says_what_each_batch_did(project: Project, tmp_path: Path) -> None:
    project.documents.upsert(PAGES[:1])
    log = tmp_path / "cdc.log"
    follower = project.follow(log)
    try:
        wait_for(
            log, "1 applied, 0 removed, 0 unchanged, 0 failed, 1 chunks embedded; all documents compared", follower
        )
        project.documents.upsert(PAGES[1:])
        wait_for(log, "2 applied, 0 removed, 0 unchanged, 0 failed, 2 chunks embedded; ", follower)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(60) == 0, log.read_text()
    finally:
        follower.kill()
    assert log.read_text().endswith("Stopped. The next run goes on from here.\n")
    assert "Traceback" not in log.read_text()


def test_the_stores_are_verified_and_another_encoder_gets_an_index_of_its_own(project: Project) -> None:
    project.documents.forget_link(PAGES[0].link)
    changed = project.features("--verify")
    assert changed.returncode == 1
    assert "3 chunks in Qdrant" in changed.stdout
    assert "The stores differ: 1 vanished. Mend it: python -m tools.features --repair" in changed.stderr
    refused = project.run("--run-feature-engineering", SPARSE_LANGUAGE="german")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Switch to them by python -m tools.features --reindex" in refused.stderr
    assert not (project.folder / "zenml").exists(), "ZenML was started all the same"
    other = project.features("--verify", SPARSE_LANGUAGE="german")
    assert other.returncode == 1
    assert "python -m tools.features --reindex" in other.stderr
    made = project.features("--reindex", SPARSE_LANGUAGE="german")
    assert made.returncode == 0, made.stderr
    assert project.features("--verify", SPARSE_LANGUAGE="german").returncode == 0


@pytest.mark.parametrize("flags", [(), ("--verify", "--repair")])
def test_exactly_one_thing_must_be_asked_for(flags: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tools.features", *flags]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "Say one of --inspect, --verify, --repair and --reindex." in result.stderr
