"""The pipelines that make, publish and export datasets, on a real ZenML store, run as a user runs them.

The model is the stand-in of a server, which answers in the form that is asked for with sentences of the extract.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_engineering.bootstrap import Services
from llm_engineering.domain.datasets import DatasetHead, DatasetKind
from llm_engineering.domain.documents import Author, CleanedDocument, RawDocument
from llm_engineering.domain.features import FeatureState, IndexSpec
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings
from tests.fakes import ADA, article
from tests.integration.openai_server import Answer, Asked, OpenAIServer, running, said

DOCUMENTS, SENTENCES = 24, 16
NOUNS = (
    "loom", "engine", "mill", "wheel", "lever", "card", "drum", "spindle", "pattern", "thread", "column", "barrel",
    "gear", "shaft", "table", "ledger",
)  # fmt: skip
VERBS = ("carries", "lifts", "weaves", "turns", "follows", "repeats", "counts", "prints", "stores", "moves", "copies")
PLACES = ("London", "Turin", "Geneva", "Paris", "Lyon", "Oxford", "Dublin", "Vienna", "Prague", "Bergen", "Leiden")
WHENS = ("winter", "autumn", "evening", "morning", "harvest", "parliament", "regatta", "coronation", "festival")


def sentence(words: random.Random) -> str:
    one, two, three, four = words.sample(NOUNS, 4)
    return (
        f"In {words.choice(PLACES)} the {one} {words.choice(VERBS)} the {two} before each {words.choice(WHENS)}, "
        f"while the {three} near {words.choice(PLACES)} {words.choice(VERBS)} number {words.randint(100, 9999)} to "
        f"the {four}."
    )


def documents() -> list[RawDocument]:
    """Articles of enough sentences, no two alike."""
    words = random.Random(5)
    made = []
    for number in range(DOCUMENTS):
        lines = [sentence(words) for _ in range(SENTENCES)]
        paragraphs = (" ".join(lines[start : start + 4]) for start in range(0, SENTENCES, 4))
        made.append(article("\n\n".join(paragraphs), f"https://example.com/{number}", f"Machines, part {number}"))
    return made


def answer(asked: Asked) -> Answer:
    """One sample of two sentences of the extract."""
    extract = re.search(r"<extract[^>]*>\n(.*)\n</extract>", asked.prompt, re.DOTALL)
    if extract is None:
        raise ValueError(f"no extract in {asked.prompt}")
    lines = re.findall(r"In .*?\.", extract[1])
    chosen = " ".join(lines[:2])
    place, number = re.findall(r"In (\w+)", chosen), re.findall(r"number (\d+)", chosen)
    question = f"What happens to number {number[0]} in {place[0]} and to number {number[1]} in {place[1]}?"
    schema = json.dumps(asked.body["response_format"])
    if "rejected" in schema:
        # No two alike, and about as often shorter than the chosen answer as longer.
        words = random.Random(chosen)
        triple = {"instruction": question, "rejected": f"{sentence(words)} {sentence(words)}", "chosen": chosen}
        return Answer(said(json.dumps({"triples": [triple]})))
    return Answer(said(json.dumps({"pairs": [{"instruction": question, "answer": chosen}]})))


@dataclass
class Project:
    """A copy of the project with configurations and a state of its own."""

    folder: Path
    server: OpenAIServer
    zenml_config_path: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def settings(self) -> dict[str, str]:
        return {
            "LOCAL_STATE_DIR": str(self.state),
            "MODELS_DIR": str(PROJECT_ROOT / ".local" / "models"),
            "OPENAI_BASE_URL": self.server.url,
            "OPENAI_MODEL_ID": "gpt-4o-mini",
            "ZENML_CONFIG_PATH": str(self.zenml_config_path),
        }

    def configure(self, name: str, **sections: dict[str, Any]) -> None:
        path = self.folder / "configs" / f"{name}.yaml"
        content = yaml.safe_load(path.read_text())
        for section, values in sections.items():
            content["parameters"][section] |= values
        path.write_text(yaml.safe_dump(content))

    def command(self, module: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        inherited = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
        return subprocess.run(
            [sys.executable, "-m", f"tools.{module}", *arguments],
            cwd=self.folder,
            env=inherited | self.settings() | {"COLUMNS": "150"} | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, zenml_config_path: Path) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    for name in ("configs", "llm_engineering", "pipelines", "steps", "tools"):
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with running(OpenAIServer(answer=answer)) as server:
        project = Project(folder, server, zenml_config_path)
        for kind in ("instruct", "preference"):
            project.configure(
                f"generate_{kind}_datasets", generation={"samples_per_extract": 1}, split={"test_size": 0.25}
            )
        yield project
    MongoDaemon(project.state).stop()


@pytest.fixture(scope="module")
def stocked(project: Project) -> Project:
    """The documents stand in the stores, as the feature pipeline leaves them."""
    raw = documents()
    values: dict[str, Any] = {"_env_file": None, **project.settings()}
    with Services(Settings(**values)) as services:
        services.documents.get_or_create_author(ADA.full_name)
        services.documents.upsert(raw)
        spec = IndexSpec(model_id="m", revision="1", precision="float32", dimension=3, sparse_encoder="words")
        services.vectors.prepare(spec)
        services.vectors.upsert_documents([(_cleaned(one), _state(one)) for one in raw])
    return project


def _cleaned(raw: RawDocument) -> CleanedDocument:
    author = Author.named(raw.author_full_name)
    return CleanedDocument(
        id=raw.id,
        category=raw.category,
        platform=raw.platform,
        link=raw.link,
        author_id=author.id,
        author_full_name=author.full_name,
        title=raw.title,
        text=raw.content,
        language="en",
    )


def _state(raw: RawDocument) -> FeatureState:
    return FeatureState(feature_hash="h", chunk_count=0, category=raw.category)


def revision(project: Project) -> str:
    return (project.state / "hub" / "datasets" / "moodswarm" / "twin" / "refs" / "main").read_text().strip()


def rows(project: Project) -> list[list[dict[str, Any]]]:
    """What the newest revision trains and tests on."""
    snapshot = project.state / "hub" / "datasets" / "moodswarm" / "twin" / "snapshots" / revision(project)
    files = (snapshot / "data" / f"{split}.jsonl" for split in ("train", "test"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def kept_dataset(project: Project, kind: DatasetKind) -> Path:
    """The folder of ZenML's newest artifact of this kind."""
    [artifact] = project.zenml_config_path.rglob(f"generate_dataset/{kind.artifact_name}")
    newest = max(artifact.rglob("report.json"), key=lambda path: path.stat().st_mtime)
    return newest.parent


