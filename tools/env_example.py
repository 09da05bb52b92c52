"""Write `.env.example` from the settings, or check that it is up to date."""

import click

from tools._cli import EXIT_FAILED, clean_exit, fail

_HEADER = """\
# Every variable that MoodSwarm reads. Copy this file to .env and set what you need: with nothing set, everything runs
# on the embedded stack, on this machine, with no account. An empty value counts as unset.
# Made by `python -m tools.env_example`.
"""
_COMPOSE = """
# Read by docker-compose.yml only: the password that MongoDB is set up with. Repeat it in DATABASE_HOST.
# MONGO_PASSWORD=
"""


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when the file is not up to date.")
@clean_exit
def main(check: bool) -> None:
    """Make .env.example."""
    from llm_engineering.settings import PROJECT_ROOT

    path = PROJECT_ROOT / ".env.example"
    if not check:
        path.write_text(render(), encoding="utf-8")
    elif path.read_text(encoding="utf-8") != render():
        fail("`.env.example` is not what the settings say. Make it anew: python -m tools.env_example", EXIT_FAILED)


def render() -> str:
    """The file's text: each variable, commented out, with its default and meaning."""
    from llm_engineering.setting_types import as_text
    from llm_engineering.settings import Settings

    variables = [
        f"\n# {field.description}\n# {name}={'' if field.default is None else as_text(field.default)}\n"
        for name, field in Settings.model_fields.items()
    ]
    return _HEADER + "".join(variables) + _COMPOSE


if __name__ == "__main__":
    main()
