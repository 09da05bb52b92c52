"""The commands that make, show and publish datasets: what they check before they start anything, and what they say."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from rich.console import Console

from llm_engineering.application.dataset.publishing import publish_dataset
from llm_engineering.application.dataset.splitting import split_of
from llm_engineering.bootstrap import Services
from llm_engineering.bootstrap_datasets import DatasetRun
from llm_engineering.domain.dataset_options import DatasetOptions, PublishOptions, SplitOptions
from llm_engineering.domain.dataset_reports import GateCheck
from llm_engineering.domain.datasets import DatasetKind, Source, TrainTestSplit
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import (
    BudgetTooSmallError,
    InvalidDatasetError,
    InvalidQuestionSetError,
    PipelineConfigError,
    QualityGateError,
    SettingsError,
    TooLittleDataError,
    UnknownAuthorError,
)
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.generation import Generation, GenerationReport
from llm_engineering.domain.hub import HubReference
from llm_engineering.infrastructure.hub.local import LocalHub
from llm_engineering.settings import Settings
from tests.fakes import (
    ADA,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    cleaned,
    spec_of,
)
from tests.sample_datasets import dataset, report
from tools import dataset_inspect, dataset_publish
from tools import run as runner
from tools._dataset_report import print_dataset
from tools._datasets import Plan, plans_of, with_budget
from tools._pipeline_configs import CONFIGS, check_config

INSTRUCT, PREFERENCE = "generate_instruct_datasets", "generate_preference_datasets"
FAILED = GateCheck(name="enough samples", passed=False, measured="3 samples", wanted="at least 20")
ROWS = [
    {"instruction": "What does the engine weave?", "output": "It weaves algebraic patterns."},
    {"instruction": "What does the loom weave?", "output": "It weaves flowers and leaves."},
]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's settings or state."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCAL_STATE_DIR", str(tmp_path / "state"))


def invoke(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


class NoGenerations:
    """Nothing was answered before."""

    def stored(self, keys: Any) -> dict[str, Generation]:
        return {}

    def store(self, generations: Any) -> None:
        raise AssertionError("nothing may be asked")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Services with stores in memory, and a remote model that has a price; two articles are stored."""
    values: dict[str, Any] = {"OPENAI_API_KEY": "sk-x", "OPENAI_MODEL_ID": "gpt-4o-mini", "LOCAL_STATE_DIR": tmp_path}
    with Services(Settings(_env_file=None, **values)) as services:
        vectors, documents = MemoryVectorStore(), MemoryDocumentStore()
        vectors.prepare(spec_of(WordEmbedder()))
        text = "# The engine\n\n" + "\n\n".join(
            f"The engine number {i} weaves algebraic patterns, as the loom weaves flowers and leaves in silk and wool, "
            f"and nobody in the whole of London has ever seen the like of it before that day." * 2
            for i in range(30)
        )
        # One for each split.
        halves = {split_of(Source.of(one), SplitOptions()): one for one in (cleaned(text, f"e-{i}") for i in range(20))}
        vectors.upsert_documents(
            [(one, FeatureState(feature_hash="h", chunk_count=1, category=one.category)) for one in halves.values()]
        )
        documents.get_or_create_author(ADA.full_name)
        parts = {
            "documents": documents, "vectors": vectors, "generations": NoGenerations(), "progress": SilentProgress()
        }  # fmt: skip
        vars(services).update(parts)
        yield services


