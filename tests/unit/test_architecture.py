"""The rules that keep it one house, checked on the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = sorted((ROOT / "llm_engineering" / "domain").glob("*.py"))
SOURCES = sorted(
    path for folder in ("llm_engineering", "pipelines", "steps", "tools") for path in (ROOT / folder).rglob("*.py")
)
LARGEST_FILE_LINES = 260


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_imports_only_itself_the_standard_library_and_pydantic(path: Path) -> None:
    foreign = {
        name
        for name in imported(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "pydantic"}
        and not name.startswith("llm_engineering.domain")
    }
    assert foreign == set()


def test_only_the_composition_root_and_the_commands_read_the_settings() -> None:
    readers = {
        path.relative_to(ROOT).parts[0] if not path.name.startswith("bootstrap") else "bootstrap"
        for path in SOURCES
        if "llm_engineering.settings" in imported(path)
    }
    assert readers == {"bootstrap", "tools"}


def test_nothing_reads_the_environment_behind_the_settings_back() -> None:
    allowed = {"bootstrap_environment.py", "repositories.py"}
    readers = {path.name for path in SOURCES if "os.environ" in path.read_text() or "getenv" in path.read_text()}
    assert readers <= allowed


def test_no_input_is_checked_by_assert() -> None:
    asserting = [
        path for path in SOURCES if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert asserting == []


def test_steps_and_pipelines_stay_thin() -> None:
    for path in [*(ROOT / "steps").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 45, path


def test_no_file_outgrows_its_room() -> None:
    assert [path.name for path in SOURCES if len(path.read_text().splitlines()) > LARGEST_FILE_LINES] == []


def test_the_error_tree_in_the_docstring_is_the_one_in_the_code() -> None:
    from llm_engineering.domain import errors

    drawn = {
        line.strip("│├└─ ").split(" ")[0]
        for line in (errors.__doc__ or "").splitlines()
        if "Error" in line.split("  ")[0] or "─" in line
    }
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert defined == drawn | {"MoodSwarmError"}
