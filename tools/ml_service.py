"""Serve the twin over HTTP."""

import click

from tools._cli import clean_exit, configure_logging


@click.command()
@click.option("--host", default=None, help="Address to listen on; API_HOST, 127.0.0.1, by default.")
@click.option("--port", default=None, type=click.IntRange(1, 65535), help="Port; API_PORT, 8000, by default.")
@clean_exit
def main(host: str | None, port: int | None) -> None:
    """Serve POST /rag and GET /health; the API's own pages stand at /docs."""
    import uvicorn

    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.infrastructure.api.app import create_app

    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    with build_services(settings) as services:
        click.echo("Loading the models ...", err=True)
        for name, state in services.health().items():
            click.echo(f"  {name}: {state}", err=True)
        # Where something is not there yet, the service starts all the same and answers 503 until it is.
        uvicorn.run(
            create_app(services), host=host or settings.API_HOST, port=port or settings.API_PORT, log_level="info"
        )


if __name__ == "__main__":
    main()