def options(**generation: Any) -> DatasetOptions:
    return DatasetOptions.model_validate({"generation": generation})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dry-run"], "Say what to run"),
        (["--run-etl", "--budget", "3"], "--budget is for datasets"),
        (["--run-etl", "--dry-run"], "--dry-run is for datasets alone"),
        (["--run-generate-instruct-datasets", "--run-etl", "--dry-run"], "--dry-run is for datasets alone"),
        (["--run-generate-instruct-datasets", "--run-cdc", "--dry-run"], "--dry-run is for datasets alone"),
        (["--run-generate-instruct-datasets", "--budget", "-1"], "not in the range"),
        (["--run-generate-instruct-datasets", "--budget", "much"], "not a valid float"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(arguments: list[str], told: str, tmp_path: Path) -> None:
    result = invoke(runner.main, *arguments)
    assert (result.exit_code, told in result.output) == (2, True), result.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("budget", ["nan", "inf"])
def test_a_budget_that_is_no_number_is_refused(tmp_path: Path, budget: str) -> None:
    result = invoke(runner.main, "--run-generate-instruct-datasets", "--budget", budget)
    assert result.exit_code == 2
    assert f"budget_usd is {budget}, expected a finite number" in result.output
    assert not (tmp_path / "state").exists()


def test_the_flags_stand_in_the_order_of_the_data() -> None:
    text = invoke(runner.main, "--help").output
    flags = ("--run-etl", "--run-feature-engineering", f"--run-{INSTRUCT}", f"--run-{PREFERENCE}", "--run-export")
    places = [text.index(flag.replace("_", "-")) for flag in flags]
    assert places == sorted(places)


def test_a_budget_goes_into_a_copy_of_each_datasets_configuration(tmp_path: Path) -> None:
    configs = {name: CONFIGS / f"{name}.yaml" for name in (INSTRUCT, "feature_engineering", PREFERENCE)}
    budgeted = with_budget(configs, 2.5, tmp_path)
    assert budgeted["feature_engineering"] == configs["feature_engineering"]
    for name in (INSTRUCT, PREFERENCE):
        shipped, copied = (yaml.safe_load(paths[name].read_text()) for paths in (configs, budgeted))
        assert shipped["parameters"]["generation"].pop("budget_usd") is None
        assert copied["parameters"]["generation"].pop("budget_usd") == 2.5
        assert shipped == copied
    assert {plan.options.generation.budget_usd for plan in plans_of(budgeted).values()} == {2.5}


@pytest.mark.parametrize("text", ["parameters:\n", "parameters: {generation: null}\n", "enable_cache: false\n"])
def test_a_budget_goes_into_a_configuration_that_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "copies").mkdir()
    budgeted = with_budget({INSTRUCT: tmp_path / "mine.yaml"}, 0.0, tmp_path / "copies")
    assert Plan.of(INSTRUCT, budgeted[INSTRUCT]).options.generation.budget_usd == 0.0


@pytest.mark.parametrize("kind", list(DatasetKind))
def test_the_configurations_that_are_shipped_spell_out_the_defaults(kind: DatasetKind) -> None:
    plan = Plan.of(f"generate_{kind}_datasets", CONFIGS / f"generate_{kind}_datasets.yaml")
    assert (plan.kind, plan.options) == (kind, DatasetOptions())
    assert plan.publish == PublishOptions(dataset_id=plan.publish.dataset_id)
    written = yaml.safe_load((CONFIGS / f"generate_{kind}_datasets.yaml").read_text())["parameters"]
    assert set(written["generation"]) == set(type(plan.options.generation).model_fields)
    assert set(written["split"]) == set(type(plan.options.split).model_fields)


@pytest.mark.parametrize(
    ("pipeline", "parameters", "problem"),
    [
        (INSTRUCT, "{generation: {max_extract: 3}}", "unknown key parameters.generation.max_extract"),
        (INSTRUCT, "{generation: {concurrency: 0}}", "parameters.generation.concurrency is 0"),
        (INSTRUCT, "{generation: {min_extract_characters: 3000}}", "min_extract_characters not above max_extract"),
        (INSTRUCT, "{quality: {min_answer_characters: 5000}}", "min_answer_characters not above max_answer"),
        (PREFERENCE, "{split: {test_size: 1}}", "parameters.split.test_size is 1"),
        (PREFERENCE, "{publish: {dataset_id: twin}}", "parameters.publish.dataset_id is 'twin'"),
        *(
            (INSTRUCT, f"{{publish: {{dataset_id: '{name}'}}}}", f"parameters.publish.dataset_id is '{name}'")
            for name in ("_me/twin", "../x", "me/_t", "me/..", "me/twin@main", "me/a--b", "me/a.git", "me/twin-")
        ),
        (INSTRUCT, "{mock: true}", "unknown key parameters.mock"),
        ("export_artifact_to_json", "{artifact_names: [users]}", "parameters.artifact_names.0 is 'users'"),
        ("export_artifact_to_json", "{artifact_names: []}", "parameters.artifact_names is empty"),
    ],
)
def test_a_wrong_option_is_named_by_its_place(tmp_path: Path, pipeline: str, parameters: str, problem: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"parameters: {parameters}\n")
    with pytest.raises(PipelineConfigError, match=problem.replace(".", r"\.")):
        check_config(pipeline, str(tmp_path / "mine.yaml"))


