"""Follow MongoDB's changes until interrupted."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import click

from llm_engineering.domain.feature_reports import ChangeReport


def run_cdc() -> None:
    """Follow until SIGINT or SIGTERM; the batch in hand is finished then."""
    from llm_engineering.application.preprocessing.cdc import follow_changes
    from llm_engineering.bootstrap import build_services, current_settings
    from tools._cli import configure_logging

    settings = current_settings()
    configure_logging(settings.LOG_LEVEL)
    logging.getLogger("llm_engineering").setLevel(settings.LOG_LEVEL)
    with build_services(settings) as services, _until_interrupted() as stop:
        click.echo("Following the changes of MongoDB. Ctrl-C stops after the batch in hand.")
        follow_changes(
            services.change_feed,
            services.documents,
            services.vectors,
            services.feature_makers,
            stop,
            _print_report,
            services.progress,
        )
    click.echo("Stopped. The next run goes on from here.")


def _print_report(report: ChangeReport) -> None:
    from tools._feature_report import change_line

    click.echo(change_line(report))


@contextmanager
def _until_interrupted() -> Iterator[Event]:
    """An event that is set at the first signal; a second Ctrl-C interrupts at once."""
    stop = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:  # noqa: ARG001
        stop.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
