"""Settings: where a value comes from, what is said of a wrong one, and what may leave the machine."""

import os
import traceback
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr

from llm_engineering.domain.errors import SettingsError
from llm_engineering.setting_types import tokens_by_host
from llm_engineering.settings import PROJECT_ROOT, Settings, is_secret, load_settings
from tools.env_example import render

EXAMPLE = PROJECT_ROOT / ".env.example"
SECRET_VALUES = {
    "DATABASE_HOST": "mongodb://ada:mongo-password@db.example:27017",
    "QDRANT_APIKEY": "qdrant-key",
    "OPENAI_API_KEY": "openai-key",
    "HUGGINGFACE_ACCESS_TOKEN": "hugging-token",
    "COMET_API_KEY": "comet-key",
    "AWS_ACCESS_KEY": "aws-key-id",
    "AWS_SECRET_KEY": "aws-secret",
    "ZENML_STORE_API_KEY": "zenml-key",
    "GIT_TOKENS": "github.com=hub-token,gitlab.com=lab-token",
}
# Every one differs from its default, and is written as `str()` of the value would write it.
TRAVELLING = {
    "DATABASE_HOST": "mongodb://ada:mongo-password@db.example:27017",
    "DATABASE_NAME": "other",
    "QDRANT_DATABASE_HOST": "qdrant.example",
    "QDRANT_DATABASE_PORT": "7333",
    "USE_QDRANT_CLOUD": "True",
    "QDRANT_CLOUD_URL": "https://cluster.example:6333",
    "QDRANT_APIKEY": "qdrant-key",
    "OPENAI_API_KEY": "openai-key",
    "OPENAI_BASE_URL": "http://llm.example/v1",
    "OPENAI_MODEL_ID": "other-model",
    "TEXT_EMBEDDING_MODEL_ID": "other/embedder",
    "EMBEDDING_PRECISION": "float32",
    "SPARSE_LANGUAGE": "german",
    "QDRANT_SHARD_NUMBER": "3",
    "QDRANT_REPLICATION_FACTOR": "2",
    "QDRANT_ON_DISK": "True",
    "QDRANT_QUANTIZATION": "scalar",
    "FEATURE_ENGINE": "ray",
    "FEATURE_WORKERS": "4",
    "RERANKING_CROSS_ENCODER_MODEL_ID": "other/reranker",
    "RAG_MODEL_DEVICE": "cuda:1",
    "HUGGINGFACE_ACCESS_TOKEN": "hugging-token",
    "HUGGINGFACE_ENDPOINT": "https://hub.example",
    "COMET_API_KEY": "comet-key",
    "COMET_PROJECT": "other",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY": "aws-key-id",
    "AWS_SECRET_KEY": "aws-secret",
    "AWS_ARN_ROLE": "arn:aws:iam::1:role/x",
    "CRAWL_ALLOWED_HOSTS": "localhost,10.1.0.0/16",
    "CRAWL_RESPECT_ROBOTS": "False",
    "CRAWL_USER_AGENT": "Ada/1.0",
    "GIT_TOKENS": "github.com=hub-token,gitlab.com=lab-token",
    "GITHUB_API_URL": "https://git.example/api/v3",
    "MEDIUM_HOSTS": "engines.example,mills.example",
    "CRAWL_CONCURRENCY": "4",
    "CRAWL_REQUESTS_PER_HOST": "1",
    "CRAWL_BUDGET_SECONDS": "30.0",
    "CRAWL_MAX_ATTEMPTS": "2",
    "CRAWL_BACKOFF_SECONDS": "0.1",
    "CRAWL_BREAKER_FAILURES": "3",
    "CRAWL_BREAKER_RESET_SECONDS": "5.0",
    "CRAWL_MAX_PAGE_MIB": "2",
    "MAX_REPOSITORY_MIB": "50",
    "CRAWL_TIMEOUT_SECONDS": "7.5",
    "GIT_TIMEOUT_SECONDS": "60.0",
    "MAX_FILE_KIB": "64",
    "MAX_REPOSITORY_FILES": "10",
}
STAYING = {
    "LOCAL_STATE_DIR": "/tmp/elsewhere",
    "MODELS_DIR": "/tmp/weights",
    "API_HOST": "0.0.0.0",
    "API_PORT": "9000",
    "SETTINGS_SECRET": "settings",
    "LOG_LEVEL": "DEBUG",
    "CRAWL_ALLOWED_PATHS": "/home/ada/notes,docs",
    "ZENML_CONFIG_PATH": "/tmp/zenml",
    "ZENML_STORE_URL": "https://zenml.example",
    "ZENML_STORE_API_KEY": "zenml-key",
    "ZENML_ANALYTICS_OPT_IN": "True",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper() in Settings.model_fields]:
        monkeypatch.delenv(name)


