"""From links to raw documents in the store. A link that fails does not stop the others."""

from collections.abc import Sequence
from datetime import UTC, datetime

from llm_engineering.application.crawlers.base import Crawler
from llm_engineering.application.crawlers.run import CrawlOptions, CrawlRun
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import InvalidInputError, LowSuccessRateError
from llm_engineering.domain.ports import DocumentStore, Progress
from llm_engineering.domain.reports import EtlReport


def crawl_links(
    links: Sequence[str],
    author: Author,
    crawlers: Sequence[Crawler],
    store: DocumentStore,
    progress: Progress,
    options: CrawlOptions | None = None,
) -> EtlReport:
    """Crawl each link once and store what it holds; the report says for each what was new, or why it failed.

    The report is in the store as well: without an end while the run lasts, and completed when it is over.

    Raises:
        InvalidInputError: there are no links.
    """
    if not links:
        raise InvalidInputError("There are no links to crawl: name at least one under `links`.")
    report = EtlReport(author=author.full_name)
    store.save_run(report)
    with progress.task("Crawling", total=len(links)) as advance:
        CrawlRun(author, crawlers, store, options or CrawlOptions(), advance).run(links, report)
    report.finished_at = datetime.now(UTC)
    store.save_run(report)
    return report


def check_success_rate(report: EtlReport, minimum: float) -> None:
    """Hold a run to the configured minimum.

    Raises:
        LowSuccessRateError: fewer sources could be read; when there was none, the message says what else there is.
    """
    if report.success_rate >= minimum and (report.success_rate > 0 or not report.failures):
        return
    message = (
        f"{report.success_rate:.0%} of what was to be crawled could be read, the minimum is {minimum:.0%} "
        "(min_success_rate). The table, the log and the step's metadata say why."
    )
    if report.success_rate == 0:
        message += (
            " If nothing can be reached, restore a back-up: python -m tools.data_warehouse --import-raw-data "
            "--data-dir DIR (docs/document-store.md says how to make one)."
        )
    raise LowSuccessRateError(message)
