"""Open the local ZenML dashboard, on the store that the pipelines write to."""

import os
import sys
from pathlib import Path

import click

from tools._cli import clean_exit


@click.command()
@click.option("--stop", is_flag=True, help="Stop it.")
@clean_exit
def main(stop: bool) -> None:
    """Start ZenML's own local server and show its address (user: default, no password)."""
    from llm_engineering.bootstrap import current_settings, export_zenml_environment

    export_zenml_environment(current_settings())
    zenml = str(Path(sys.executable).with_name("zenml"))
    os.execv(zenml, [zenml, *(["logout", "--local"] if stop else ["login", "--local"])])  # noqa: S606


if __name__ == "__main__":
    main()
