"""What a crawler is, and how one is chosen for a link."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from llm_engineering.domain.documents import Author, RawDocument
from llm_engineering.domain.errors import UnsupportedLinkError
from llm_engineering.domain.links import canonical_link, without_credentials
from llm_engineering.domain.sources import Listing, SourceState


@dataclass
class Crawl:
    """A source being read: the documents it holds, or the links it lists.

    What is counted here is complete when `documents` is exhausted. What is known to be as it was at the last crawl is
    `unchanged` and has no documents here. `spared` are documents of parts that failed or that a limit left out: they
    have not vanished; where it cannot be told which these are, `complete` is False, and nothing has.
    """

    documents: Iterator[RawDocument] = field(default_factory=lambda: iter(()))
    listing: Listing | None = None
    unchanged: bool = False
    skipped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    over_limit: dict[str, str] = field(default_factory=dict)
    spared: list[UUID] = field(default_factory=list)
    complete: bool = True
    bytes_read: int = 0
    etag: str | None = None
    last_modified: str | None = None
    revision: str | None = None


class Crawler(Protocol):
    """Reads one kind of source."""

    name: str
    reads: str
    is_page: bool  # whether it reads pages of the web: what a page lists is read by these only

    def matches(self, link: str) -> bool: ...

    def source(self, link: str) -> str:
        """The canonical link of the source, the same for each spelling. Raises InvalidInputError for no URL."""

    def crawl(self, link: str, author: Author, known: SourceState | None) -> AbstractContextManager[Crawl]:
        """Read the source; `known` is how it was last time, if its documents are still stored.

        Raises CrawlError, on entering or while the documents are read, when the source cannot be read.
        """


def crawler_for(link: str, crawlers: Sequence[Crawler]) -> Crawler:
    """The first crawler that takes the link.

    Raises:
        InvalidInputError: it cannot be parsed as a URL.
        UnsupportedLinkError: no crawler takes it; the message lists what can be read.
    """
    for crawler in crawlers:
        if crawler.matches(link):
            return crawler
    canonical_link(link)
    kinds = "; ".join(crawler.reads for crawler in crawlers)
    raise UnsupportedLinkError(f"No crawler reads {without_credentials(link)!r}. What can be read: {kinds}.")
