"""What a crawler is, and how one is chosen for a link."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from llm_engineering.domain.documents import Author, RawDocument, without_credentials
from llm_engineering.domain.errors import UnsupportedLinkError


@dataclass
class Crawl:
    """A source being read. `skipped` is complete when `documents` is exhausted."""

    source: str
    documents: Iterator[RawDocument]
    skipped: dict[str, int] = field(default_factory=dict)


class Crawler(Protocol):
    """Reads one kind of source."""

    name: str
    reads: str

    def matches(self, link: str) -> bool: ...

    def crawl(self, link: str, author: Author) -> AbstractContextManager[Crawl]:
        """Raises CrawlError, on entering or while the documents are read, when the source cannot be read."""


def crawler_for(link: str, crawlers: Sequence[Crawler]) -> Crawler:
    """The first crawler that takes the link.

    Raises:
        UnsupportedLinkError: none does; the message lists what can be read.
    """
    for crawler in crawlers:
        if crawler.matches(link):
            return crawler
    kinds = "; ".join(crawler.reads for crawler in crawlers)
    raise UnsupportedLinkError(f"No crawler reads {without_credentials(link)!r}. What can be read: {kinds}.")
