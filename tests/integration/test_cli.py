"""The commands as a person meets them: exit codes, one line for what is wrong, and nothing started needlessly."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from llm_engineering.settings import PROJECT_ROOT

COMMANDS = (
    "dashboard", "data_warehouse", "dataset_inspect", "dataset_publish", "env_example", "features", "local_stack",
    "ml_service", "rag", "run",
)  # fmt: skip
# What takes longer to import than a person waits for --help.
HEAVY = {
    "fastapi", "httpx", "ijson", "openai", "pydantic", "pydantic_settings", "pymongo", "qdrant_client", "rich",
    "sentence_transformers", "torch", "trafilatura", "transformers", "uvicorn", "zenml",
}  # fmt: skip


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without the developer's `.env` and `.local`."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("configs", "llm_engineering", "pipelines", "steps", "tools"):
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class Shell:
    """Runs the copy's commands with nothing set but what a test sets."""

    def __init__(self, checkout: Path, home: Path) -> None:
        self.checkout = checkout
        self.state = home / "state"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LOCAL_STATE_DIR": str(self.state),
            "MODELS_DIR": str(PROJECT_ROOT / ".local" / "models"),
            "OMP_NUM_THREADS": "1",
        }

    def python(self, *arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.checkout,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def run(self, command: str, *arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", f"tools.{command}", *arguments, **environment)

    def error(self, code: int, command: str, *arguments: str | bytes, **environment: str) -> str:
        """The one line on standard error of a command that ends with this exit code."""
        done = self.run(command, *arguments, **environment)
        assert done.returncode == code, done.stderr
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: ")
        return line


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(checkout, tmp_path)
    yield shell
    # None of these commands may start it: this is for a test that fails.
    MongoDaemon(shell.state).stop()


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_answers_without_loading_what_is_heavy(shell: Shell, command: str) -> None:
    code = (
        "import json, runpy, sys\n"
        f"sys.argv = ['tools.{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('tools.{command}', run_name='__main__')\n"
        "finally:\n"
        "    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = shell.python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr)}
    assert "click" in loaded
    assert loaded & HEAVY == set()
    assert not shell.state.exists()


def test_the_help_of_run_names_every_pipeline(shell: Shell) -> None:
    text = shell.run("run", "--help").stdout
    flags = ("--run-smoke-test", "--run-etl", "--run-feature-engineering", "--run-end-to-end-data")
    assert [flag for flag in flags if flag not in text] == []


def test_run_without_a_flag_asks_what_to_run(shell: Shell) -> None:
    for arguments in ([], ["--no-cache"], ["--etl-config-filename", "mine.yaml"]):
        done = shell.run("run", *arguments)
        assert done.returncode == 2
        assert "Say what to run" in done.stderr
    assert not shell.state.exists()


def test_an_unknown_flag_is_refused(shell: Shell) -> None:
    done = shell.run("run", "--run-everything")
    assert done.returncode == 2
    assert "--run-everything" in done.stderr


def test_a_missing_configuration_is_one_line_with_those_that_there_are(shell: Shell) -> None:
    line = shell.error(2, "run", "--run-etl", "--etl-config-filename", "nowhere.yaml")
    assert "'nowhere.yaml'" in line
    assert "digital_data_etl.yaml" in line
    assert not shell.state.exists()


def test_an_unknown_key_in_a_configuration_is_one_line_that_names_it(shell: Shell, tmp_path: Path) -> None:
    filename = config(tmp_path, "parameters:\n  user_full_name: Ada\n  links: [a]\n  excludes: [b]\n")
    line = shell.error(2, "run", "--run-etl", "--etl-config-filename", filename)
    assert "mine.yaml" in line
    assert "unknown key parameters.excludes" in line
    assert not shell.state.exists()


def test_a_wrong_configuration_stops_a_right_one_beside_it(shell: Shell, tmp_path: Path) -> None:
    filename = config(tmp_path, "parameters: {user_full_name: Ada}")
    line = shell.error(2, "run", "--run-smoke-test", "--run-etl", "--etl-config-filename", filename)
    assert "parameters.links is missing" in line
    assert not shell.state.exists()


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--run-smoke-test"],
        ["run", "--export-settings"],
        ["rag", "--query", "What does the mill do?"],
        ["data_warehouse", "--import-raw-data"],
        ["data_warehouse", "--export-raw-data"],
        ["ml_service"],
        ["dashboard"],
        ["local_stack", "up"],
        ["local_stack", "status"],
        ["local_stack", "reset", "--yes"],
    ],
    ids=" ".join,
)
def test_a_wrong_setting_is_one_line_that_names_the_variable(shell: Shell, command: list[str]) -> None:
    line = shell.error(2, *command, QDRANT_DATABASE_PORT="abc")
    assert line.startswith("Error: QDRANT_DATABASE_PORT: got 'abc', expected ")
    assert not shell.state.exists()


def test_a_wrong_database_host_is_named_without_its_password(shell: Shell) -> None:
    line = shell.error(2, "rag", "--query", "x", DATABASE_HOST="postgres://ada:s3cret@db.example")
    assert line.startswith("Error: DATABASE_HOST: ")
    assert "s3cret" not in line


def test_a_setting_is_read_from_the_file(shell: Shell) -> None:
    file = shell.checkout / ".env"
    file.write_text("API_PORT=abc\n", encoding="utf-8")
    try:
        line = shell.error(2, "local_stack", "status")
    finally:
        file.unlink()
    assert line.startswith("Error: API_PORT: got 'abc', ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--query", ""], "The query is empty"),
        (["--query", " \t\n "], "The query is empty"),
        (["--query", "What does the mill do?", "--query", ""], "The query is empty"),
        (["--query", "?!"], "not text"),
        (["--query", b"caf\xe9"], "not text"),
        (["--query", "x" * 2001], "more than the 2,000 allowed"),
        (["--query", "x", "--limit", "0"], "between 1 and 20"),
        (["--query", "x", "--limit", "21"], "between 1 and 20"),
    ],
    ids=["empty", "blank", "second", "punctuation", "binary", "long", "none", "many"],
)
def test_a_question_that_is_none_is_refused_before_anything_is_loaded(
    shell: Shell, arguments: list[str | bytes], reason: str
) -> None:
    assert reason in shell.error(2, "rag", *arguments)
    assert not shell.state.exists()


