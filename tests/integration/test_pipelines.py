"""The pipelines on a real ZenML store, run as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_engineering.domain.datasets import DatasetKind
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings
from tests.sample_datasets import dataset
from tests.unit.test_pipeline_configs import OPTIONS
from tools._pipeline_configs import CONFIGS, PARAMETERS

# Prints what a run left in ZenML's store; the variables say which store.
_INSPECT = """
import json, sys
from zenml.client import Client
dumped = lambda value: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
run = Client().get_pipeline_run(Client().list_pipeline_runs(sort_by="desc:created").items[0].id)
print(json.dumps({"name": run.name, "status": run.status.value, "steps": {
    name: {
        "status": step.status.value, "metadata": step.run_metadata,
        "artifacts": {key: dumped(values[0].load()) for key, values in step.outputs.items()},
    } for name, step in run.steps.items()
}}))
"""


class Project:
    """The commands, on a state folder of their own."""

    def __init__(self, folder: Path, zenml_config_path: Path) -> None:
        self.folder = folder
        self.zenml_config_path = zenml_config_path
        settings = set(Settings.model_fields)
        self.environment = {name: value for name, value in os.environ.items() if name not in settings}
        self.environment |= {"LOCAL_STATE_DIR": str(folder / "state"), "COLUMNS": "150"}
        self.environment["ZENML_CONFIG_PATH"] = str(zenml_config_path)
        self.environment["MODELS_DIR"] = str(PROJECT_ROOT / ".local" / "models")
        self.environment["CRAWL_ALLOWED_PATHS"] = str(folder)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def etl(self, links: list[str], *flags: str) -> "subprocess.CompletedProcess[str]":
        config = self.folder / "links.yaml"
        config.write_text(yaml.safe_dump({"parameters": {"user_full_name": "Ada Lovelace", "links": links}}))
        return self.command("-m", "tools.run", "--run-etl", "--etl-config-filename", str(config), *flags)

    def last_run(self) -> Any:
        return self.zenml("-c", _INSPECT)

    def zenml(self, *arguments: str) -> Any:
        """What a program prints last, as JSON, that works on this project's ZenML store."""
        environment = {**self.environment, "ZENML_CUSTOM_SOURCE_ROOT": str(PROJECT_ROOT)}
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT_ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, zenml_config_path: Path) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    yield Project(folder, zenml_config_path)
    MongoDaemon(folder / "state").stop()


@pytest.fixture(scope="module")
def notes(project: Project) -> Path:
    notes = project.folder / "notes"
    notes.mkdir()
    (notes / "engine.md").write_text("# The engine\n\nThe analytical engine weaves algebraic patterns.\n")
    (notes / "loom.md").write_text("# The loom\n\nThe loom weaves flowers and leaves.\n")
    return notes


@pytest.fixture(scope="module")
def first_run(project: Project, notes: Path) -> "subprocess.CompletedProcess[str]":
    """What a run of three pipelines told: on empty stores, with a link that cannot be read."""
    return project.etl([str(notes), "/not/there"], "--run-feature-engineering", "--run-smoke-test")


def test_several_flags_run_in_the_natural_order_and_the_next_run_does_what_changed(
    project: Project, notes: Path, first_run: "subprocess.CompletedProcess[str]"
) -> None:
    assert first_run.returncode == 0, first_run.stderr
    # ZenML logs to standard output.
    places = [first_run.stdout.index(name) for name in ("smoke_test", "digital_data_etl", "feature_engineering")]
    assert places == sorted(places)
    assert "Failed: /not/there: /not/there lies in no folder that may be read" in first_run.stdout

    features = project.last_run()
    assert features["name"].startswith("feature_engineering_run_20")
    metadata = features["steps"]["sync_features"]["metadata"]
    assert metadata["articles"]["new"] == 2
    assert metadata["chunks_embedded"] == 2
    artifacts = features["steps"]["sync_features"]["artifacts"]
    articles = artifacts["feature_report"]["categories"]["articles"]
    assert [articles[name] for name in ("new", "changed", "unchanged", "failed")] == [2, 0, 0, 0]
    assert "The analytical engine weaves algebraic patterns." in artifacts["chunk_report"]

    (notes / "loom.md").unlink()
    second = project.etl([str(notes)], "--run-feature-engineering")
    assert second.returncode == 0, second.stderr
    assert "Loading the embedding model" not in second.stdout
    metadata = project.last_run()["steps"]["sync_features"]["metadata"]
    assert [metadata["articles"][name] for name in ("new", "unchanged", "removed")] == [0, 1, 1]
    assert metadata["chunks_embedded"] == 0


