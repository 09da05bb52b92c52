"""Ask the twin from the command line."""

from typing import TYPE_CHECKING

import click

from tools._cli import clean_exit, configure_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from llm_engineering.domain.answers import Answer, Source
    from llm_engineering.domain.retrieval import RetrievalNotes


@click.command()
@click.option("--query", "queries", multiple=True, required=True, help="A question; can be given several times.")
@click.option("--answer", is_flag=True, help="Write an answer, beside what was retrieved.")
@click.option("--author", default=None, help="Search this author's texts only (full name).")
@click.option("--limit", default=3, show_default=True, help="How many chunks to retrieve.")
@click.option(
    "--show-retrieval", is_flag=True, help="Say how the chunks were found: wordings, filter, and seconds a stage."
)
@clean_exit
def main(queries: tuple[str, ...], answer: bool, author: str | None, limit: int, show_retrieval: bool) -> None:
    """Print the chunks that fit a question best, and with --answer the twin's answer from them."""
    from rich.console import Console

    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.domain.answers import Source
    from llm_engineering.domain.queries import Query

    checked = [Query.create(text, author_full_name=author, limit=limit) for text in queries]
    settings = current_settings()
    configure_logging("WARNING")
    console = Console(highlight=False, soft_wrap=True)
    with build_services(settings) as services:
        for query in checked:
            console.print(f"\n{query.text}", style="bold", markup=False)
            with console.status("Thinking" if answer else "Searching"):
                if answer:
                    reply = services.answer(query)
                    sources, notes = reply.sources, reply.retrieval
                else:
                    found = services.retrieve(query)
                    reply, sources, notes = None, [Source.of(chunk) for chunk in found.chunks], found.notes
            if reply:
                _print_answer(console, reply)
            _print_notes(console, notes, show_retrieval)
            _print_sources(console, sources, notes.scored_by)


def _print_answer(console: "Console", reply: "Answer") -> None:
    console.print(f"\n{reply.answer}", markup=False)
    console.print(f"\n{reply.method} by {reply.model_id}; {_seconds(reply.timings, 2)}", style="dim", markup=False)


def _print_notes(console: "Console", notes: "RetrievalNotes", in_full: bool) -> None:
    """Warnings and the filter always, for they change what is found; the rest when asked for."""
    for warning in notes.warnings:
        console.print(f"Warning: {warning}", style="yellow", markup=False)
    if notes.filtered_by:
        console.print(f"Searched in: {'; '.join(notes.filtered_by)}", style="dim", markup=False)
    if in_full:
        for variant in notes.variants:
            console.print(f"Also searched for: {variant}", style="dim", markup=False)
        console.print(f"Retrieval: {_seconds(notes.timings, 4)}", style="dim", markup=False)


def _print_sources(console: "Console", sources: "Sequence[Source]", scored_by: str) -> None:
    for number, source in enumerate(sources, start=1):
        console.print(f"\n[{number}] {source.title}  ({scored_by} {source.score:.3f})", style="cyan", markup=False)
        console.print(f"    {source.link}", markup=False)
        console.print(f"    {source.excerpt}", style="dim", markup=False)
    if not sources:
        console.print("Nothing found. Run the pipelines first: python -m tools.run --run-end-to-end-data")


def _seconds(timings: "dict[str, float]", digits: int) -> str:
    return ", ".join(f"{stage} {value:.{digits}f} s" for stage, value in timings.items())


if __name__ == "__main__":
    main()
