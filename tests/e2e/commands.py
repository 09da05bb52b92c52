"""Runs the project's commands as a person would."""

import subprocess
import sys

from llm_engineering.settings import PROJECT_ROOT


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command that must succeed, by its module's name and arguments."""
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return result
