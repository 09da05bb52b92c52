"""The pipelines' YAML files are checked before anything is started."""

import ast
from pathlib import Path

import pytest

from llm_engineering.domain.errors import PipelineConfigError
from llm_engineering.settings import PROJECT_ROOT
from tools._pipeline_configs import CONFIGS, PARAMETERS, check_config

ETL = "digital_data_etl"
# Read by the services whatever pipeline runs.
OPTIONS = {"chunking", "prices", "retrieval"}


def refused(tmp_path: Path, pipeline: str, text: str | bytes) -> str:
    """The message about a file with this text."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PipelineConfigError) as caught:
        check_config(pipeline, str(path))
    message = str(caught.value)
    assert "mine.yaml" in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("pipeline", sorted(PARAMETERS))
def test_a_configuration_that_is_shipped_is_right(pipeline: str) -> None:
    assert check_config(pipeline, f"{pipeline}.yaml") == CONFIGS / f"{pipeline}.yaml"


def test_every_configuration_that_is_shipped_is_a_pipelines() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} - OPTIONS == PARAMETERS.keys()


@pytest.mark.parametrize("pipeline", sorted(PARAMETERS))
def test_the_model_of_the_parameters_has_those_that_the_pipeline_takes(pipeline: str) -> None:
    source = (PROJECT_ROOT / "pipelines" / f"{pipeline}.py").read_text(encoding="utf-8")
    [function] = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    taken = [argument.arg for argument in function.args.args]
    needed = set(taken[: len(taken) - len(function.args.defaults)])
    fields = PARAMETERS[pipeline].model_fields
    assert function.name == pipeline
    # `wait_for` is for pipelines that call this one; a file cannot know its value.
    assert set(taken) - {"wait_for"} == fields.keys()
    assert {name for name, field in fields.items() if field.is_required()} == needed


def test_a_path_outside_the_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("parameters:\n  user_full_name: Ada Lovelace\n  links: [https://example.com/a]\n", encoding="utf-8")
    assert check_config(ETL, str(path)) == path


@pytest.mark.parametrize("text", ["parameters: {}", "parameters:\n", "{}", "enable_cache: false\nparameters: {}"])
def test_a_pipeline_without_parameters_takes_a_file_without_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert check_config("smoke_test", str(path)) == path


@pytest.mark.parametrize("filename", ["nowhere.yaml", "/nowhere/at/all.yaml", "", "."])
def test_a_missing_file_is_named_with_those_that_there_are(filename: str) -> None:
    with pytest.raises(PipelineConfigError) as caught:
        check_config(ETL, filename)
    message = str(caught.value)
    assert repr(filename) in message
    for name in PARAMETERS:
        assert f" {name}.yaml" in message


@pytest.mark.parametrize("text", ["parameters: [", "a: b: c", "\tparameters: {}", b"parameters: {a: \xff}", b"\x00"])
def test_what_is_not_yaml_is_called_so(tmp_path: Path, text: str | bytes) -> None:
    assert "is not valid YAML" in refused(tmp_path, "smoke_test", text)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "- parameters\n", "parameters\n", "5\n"])
def test_a_file_that_is_no_mapping_is_told_what_it_needs(tmp_path: Path, text: str) -> None:
    assert "must be a mapping with the key 'parameters'" in refused(tmp_path, "smoke_test", text)


def test_an_unknown_key_at_the_top_is_named_with_the_known_ones(tmp_path: Path) -> None:
    message = refused(tmp_path, "smoke_test", "parameter: {}\nenabled_cache: true\n")
    assert "unknown key 'enabled_cache', 'parameter'" in message
    assert "enable_cache" in message.partition("known are")[2]
    assert "parameters" in message.partition("known are")[2]


@pytest.mark.parametrize(
    ("pipeline", "parameters", "problem"),
    [
        (ETL, "{user_full_name: Ada, links: [a], link: b}", "unknown key parameters.link"),
        (ETL, "{user_full_name: Ada}", "parameters.links is missing"),
        (ETL, "{links: [a]}", "parameters.user_full_name is missing"),
        (ETL, "{user_full_name: Ada, links: []}", "parameters.links is empty, expected at least one"),
        (ETL, "{user_full_name: Ada, links: null}", "parameters.links is None"),
        (ETL, "{user_full_name: Ada, links: docs}", "parameters.links is 'docs'"),
        (ETL, "{user_full_name: Ada, links: [a, 5]}", "parameters.links.1 is 5"),
        (ETL, "{user_full_name: Ada, links: !!set {a}}", "parameters.links is {'a'}"),
        (ETL, "{user_full_name: 5, links: [a]}", "parameters.user_full_name is 5"),
        (ETL, "{user_full_name: '', links: [a]}", "parameters.user_full_name is ''"),
        (ETL, "{user_full_name: Ada, links: [a], exclude: docs/}", "parameters.exclude is 'docs/'"),
        (ETL, "[a]", "parameters is ['a']"),
        (ETL, "{}", "parameters.links is missing"),
        ("smoke_test", "{user_full_name: Ada}", "unknown key parameters.user_full_name"),
        ("feature_engineering", "{author_full_names: Ada}", "parameters.author_full_names is 'Ada'"),
        ("feature_engineering", "{wait_for: [x]}", "unknown key parameters.wait_for"),
        ("train_reranker", "{training: {epoch: 3}}", "unknown key parameters.training.epoch"),
        ("train_reranker", "{training: {epochs: 0}}", "parameters.training.epochs is 0"),
        ("end_to_end_data", "{author_links: []}", "parameters.author_links is empty, expected at least one"),
        (
            "end_to_end_data",
            "{author_links: [{user_full_name: Ada, links: [a]}, {user_full_name: Bob}]}",
            "parameters.author_links.1.links is missing",
        ),
    ],
)
def test_a_wrong_parameter_is_named_by_its_place(tmp_path: Path, pipeline: str, parameters: str, problem: str) -> None:
    message = refused(tmp_path, pipeline, f"parameters: {parameters}\n")
    assert f"mine.yaml, for the pipeline {pipeline}: " in message
    assert problem in message


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, ETL, "parameters: {user_name: Ada, links: docs}\n")
    for problem in ("user_full_name is missing", "links is 'docs'", "unknown key parameters.user_name"):
        assert problem in message


@pytest.mark.parametrize("day", ["2024-01-31", "'31 January'", "'2024-13-01'", "20240131"])
def test_a_since_date_is_a_day_in_quotes(tmp_path: Path, day: str) -> None:
    text = f"parameters:\n  user_full_name: Ada Lovelace\n  links: [https://e.com]\n  since: {day}\n"
    assert "expected a day in quotes, for example '2024-01-31'" in refused(tmp_path, ETL, text)
    path = tmp_path / "right.yaml"
    path.write_text(text.replace(day, "'2024-01-31'"), encoding="utf-8")
    assert check_config(ETL, str(path)) == path


@pytest.mark.parametrize(
    ("key", "value"), [("limit", 0), ("limit", 1.5), ("min_success_rate", 1.1), ("min_success_rate", -0.1)]
)
def test_a_limit_is_at_least_one_and_a_rate_between_none_and_all(tmp_path: Path, key: str, value: float) -> None:
    text = f"parameters:\n  user_full_name: Ada Lovelace\n  links: [https://e.com]\n  {key}: {value}\n"
    assert f"parameters.{key} is {value}" in refused(tmp_path, ETL, text)


@pytest.mark.parametrize(
    "link",
    [
        "https://ada:s3cr3t@git.example/engine.git",
        "https://s3cr3t@github.com/ada/engine",
        "ada:s3cr3t@git.example/engine.git",
        "https://ada.example/feed?format=rss&access_token=s3cr3t",
        "https://ada.example/feed?%61pi_key=s3cr3t",
        "ssh://ada:s3cr3t@git.example/engine.git",
    ],
)
def test_a_link_with_a_secret_is_refused_without_telling_it(tmp_path: Path, link: str) -> None:
    one = f"{{user_full_name: Ada, links: [docs, '{link}']}}"
    message = refused(tmp_path, ETL, f"parameters: {one}\n")
    assert "parameters.links.1 has a user, a password or a token in it" in message
    assert "GIT_TOKENS" in message
    assert "s3cr3t" not in message
    many = refused(tmp_path, "end_to_end_data", f"parameters: {{author_links: [{one}]}}\n")
    assert "parameters.author_links.0.links.1 has" in many
    assert "s3cr3t" not in many


def test_a_secret_is_not_told_either_where_something_else_is_wrong(tmp_path: Path) -> None:
    parameters = "{user_full_name: Ada, links: 'https://ada:s3cr3t@git.example/engine.git'}"
    assert "s3cr3t" not in refused(tmp_path, ETL, f"parameters: {parameters}\n")


@pytest.mark.parametrize(
    "link", ["https://medium.com/@ada", "git@github.com:ada/engine.git", "~/notes", "https://e.com/a?page=2&keyword=x"]
)
def test_a_link_without_a_secret_is_taken(tmp_path: Path, link: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"parameters:\n  user_full_name: Ada\n  links: ['{link}']\n", encoding="utf-8")
    assert check_config(ETL, str(path)) == path
