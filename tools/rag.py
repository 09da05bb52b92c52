"""Ask the twin from the command line."""

import click

from tools._cli import clean_exit, configure_logging


@click.command()
@click.option("--query", "queries", multiple=True, required=True, help="A question; can be given several times.")
@click.option("--answer", is_flag=True, help="Write an answer, beside what was retrieved.")
@click.option("--author", default=None, help="Search this author's texts only (full name).")
@click.option("--limit", default=3, show_default=True, help="How many chunks to retrieve.")
@clean_exit
def main(queries: tuple[str, ...], answer: bool, author: str | None, limit: int) -> None:
    """Print the chunks that are nearest to a question, and with --answer the twin's answer from them."""
    from rich.console import Console

    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.domain.queries import Query, Source

    checked = [Query.create(text, author_full_name=author, limit=limit) for text in queries]
    settings = current_settings()
    configure_logging("WARNING")
    console = Console(highlight=False, soft_wrap=True)
    with build_services(settings) as services:
        for query in checked:
            console.print(f"\n{query.text}", style="bold", markup=False)
            with console.status("Thinking" if answer else "Searching"):
                reply = services.answer(query) if answer else None
                sources = reply.sources if reply else [Source.of(chunk) for chunk in services.retrieve(query)]
            if reply:
                console.print(f"\n{reply.answer}", markup=False)
                seconds = ", ".join(f"{stage} {value:.2f} s" for stage, value in reply.timings.items())
                console.print(f"\n{reply.method} by {reply.model_id}; {seconds}", style="dim", markup=False)
            for number, source in enumerate(sources, start=1):
                console.print(f"\n[{number}] {source.title}  ({source.score:.2f})", style="cyan", markup=False)
                console.print(f"    {source.link}", markup=False)
                console.print(f"    {source.excerpt}", style="dim", markup=False)
            if not sources:
                console.print("Nothing found. Run the pipelines first: python -m tools.run --run-end-to-end-data")


if __name__ == "__main__":
    main()