def test_a_dry_run_says_what_a_run_would_ask_and_cost_and_asks_nothing(stocked: Project) -> None:
    flags = ("--run-generate-instruct-datasets", "--run-generate-preference-datasets", "--dry-run")
    done = stocked.command("run", *flags, "--budget", "0.000001")
    assert done.returncode == 0, done.stderr
    assert f"Estimate of the instruct dataset: {DOCUMENTS} requests to gpt-4o-mini, 0 of them answered" in done.stdout
    assert "Estimate of the preference dataset" in done.stdout
    assert done.stdout.count("A run would be refused: ") == 2
    assert f"as moodswarm/twin in {stocked.state}/hub" in done.stdout
    assert stocked.server.asked == []


def test_what_could_cost_more_than_the_budget_is_refused_before_anything_is_asked(stocked: Project) -> None:
    done = stocked.command("run", "--run-generate-instruct-datasets", "--budget", "0.000001")
    assert done.returncode == 2
    assert "more than the budget of $0.0000" in done.stderr
    assert stocked.server.asked == []


def test_a_dataset_is_published_and_exported_and_what_is_not_there_yet_makes_the_export_red(stocked: Project) -> None:
    output = stocked.folder / "out"
    names = ["raw_documents", "cleaned_documents", "instruct_datasets", "preference_datasets"]
    parameters = {"artifact_names": names, "output_dir": str(output)}
    (stocked.folder / "configs" / "export_artifact_to_json.yaml").write_text(yaml.safe_dump({"parameters": parameters}))
    flags = ("--run-generate-instruct-datasets", "--run-export-artifact-to-json")
    done = stocked.command("run", *flags, "--budget", "5")

    assert len(stocked.server.asked) == DOCUMENTS
    assert "Estimate of the instruct dataset" in done.stdout
    assert "May be published" in done.stdout
    assert f"Published: moodswarm/twin@{revision(stocked)} in {stocked.state}/hub" in done.stdout
    train, test = rows(stocked)
    assert all({"instruction", "output"} <= row.keys() for row in train + test)
    assert {row["document_id"] for row in train}.isdisjoint({row["document_id"] for row in test})

    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert "Not there to be exported: preference_datasets: Make the dataset: python -m tools.run --run-gen" in told
    assert {path.stem for path in output.iterdir()} == {*names} - {"preference_datasets"}
    exported = json.loads((output / "instruct_datasets.json").read_text())
    for half, split in ((train, "train"), (test, "test")):
        assert {s["id"] for s in exported[split]["articles"]["samples"]} == {row["id"] for row in half}
    for name in ("raw_documents", "cleaned_documents"):
        assert len(json.loads((output / f"{name}.json").read_text())["artifact_data"]) == DOCUMENTS


def test_the_same_again_asks_nothing_and_a_gate_that_fails_is_red_with_the_dataset_kept(stocked: Project) -> None:
    published = rows(stocked)
    stocked.server.asked.clear()
    stocked.configure("generate_preference_datasets", quality={"min_samples": 1000})
    flags = ("--run-generate-instruct-datasets", "--run-generate-preference-datasets")
    done = stocked.command("run", *flags)
    assert rows(stocked) == published
    assert all("rejected" in json.dumps(asked.body) for asked in stocked.server.asked)
    assert len(stocked.server.asked) == DOCUMENTS

    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert "The dataset is not published, for it is not good enough (enough samples: " in told
    assert "wanted at least 1000" in told
    assert "May not be published; checks that failed: 1" in told
    assert "publish_dataset" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (stocked.state / "hub" / "datasets" / "moodswarm" / "twin-preferences").exists()

    kept = kept_dataset(stocked, DatasetKind.PREFERENCE)
    head = DatasetHead.model_validate_json((kept / "report.json").read_bytes())
    assert [check.name for check in head.report.gate if not check.passed] == ["enough samples"]
    samples = b"".join((kept / f"{split}.jsonl").read_bytes() for split in ("train", "test"))
    assert DOCUMENTS >= len(samples.splitlines()) >= 20