def test_what_would_stop_a_run_is_told_before_it(services: Services) -> None:
    run = DatasetRun(services)
    run.check(options(budget_usd=1.0), PublishOptions())
    with pytest.raises(SettingsError, match="HUGGINGFACE_ACCESS_TOKEN"):
        run.check(options(), PublishOptions(push_to_huggingface=True))
    with pytest.raises(InvalidQuestionSetError, match=r"nowhere\.jsonl"):
        run.check(DatasetOptions.model_validate({"quality": {"question_sets": ["nowhere.jsonl"]}}), PublishOptions())
    services.settings.OPENAI_MODEL_ID = "of-my-own"
    with pytest.raises(PipelineConfigError, match=r"prices\.yaml.*'of-my-own'"):
        run.check(options(budget_usd=1.0), PublishOptions())
    run.check(options(), PublishOptions())


def test_a_run_is_estimated_without_asking(services: Services) -> None:
    estimate = DatasetRun(services).estimate(DatasetKind.INSTRUCT, options())
    assert (estimate.model_id, estimate.reused) == ("gpt-4o-mini", 0)
    assert estimate.tasks > 0
    # The price of the table: 0.15 dollars a million tokens to send, 0.60 to get.
    cost = (0.15 * estimate.prompt_tokens + 0.60 * estimate.completion_tokens) / 1_000_000
    assert estimate.cost_usd == pytest.approx(cost)


def test_judging_is_in_the_estimate(services: Services) -> None:
    run = DatasetRun(services)
    alone = run.estimate(DatasetKind.INSTRUCT, options(samples_per_extract=3))
    judged = run.estimate(DatasetKind.INSTRUCT, options(samples_per_extract=3, judge=True))
    assert judged.tasks == alone.tasks * (1 + 3)
    assert judged.prompt_tokens > alone.prompt_tokens * 3


def test_what_could_cost_more_than_the_budget_is_not_begun(services: Services) -> None:
    with pytest.raises(BudgetTooSmallError, match=r"budget of \$0\.0001"):
        DatasetRun(services).generate(DatasetKind.INSTRUCT, options(budget_usd=0.0001))


def test_an_author_of_whom_nothing_is_stored_is_told_with_those_that_are(services: Services) -> None:
    services.documents.get_or_create_author(Author.named("Charles Babbage").full_name)
    with pytest.raises(UnknownAuthorError, match=r"'Ada Lovelase'\. Known authors: Ada Lovelace, Charles"):
        DatasetRun(services).estimate(DatasetKind.INSTRUCT, options(author_full_names=["Ada Lovelase"]))


def test_only_the_named_authors_and_categories_are_read(services: Services) -> None:
    services.documents.get_or_create_author("Charles Babbage")
    run = DatasetRun(services)
    assert run.estimate(DatasetKind.INSTRUCT, options(author_full_names=["Ada Lovelace"])).tasks > 0
    for nothing in (options(author_full_names=["Charles Babbage"]), options(categories=["posts"])):
        with pytest.raises(TooLittleDataError, match="no cleaned documents"):
            run.estimate(DatasetKind.INSTRUCT, nothing)


def test_a_split_that_would_be_empty_is_told_with_the_estimate(services: Services) -> None:
    tiny = DatasetOptions.model_validate({"split": {"test_size": 0.0001}})
    with pytest.raises(TooLittleDataError, match=r"Set split\.test_size to 0\.\d+ or more"):
        DatasetRun(services).estimate(DatasetKind.INSTRUCT, tiny)


