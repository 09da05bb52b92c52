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
    from llm_engineering.bootstrap import current_settings
    from llm_engineering.bootstrap_environment import export_zenml_environment

    export_zenml_environment(current_settings())
    if not stop:
        _skip_the_survey()
    zenml = str(Path(sys.executable).with_name("zenml"))
    os.execv(zenml, [zenml, *(["logout", "--local"] if stop else ["login", "--local"])])  # noqa: S606


def _skip_the_survey() -> None:
    """Keep the dashboard from asking for a name and an e-mail address before it shows a local store."""
    from zenml.client import Client
    from zenml.enums import StoreType

    client = Client()
    if client.zen_store.type == StoreType.SQL and client.active_user.email_opted_in is None:
        metadata = {"finished_onboarding_survey": True}
        client.update_user(client.active_user.id, updated_email_opt_in=False, updated_metadata=metadata)


if __name__ == "__main__":
    main()