def test_rag_without_a_question_is_refused(shell: Shell) -> None:
    done = shell.run("rag", "--answer")
    assert done.returncode == 2
    assert "--query" in done.stderr


@pytest.mark.parametrize("flags", [[], ["--export-raw-data", "--import-raw-data"]], ids=["neither", "both"])
def test_the_data_warehouse_needs_one_thing_to_do(shell: Shell, flags: list[str]) -> None:
    done = shell.run("data_warehouse", *flags)
    assert done.returncode == 2
    assert "Say one of --export-raw-data, --import-raw-data, --stats and --forget" in done.stderr
    assert not shell.state.exists()


def test_a_data_folder_that_is_a_file_is_refused(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    done = shell.run("data_warehouse", "--import-raw-data", "--data-dir", str(tmp_path / "file"))
    assert done.returncode == 2
    assert "is a file" in done.stderr
    assert not shell.state.exists()


def test_a_second_process_that_wants_the_embedded_store_is_told_who_has_it_and_what_to_do(shell: Shell) -> None:
    store = open_embedded(shell.state / "qdrant")
    try:
        line = shell.error(1, "rag", "--query", "What does the mill do?")
    finally:
        store.close()
    assert f"process {os.getpid()} " in line
    assert "Stop that process" in line
    assert "QDRANT_DATABASE_HOST" in line


def test_the_embedded_store_is_not_deleted_while_a_process_has_it(shell: Shell) -> None:
    store = open_embedded(shell.state / "qdrant")
    try:
        line = shell.error(1, "local_stack", "reset", "--yes")
        held = shell.run("local_stack", "status").stdout
        files = sorted(path.name for path in (shell.state / "qdrant").iterdir())
    finally:
        store.close()
    assert f"process {os.getpid()} " in line
    assert f"qdrant: in use by process {os.getpid()} " in held
    assert "shards" in files
    assert "qdrant: free" in shell.run("local_stack", "status").stdout
    done = shell.run("local_stack", "reset", "--only", "qdrant", "--yes")
    assert (done.returncode, done.stdout) == (0, "Deleted qdrant.\n")
    assert not (shell.state / "qdrant").exists()


def test_status_of_a_stack_that_was_never_started_starts_nothing(shell: Shell) -> None:
    done = shell.run("local_stack", "status")
    assert done.returncode == 0
    assert "mongodb: stopped" in done.stdout
    assert "qdrant: free" in done.stdout
    assert not (shell.state / "mongodb").exists()


def test_reset_without_yes_asks_first(shell: Shell) -> None:
    open_embedded(shell.state / "qdrant").close()
    done = shell.run("local_stack", "reset")
    assert done.returncode == 1
    assert str(shell.state) in done.stdout
    assert (shell.state / "qdrant").exists()


def test_the_check_of_the_example_file_tells_whether_it_is_up_to_date(shell: Shell) -> None:
    (shell.checkout / ".env.example").write_text("# API_PORT=7000\n", encoding="utf-8")
    assert "python -m tools.env_example" in shell.error(1, "env_example", "--check")
    assert shell.run("env_example").returncode == 0
    assert shell.run("env_example", "--check").returncode == 0
