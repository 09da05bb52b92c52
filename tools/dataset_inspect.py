"""Look at a dataset: in numbers, sample by sample, for what is doubtful, or beside another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tools._cli import EXIT_FAILED, clean_exit, configure_logging

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_engineering.bootstrap_datasets import DatasetRun

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


@click.group()
def main() -> None:
    """Look at a dataset.

    DATASET is 'instruct' or 'preference', for the one that the last run made; OWNER/NAME or OWNER/NAME@REVISION, for
    one that was published; or a file or folder, also with anybody's rows (JSON, JSONL or Parquet).
    """


@main.command()
@click.argument("dataset")
@_JSON
@clean_exit
def stats(dataset: str, as_json: bool) -> None:
    """Counts, lengths, authors and categories, models, what was dropped, the quality gate."""
    from llm_engineering.application.dataset.figures import figures_of
    from tools._dataset_inspection import print_figures
    from tools._report import console_for_tables

    with _datasets() as run:
        figures = figures_of(run.find(dataset))
    if as_json:
        _print_json(figures)
    else:
        print_figures(figures, console_for_tables())


@main.command()
@click.argument("dataset")
@click.option("--number", default=5, show_default=True, type=click.IntRange(min=1), help="How many.")
@click.option("--seed", default="moodswarm", show_default=True, help="Another one draws others.")
@click.option("--split", type=click.Choice(["train", "test"]), help="Only of this split.")
@click.option("--category", type=click.Choice(["posts", "articles", "repositories"]), help="Only of these documents.")
@click.option("--author", help="Only by this author: the full name.")
@_JSON
@clean_exit
def samples(
    dataset: str, number: int, seed: str, split: str | None, category: str | None, author: str | None, as_json: bool
) -> None:
    """Whole samples, drawn at random, with where they come from."""
    from llm_engineering.application.dataset.figures import draw_samples
    from llm_engineering.domain.datasets import Split
    from llm_engineering.domain.documents import DataCategory
    from tools._dataset_inspection import print_samples
    from tools._report import console_for_tables

    half, kind_of_text = Split(split) if split else None, DataCategory(category) if category else None
    with _datasets() as run:
        drawn = draw_samples(run.find(dataset), number, seed, half, kind_of_text, author)
    if as_json:
        _print_json(*(sample for _, sample in drawn))
    else:
        print_samples(drawn, console_for_tables())


@main.command()
@click.argument("dataset")
@_JSON
@clean_exit
def quality(dataset: str, as_json: bool) -> None:
    """Check anew what needs no model: duplicates, both splits, rules, authors' words, lengths, evaluation questions.

    Exit code 1 when something is found. Samples with the same meaning in other words are not looked for.
    """
    from tools._dataset_inspection import print_quality
    from tools._report import console_for_tables

    with _datasets() as run:
        found = run.quality(run.find(dataset))
    if as_json:
        _print_json(found)
    else:
        print_quality(found, console_for_tables())
    if found.found:
        raise SystemExit(EXIT_FAILED)


@main.command()
@click.argument("before")
@click.argument("after")
@_JSON
@clean_exit
def compare(before: str, after: str, as_json: bool) -> None:
    """What is new, gone, changed, or moved between the splits from one DATASET to another.

    Exit code 1 when something has moved: what was tested with before is trained on now, or the other way round.
    """
    from llm_engineering.application.dataset import figures
    from llm_engineering.domain.errors import InvalidDatasetError
    from tools._dataset_inspection import print_difference
    from tools._report import console_for_tables

    with _datasets() as run:
        first, second = run.find(before), run.find(after)
        if first.kind is not second.kind:
            raise InvalidDatasetError(f"{before} has samples of the kind {first.kind}, {after} of {second.kind}.")
        difference = figures.compare(first, second)
    if as_json:
        _print_json(difference)
    else:
        print_difference(difference, console_for_tables())
    if difference.moved or difference.moved_documents:
        raise SystemExit(EXIT_FAILED)


def _print_json(*values: "BaseModel") -> None:
    """A value, or a line for each of several."""
    for value in values:
        click.echo(value.model_dump_json(indent=2 if len(values) == 1 else None))


@contextmanager
def _datasets() -> "Iterator[DatasetRun]":
    from llm_engineering.bootstrap import build_services, current_settings
    from llm_engineering.bootstrap_datasets import DatasetRun

    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    with build_services(settings) as services:
        yield DatasetRun(services)


if __name__ == "__main__":
    main()
