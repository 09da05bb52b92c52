"""Start, stop, look at and delete the embedded stack."""

import click

from tools._cli import clean_exit


@click.group()
def main() -> None:
    """The embedded stack: MongoDB-wire server, Qdrant engine and model weights, in `.local/`."""


@main.command()
@clean_exit
def up() -> None:
    """Start the MongoDB-wire server and put the model weights in place."""
    from llm_engineering.bootstrap import local_stack

    for name, state in local_stack().up().items():
        click.echo(f"{name}: {state}")


@main.command()
@clean_exit
def down() -> None:
    """Stop the MongoDB-wire server. The data stays."""
    from llm_engineering.bootstrap import local_stack

    click.echo("Stopped." if local_stack().down() else "It was not running.")


@main.command()
@clean_exit
def status() -> None:
    """Show what runs and how large it is."""
    from llm_engineering.bootstrap import local_stack

    for name, state in local_stack().status().items():
        click.echo(f"{name}: {state}")


@main.command()
@click.option("--only", type=click.Choice(["mongodb", "qdrant", "zenml"]), help="Delete this part alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@clean_exit
def reset(only: str | None, yes: bool) -> None:
    """Stop the stack and delete its data."""
    from llm_engineering.bootstrap import local_stack

    stack = local_stack()
    if not yes:
        click.confirm(f"Delete {only or 'all data'} in {stack.folder}?", abort=True)
    for name in stack.reset(only):
        click.echo(f"Deleted {name}.")


if __name__ == "__main__":
    main()