def set_all(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def wrong(secret: dict[str, str] | None = None, env_file: Path | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_settings(env_file=env_file, secret=secret)
    return caught.value


def test_with_nothing_set_everything_is_embedded() -> None:
    settings = load_settings(env_file=None)
    assert (settings.DATABASE_HOST, settings.QDRANT_DATABASE_HOST, settings.QDRANT_CLOUD_URL) == (None, None, None)
    assert not settings.uses_remote_language_model
    assert settings.local_state_dir == PROJECT_ROOT / ".local"
    assert settings.zenml_config_path == PROJECT_ROOT / ".local" / "zenml"


def test_the_environment_wins_over_the_file_which_wins_over_the_secret_which_wins_over_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("DATABASE_NAME=from_file\nCOMET_PROJECT=from_file\n", encoding="utf-8")
    secret = {"DATABASE_NAME": "from_secret", "COMET_PROJECT": "from_secret", "AWS_REGION": "from_secret"}
    monkeypatch.setenv("DATABASE_NAME", "from_environment")
    settings = load_settings(file, secret)
    assert settings.DATABASE_NAME == "from_environment"
    assert settings.COMET_PROJECT == "from_file"
    assert settings.AWS_REGION == "from_secret"
    assert settings.OPENAI_MODEL_ID == "gpt-4o-mini"


def test_an_empty_value_in_the_environment_gives_way_to_the_file_and_one_there_to_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("DATABASE_NAME=from_file\nCOMET_PROJECT=\n", encoding="utf-8")
    set_all(monkeypatch, {"DATABASE_NAME": "", "COMET_PROJECT": ""})
    settings = load_settings(file, {"COMET_PROJECT": "from_secret"})
    assert (settings.DATABASE_NAME, settings.COMET_PROJECT) == ("from_file", "from_secret")


def test_every_variable_may_be_empty_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings(env_file=None)
    set_all(monkeypatch, dict.fromkeys(Settings.model_fields, ""))
    assert load_settings(env_file=None) == defaults


def test_every_variable_may_be_empty_in_the_secret() -> None:
    assert load_settings(None, dict.fromkeys(Settings.model_fields, "")) == load_settings(env_file=None)


def test_a_variable_that_is_not_ours_is_no_concern_of_ours(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MONGO_PASSWORD=x\nSOMETHING_ELSE=y\n", encoding="utf-8")
    assert load_settings(file) == load_settings(env_file=None)


def test_a_file_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert load_settings(tmp_path / ".env") == load_settings(env_file=None)


def test_relative_folders_start_at_the_project_and_absolute_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"LOCAL_STATE_DIR": "state/here", "ZENML_CONFIG_PATH": "/var/zenml"})
    settings = load_settings(env_file=None)
    assert settings.local_state_dir == PROJECT_ROOT / "state" / "here"
    assert settings.zenml_config_path == Path("/var/zenml")


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_a_key_or_a_url_makes_the_language_model_remote(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1/v1")
    assert load_settings(env_file=None).uses_remote_language_model


def test_a_url_is_kept_without_its_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://llm.example/v1/")
    assert load_settings(env_file=None).OPENAI_BASE_URL == "http://llm.example/v1"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("QDRANT_DATABASE_PORT", "abc", "a valid integer"),
        ("QDRANT_DATABASE_PORT", "0", "greater than or equal to 1"),
        ("API_PORT", "65536", "less than or equal to 65535"),
        ("USE_QDRANT_CLOUD", "maybe", "a valid boolean"),
        ("QDRANT_CLOUD_URL", "cluster.example:6333", "a URL that starts with http:// or https://"),
        ("OPENAI_BASE_URL", "https://", "a URL that starts with http:// or https://"),
        ("RAG_MODEL_DEVICE", "tpu", "cpu|mps|cuda"),
        ("CRAWL_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("MAX_FILE_KIB", "1.5", "a valid integer"),
        ("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_got_and_what_it_expects(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    message = str(wrong())
    assert message.startswith(f"{name}: got {value!r}, expected ")
    assert expected in message
    assert "\n" not in message


def test_a_wrong_value_is_found_in_the_file_and_in_the_secret_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("API_PORT=abc\n", encoding="utf-8")
    assert str(wrong(env_file=file)).startswith("API_PORT: got 'abc', ")
    assert str(wrong({"API_PORT": "xyz"})).startswith("API_PORT: got 'xyz', ")


def test_several_wrong_values_take_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"API_PORT": "abc", "LOG_LEVEL": "loud", "DATABASE_HOST": "postgres://db"})
    lines = str(wrong()).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["API_PORT", "DATABASE_HOST", "LOG_LEVEL"]


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://ada:s3cret@db.example",
        "s3cret",
        "mongodb//ada:s3cret@db.example",
        # urllib quotes what it cannot parse.
        "mongodb://ada:s3cret\u2100@db.example",
        "mongodb://ada:[s3cret]@db.example",
    ],
)
def test_a_wrong_database_host_never_shows_its_password(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("DATABASE_HOST", uri)
    error = wrong()
    assert str(error).startswith("DATABASE_HOST: ")
    assert "mongodb://" in str(error)
    assert "s3cret" not in "".join(traceback.format_exception(error))


def test_no_secret_is_shown_by_repr_or_str_or_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, SECRET_VALUES)
    settings = load_settings(env_file=None)
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert [value for value in SECRET_VALUES.values() if value in shown] == []
    assert SecretStr("openai-key") == settings.OPENAI_API_KEY