def test_a_dataset_is_published_to_the_local_hub_and_read_back(services: Services) -> None:
    run, made = DatasetRun(services), dataset()
    published = run.publish(made, PublishOptions(dataset_id="ada/engine"))
    assert published.revision is not None
    assert {file.path: file.rows for file in published.files} == {
        "README.md": None, "data/test.jsonl": 1, "data/train.jsonl": 2, "report.json": None
    }  # fmt: skip
    again = run.read(HubReference(repository_id="ada/engine", revision=published.revision))
    assert (again.train, again.test, again.dropped) == (made.train, made.test, [])
    assert run.find("ada/engine").version == made.version
    assert run.publish(made, PublishOptions(dataset_id="ada/engine")).revision == published.revision


def test_a_dataset_that_fails_the_gate_is_published_nowhere_and_the_check_is_named(tmp_path: Path) -> None:
    poor = dataset().model_copy(update={"report": report(gate=[FAILED])})
    with pytest.raises(QualityGateError, match=r"enough samples: 3 samples, wanted at least 20"):
        publish_dataset(poor, LocalHub(tmp_path / "hub"), PublishOptions())
    shown = publish_dataset(poor, LocalHub(tmp_path / "hub"), PublishOptions(), dry_run=True)
    assert (shown.revision, shown.failed) == (None, [FAILED])
    assert not (tmp_path / "hub").exists()


def test_a_dataset_that_was_never_checked_is_not_published(tmp_path: Path) -> None:
    unchecked = dataset().model_copy(update={"report": report(gate=[])})
    with pytest.raises(QualityGateError, match="never checked"):
        publish_dataset(unchecked, LocalHub(tmp_path), PublishOptions())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Somebody's dataset: a file a split."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for split, rows in (("train", ROWS[:1]), ("test", ROWS[1:])):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines)
    return folder


def test_a_run_tells_how_many_tasks_gave_nothing() -> None:
    asked = GenerationReport(model_id="gpt-4o-mini", tasks=9, asked=9, answered=3, malformed=2, refused=1, failed=3)
    console = Console(file=io.StringIO(), width=200)
    print_dataset(dataset().model_copy(update={"report": report(generation=asked)}), console)
    assert isinstance(console.file, io.StringIO)
    assert "3 answered, 0 of them the second time, 2 malformed, 1 refused, 3 failed;" in console.file.getvalue()


def test_anybodys_files_can_be_looked_at(files: Path) -> None:
    shown = invoke(dataset_inspect.main, "stats", str(files))
    assert shown.exit_code == 0, shown.output
    figures = json.loads(invoke(dataset_inspect.main, "stats", str(files), "--json").output)
    assert {split: part["samples"] for split, part in figures["splits"].items()} == {"train": 1, "test": 1}


def test_samples_are_drawn_from_a_split(files: Path) -> None:
    shown = invoke(dataset_inspect.main, "samples", str(files), "--split", "test")
    assert shown.exit_code == 0, shown.output
    assert "It weaves flowers and leaves." in shown.output
    assert "algebraic" not in shown.output
    drawn = invoke(dataset_inspect.main, "samples", str(files), "--split", "train", "--json").output
    assert json.loads(drawn)["answer"] == "It weaves algebraic patterns."


def test_doubts_end_with_exit_code_1(files: Path) -> None:
    (files / "test.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    result = invoke(dataset_inspect.main, "quality", str(files))
    assert (result.exit_code, "instruction in both splits" in result.output) == (1, True)
    found = json.loads(invoke(dataset_inspect.main, "quality", str(files), "--json").output)
    assert {"instruction in both splits", "answer in both splits"} <= {
        d["check"] for d in found["doubts"] if d["found"]
    }


def test_what_moved_between_the_splits_ends_with_exit_code_1(files: Path, tmp_path: Path) -> None:
    assert invoke(dataset_inspect.main, "compare", str(files), str(files)).exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    result = invoke(dataset_inspect.main, "compare", str(files), str(other))
    assert (result.exit_code, "MOVED: What does the engine weave?" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere/at-all", "nowhere/at-all"),
        ("no dataset", "OWNER/NAME"),
        ("nowhere.jsonl", "OWNER/NAME"),
    ],
)
def test_a_dataset_that_is_not_there_is_one_line(
    name: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUGGINGFACE_ENDPOINT", "http://127.0.0.1:9")
    result = invoke(dataset_inspect.main, "stats", name)
    assert result.exit_code in (1, 2)
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def publishing(monkeypatch: pytest.MonkeyPatch, made: TrainTestSplit | None) -> None:
    """As if the last run had made this."""
    monkeypatch.setattr(DatasetRun, "latest", lambda self, kind: made)


def test_the_latest_dataset_is_published_to_the_local_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    publishing(monkeypatch, dataset())
    result = invoke(dataset_publish.main, "instruct", "--dataset-id", "ada/engine")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "state" / "hub" / "datasets" / "ada" / "engine" / "refs" / "main").is_file()


