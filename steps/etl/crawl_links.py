"""Crawl every link of an author."""

from typing import Annotated

from zenml import log_metadata, step

from llm_engineering.application import etl
from llm_engineering.bootstrap import build_services
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import NothingSucceededError
from llm_engineering.domain.reports import EtlReport


# Not cached: the pages and repositories behind the links change while the links stay the same.
@step(enable_cache=False)
def crawl_links(user: Author, links: list[str], exclude: list[str]) -> Annotated[EtlReport, "etl_report"]:
    """Crawl the links and store what they hold.

    Raises:
        NothingSucceededError: every link failed. The step's metadata has the reasons all the same.
    """
    with build_services() as services:
        report = etl.crawl_links(links, user, services.crawlers(exclude), services.documents, services.progress)
    log_metadata(metadata=report.metadata())
    if report.everything_failed:
        raise NothingSucceededError(
            f"None of the {len(report.sources)} links could be crawled. The log and the step's metadata say why."
        )
    return report
