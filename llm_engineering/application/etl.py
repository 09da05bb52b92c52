"""From links to raw documents in the store. A link that fails does not stop the others."""

import logging
import time
from collections.abc import Sequence
from uuid import UUID

from llm_engineering.application.crawlers.base import Crawler, crawler_for
from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import Author, canonical_link, without_credentials
from llm_engineering.domain.errors import CrawlError, InvalidInputError
from llm_engineering.domain.ports import DocumentStore, Progress
from llm_engineering.domain.reports import EtlReport, SourceReport, describe

logger = logging.getLogger(__name__)


def crawl_links(
    links: Sequence[str],
    author: Author,
    crawlers: Sequence[Crawler],
    store: DocumentStore,
    progress: Progress,
) -> EtlReport:
    """Crawl each link once and store what it holds; the report says for each what was new, or why it failed."""
    report = EtlReport(author=author.full_name)
    unique_links = list(dict.fromkeys(links))
    with progress.task("Crawling", total=len(unique_links)) as advance:
        for link in unique_links:
            source = crawl_link(link, author, crawlers, store)
            report.sources.append(source)
            logger.log(logging.WARNING if source.failure else logging.INFO, "%s: %s", source.link, describe(source))
            advance(1)
    return report


def crawl_link(link: str, author: Author, crawlers: Sequence[Crawler], store: DocumentStore) -> SourceReport:
    """Crawl one link. What it lists is stored; what it listed before and lists no more is deleted."""
    report = SourceReport(link=without_credentials(link))
    started = time.monotonic()
    try:
        canonical_link(link)
        crawler = crawler_for(link, crawlers)
        report.crawler = crawler.name
        with crawler.crawl(link, author) as crawl:
            present: list[UUID] = []
            for batch in batched(crawl.documents, BATCH_SIZE):
                report.documents += store.upsert(batch)
                present.extend(document.id for document in batch)
            report.removed = store.delete_vanished(crawl.source, author.id, present)
            report.skipped = dict(crawl.skipped)
    except (CrawlError, InvalidInputError) as error:
        report.failure = str(error)
    report.seconds = round(time.monotonic() - started, 3)
    return report