def test_a_step_whose_links_all_failed_is_red_and_says_why_in_one_line(project: Project) -> None:
    result = project.etl([str(project.folder / "not-there"), "http://127.0.0.1:9/x"], "--no-cache")
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert "0% of what was to be crawled could be read, the minimum is 50%" in result.stdout
    assert "--import-raw-data" in result.stdout
    assert "Crawled for Ada Lovelace" in result.stdout
    assert "Failed: http://127.0.0.1:9/x: 127.0.0.1 is not a public address." in result.stdout
    assert result.stderr.startswith("Error: ")
    run = project.last_run()
    assert run["status"] == "failed"
    assert run["steps"]["get_or_create_user"]["artifacts"]["user"]["last_name"] == "Lovelace"
    crawl = run["steps"]["crawl_links"]
    assert crawl["status"] == "failed"
    assert crawl["metadata"]["success_rate"] == 0
    assert crawl["metadata"]["documents"]["failed"] == 2
    assert set(crawl["metadata"]["failures"]) == {str(project.folder / "not-there"), "http://127.0.0.1:9/x"}


def test_settings_go_into_a_zenml_secret_and_come_back_from_it(project: Project) -> None:
    project.environment |= {"DATABASE_NAME": "elsewhere", "OPENAI_API_KEY": "sk-secret123"}
    try:
        exported = project.command("-m", "tools.run", "--export-settings")
    finally:
        del project.environment["DATABASE_NAME"], project.environment["OPENAI_API_KEY"]
    assert exported.returncode == 0, exported.stderr
    assert "DATABASE_NAME, OPENAI_API_KEY" in exported.stdout
    assert "sk-secret123" not in exported.stdout + exported.stderr

    read = (
        "from llm_engineering.bootstrap import current_settings; s = current_settings();"
        "print(s.DATABASE_NAME, s.OPENAI_API_KEY.get_secret_value(), s.QDRANT_APIKEY, s.QDRANT_DATABASE_HOST)"
    )
    project.environment["SETTINGS_SECRET"] = "settings"
    try:
        result = project.command("-c", read)
        project.environment["SETTINGS_SECRET"] = "no_such_secret"
        missing = project.command("-m", "tools.rag", "--query", "why")
    finally:
        del project.environment["SETTINGS_SECRET"]
    assert result.stdout.splitlines()[-1] == "elsewhere sk-secret123 None None"
    assert missing.returncode == 2
    assert "no such secret" in missing.stderr


@pytest.fixture(scope="module")
def signatures(project: Project) -> Any:
    """The names of each pipeline's parameters, by pipeline."""
    code = (
        "import inspect, json; from importlib import import_module;"
        f"pipelines = {{name: getattr(import_module('pipelines.' + name), name) for name in {list(PARAMETERS)}}};"
        "print(json.dumps({name: list(inspect.signature(p.entrypoint).parameters) for name, p in pipelines.items()}))"
    )
    return project.zenml("-c", code)


@pytest.mark.parametrize(
    "path", [path for path in sorted(CONFIGS.glob("*.yaml")) if path.stem not in OPTIONS], ids=lambda path: path.stem
)
def test_each_configuration_binds_to_its_pipelines_signature(path: Path, signatures: dict[str, list[str]]) -> None:
    name = next(name for name in PARAMETERS if path.stem.startswith(name))
    parameters = yaml.safe_load(path.read_text())["parameters"]
    assert set(parameters) <= set(signatures[name])
    assert set(PARAMETERS[name].model_fields) <= set(signatures[name])


def test_what_ends_up_as_an_artifact_is_a_report_and_no_text_of_a_document(
    project: Project, first_run: "subprocess.CompletedProcess[str]"
) -> None:
    assert first_run.returncode == 0, first_run.stderr
    stored = b"".join(path.read_bytes() for path in project.zenml_config_path.rglob("*.json"))
    assert b"Ada Lovelace" in stored
    assert b"algebraic patterns" not in stored


def test_a_dataset_is_an_artifact_of_json_lines_that_loads_as_it_was_made(project: Project) -> None:
    left = project.zenml("-m", "tests.integration.dataset_run")
    made = dataset(DatasetKind.PREFERENCE)
    assert left["equal"]
    assert (left["count"], left["type"]) == (3, "DataArtifact")
    folder = Path(left["uri"])
    assert {path.name for path in folder.iterdir()} == {
        "train.jsonl",
        "test.jsonl",
        "dropped.jsonl",
        "report.json",
        "report.html",
    }
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert [row["answer"] for row in rows] == [sample.answer for sample in made.train]
    assert json.loads((folder / "dropped.jsonl").read_text())["reason"] == "answer too short"
    assert left["visualizations"] == [["html", str(folder / "report.html")]]
    assert "It weaves algebraic patterns." in (folder / "report.html").read_text(encoding="utf-8")
    assert left["metadata"]["version"] == made.version
    assert left["metadata"]["gate"] == "passed"
    assert left["metadata"]["dropped"] == "{'rules: answer too short': 1}"