def test_every_variable_that_sounds_like_a_secret_is_one() -> None:
    telling = ("KEY", "TOKEN", "TOKENS", "PASSWORD")
    fields = Settings.model_fields
    named = {name for name in fields if name.endswith(telling)} | {"DATABASE_HOST"}
    assert {name for name, field in fields.items() if is_secret(field)} == named == SECRET_VALUES.keys()


def test_the_cloud_without_its_url_is_refused_and_with_it_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_QDRANT_CLOUD", "true")
    message = str(wrong())
    assert "USE_QDRANT_CLOUD" in message
    assert "QDRANT_CLOUD_URL is not set" in message
    monkeypatch.setenv("QDRANT_CLOUD_URL", "https://cluster.example")
    assert load_settings(env_file=None).QDRANT_CLOUD_URL == "https://cluster.example"


def test_nothing_is_exported_of_the_defaults() -> None:
    assert load_settings(env_file=None).exportable() == {}


def test_what_was_set_is_exported_in_clear_and_what_concerns_this_machine_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, TRAVELLING | STAYING)
    assert TRAVELLING.keys() | STAYING.keys() == Settings.model_fields.keys()
    assert load_settings(env_file=None).exportable() == TRAVELLING


def test_what_is_not_set_is_left_out_rather_than_written_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMET_PROJECT", "other")
    assert load_settings(env_file=None).exportable() == {"COMET_PROJECT": "other"}


def test_an_export_read_back_gives_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TRAVELLING)
    original = load_settings(env_file=None)
    for name in TRAVELLING:
        monkeypatch.delenv(name)
    assert load_settings(None, original.exportable()) == original


def test_the_example_file_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == render()


def test_the_example_file_names_every_variable_and_its_meaning() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    explained = {
        line.removeprefix("# ").partition("=")[0]: above.removeprefix("# ")
        for above, line in pairwise(lines)
        if line.removeprefix("# ").partition("=")[0] in Settings.model_fields
    }
    assert explained == {name: field.description for name, field in Settings.model_fields.items()}


def test_the_example_file_with_its_comment_signs_taken_away_changes_nothing(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    names = (*Settings.model_fields, "MONGO_PASSWORD")
    variables = [line.removeprefix("# ") for line in lines if line.removeprefix("# ").partition("=")[0] in names]
    assert len(variables) == len(names)
    file = tmp_path / ".env"
    file.write_text("\n".join(variables), encoding="utf-8")
    assert load_settings(file) == load_settings(env_file=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [("docs, ~/notes ,", ("docs", "~/notes")), ("one", ("one",)), (" , ", ())],
)
def test_a_list_is_written_with_commas(monkeypatch: pytest.MonkeyPatch, text: str, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("CRAWL_ALLOWED_PATHS", text)
    assert words == load_settings(env_file=None).CRAWL_ALLOWED_PATHS


def test_tokens_are_known_by_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TOKENS", "github.com=hub=token, gitlab.com=lab-token")
    tokens = tokens_by_host(load_settings(env_file=None).GIT_TOKENS)
    assert tokens == {"github.com": "hub=token", "gitlab.com": "lab-token"}
    assert tokens_by_host(None) == {}


@pytest.mark.parametrize("text", ["s3cret", "github.com=", "=s3cret", "github.com=s3 cret", "github.com=s3crét"])
def test_tokens_in_another_form_are_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GIT_TOKENS", text)
    message = str(wrong())
    assert message.startswith("GIT_TOKENS: got a secret value, expected pairs HOST=TOKEN")
    assert "s3c" not in message


@pytest.mark.parametrize("text", ["10.0.0.0/33", "http://localhost", "a b", "2130706433"])
def test_a_host_in_another_form_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CRAWL_ALLOWED_HOSTS", text)
    assert "expected host names, IP addresses or networks" in str(wrong())
