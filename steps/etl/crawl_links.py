"""Crawl every link of an author."""

from datetime import date
from typing import Annotated

from zenml import log_metadata, step

from llm_engineering.application import etl
from llm_engineering.bootstrap import build_services
from llm_engineering.domain.documents import Author
from llm_engineering.domain.reports import EtlReport


# Not cached: the pages and repositories behind the links change while the links stay the same.
@step(enable_cache=False)
def crawl_links(
    user: Author, links: list[str], exclude: list[str], limit: int, since: str | None, min_success_rate: float
) -> Annotated[EtlReport, "etl_report"]:
    """Crawl the links and store what they hold; `limit` and `since` (YYYY-MM-DD) bound what a feed or user lists.

    Raises:
        LowSuccessRateError: too little could be read. The step's metadata has the reasons all the same.
    """
    with build_services() as services:
        options = services.crawl_options(limit, date.fromisoformat(since) if since else None)
        report = etl.crawl_links(
            links, user, services.crawlers(exclude), services.documents, services.progress, options
        )
    log_metadata(metadata=report.metadata())
    etl.check_success_rate(report, min_success_rate)
    return report