def test_a_dry_run_shows_what_would_go_where_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUGGINGFACE_ACCESS_TOKEN", "hf_secret")
    monkeypatch.setenv("HUGGINGFACE_ENDPOINT", "http://127.0.0.1:9")
    publishing(monkeypatch, dataset())
    arguments = ["instruct", "--dataset-id", "ada/engine", "--push-to-huggingface", "--license", "mit", "--dry-run"]
    result = invoke(dataset_publish.main, *arguments)
    assert result.exit_code == 0, result.output
    for told in ("ada/engine", "127.0.0.1:9", "private", "data/train.jsonl", "enough samples", "license: mit"):
        assert told in result.output
    assert "hf_secret" not in result.output
    assert ", public" in invoke(dataset_publish.main, *arguments, "--public").output
    assert not (tmp_path / "state" / "hub").exists()


def test_a_dry_run_of_what_would_be_refused_shows_it_and_ends_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publishing(monkeypatch, dataset().model_copy(update={"report": report(gate=[FAILED])}))
    result = invoke(dataset_publish.main, "instruct", "--dry-run")
    assert (result.exit_code, "data/train.jsonl" in result.output) == (1, True)
    assert "enough samples: 3 samples, wanted at least 20" in result.stderr


def test_publishing_needs_a_dataset_a_token_and_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    publishing(monkeypatch, None)
    none = invoke(dataset_publish.main, "preference")
    assert (none.exit_code, "--run-generate-preference-datasets" in none.stderr) == (2, True)
    without_token = invoke(dataset_publish.main, "instruct", "--push-to-huggingface")
    assert (without_token.exit_code, "HUGGINGFACE_ACCESS_TOKEN" in without_token.stderr) == (2, True)
    assert invoke(dataset_publish.main, "instruct", "--dataset-id", "engine").exit_code == 2


@pytest.mark.parametrize(
    ("flags", "push", "private", "license_"),
    [
        ([], True, False, "mit"),
        (["--local", "--private", "--license", "other"], False, True, "other"),
        (["--push-to-huggingface", "--public"], True, False, "mit"),
    ],
)
def test_what_no_flag_says_stays_as_the_configuration_has_it(
    flags: list[str], push: bool, private: bool, license_: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configured = {"dataset_id": "ada/engine", "push_to_huggingface": True, "private": False, "license": "mit"}
    (tmp_path / f"{INSTRUCT}.yaml").write_text(yaml.safe_dump({"parameters": {"publish": configured}}))
    monkeypatch.setattr("tools._pipeline_configs.CONFIGS", tmp_path)
    publishing(monkeypatch, dataset())
    asked: list[PublishOptions] = []

    def build(_: Settings, options: PublishOptions) -> LocalHub:
        asked.append(options)
        return LocalHub(tmp_path / "hub")

    monkeypatch.setattr("llm_engineering.bootstrap_datasets.build_hub", build)
    result = invoke(dataset_publish.main, "instruct", "--dry-run", *flags)
    assert result.exit_code == 0, result.output
    expected = PublishOptions(dataset_id="ada/engine", push_to_huggingface=push, private=private, license=license_)
    assert asked
    assert all(options == expected for options in asked)


def test_a_kind_that_was_never_made_is_told_with_what_to_run(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing(monkeypatch, None)
    with pytest.raises(InvalidDatasetError, match="--run-generate-instruct-datasets"):
        DatasetRun(services).find("instruct")
