"""Where documents come from: what an adapter brings of a page, a feed, a folder or a repository, and the protocols."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import DataCategory

# A page that answers 404 may be back tomorrow: its documents are removed after this many runs.
MISSING_RUNS_UNTIL_GONE = 3
# MongoDB takes records of 16 MiB; the rest is for what stands beside the text.
MAX_DOCUMENT_BYTES = 15 * 1024 * 1024


class SourceState(BaseModel):
    """How a source was when it was last crawled for an author."""

    model_config = ConfigDict(frozen=True)

    source: str = Field(description="Canonical link of what was crawled.")
    author_id: UUID
    link: str = Field(description="The link as it was given or listed, to ask for it again.")
    etag: str | None = None
    last_modified: str | None = None
    revision: str | None = Field(default=None, description="What tells that a repository has not moved: its commit.")
    listed_by: str | None = Field(default=None, description="The feed, sitemap or user that led here.")
    missing_runs: int = Field(default=0, description="Runs in a row in which it was not there.")
    gone: bool = Field(default=False, description="Not there for good; its documents were removed.")
    documents: int = Field(default=0, description="How many it had then, stored or linked to stored ones.")
    crawled_at: datetime | None = None


@dataclass(frozen=True)
class FetchedPage:
    """What a URL answered, after redirects: a page, a feed or a file."""

    url: str
    html: str = ""  # the body as text, whatever its markup; '' for binary ones
    media_type: str = "text/html"
    body: bytes = b""
    etag: str | None = None
    last_modified: str | None = None
    modified: bool = True
    bytes_read: int = 0


@dataclass(frozen=True)
class ExtractedArticle:
    """The main content of a page as Markdown, and what the page says of itself."""

    title: str
    markdown: str
    canonical_url: str | None = None
    subtitle: str | None = None
    byline: str | None = None
    language: str | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class ListedLink:
    """A link that a feed, a sitemap or a page lists."""

    link: str
    published_at: datetime | None = None


@dataclass(frozen=True)
class Listing:
    """What a feed or sitemap lists.

    `kind` names it for the report, `site` is the home page that a feed says it has. `vouched` says that all links are
    the author's own, on whatever site.
    """

    kind: str
    links: Sequence[ListedLink]
    site: str | None = None
    vouched: bool = False


@dataclass(frozen=True)
class SourceFile:
    """A document of a folder, an archive or a repository as Markdown or text.

    `path` is relative to the root, with forward slashes. An export says more of its documents than a plain file does:
    what is None is told from the path and the text.
    """

    path: str
    text: str
    title: str | None = None
    subtitle: str | None = None
    language: str | None = None
    published_at: datetime | None = None
    link: str | None = None
    category: DataCategory | None = None
    platform: str | None = None


@dataclass
class FileTree:
    """The documents under a root, read one by one, and how many were left out or could not be read, and why.

    `skipped`, `failed` (reason by path; that of a folder ends in a slash), `over_limit` (reason by path, of what is
    also counted in `skipped`) and `bytes_read` are complete when `files` is exhausted. `unchanged` says that the tree
    has the `revision` that the caller knows, and `files` is then empty.
    """

    name: str
    link: str
    files: Iterator[SourceFile]
    skipped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    over_limit: dict[str, str] = field(default_factory=dict)
    revision: str | None = None
    unchanged: bool = False
    bytes_read: int = 0


class PageFetcher(Protocol):
    """Brings one page of the web."""

    def fetch(self, url: str, known: SourceState | None = None) -> FetchedPage:
        """Ask for the page; with `known`, only if it is another than then (`modified` is False else).

        Raises CrawlError with the reason when there is nothing to be had, SourceMissingError at 404 and 410,
        ForbiddenLinkError for an address or a path that may not be asked for.
        """


class ArticleExtractor(Protocol):
    """Finds the main content in a page."""

    def extract(self, page: FetchedPage) -> ExtractedArticle:
        """Raises NotAnArticleError when the page has no article in it."""


class ListingReader(Protocol):
    """Reads what lists other links."""

    def read(self, page: FetchedPage) -> Listing | None:
        """What a feed or sitemap lists; None when the page is neither."""

    def feed_of(self, page: FetchedPage) -> str | None:
        """The feed that an HTML page names as its own (`<link rel="alternate">`)."""

    def article_in(self, feed: FetchedPage, link: str) -> ExtractedArticle | None:
        """The article behind the link as the feed has it in full; None when it has not, or only a summary."""


class Browser(Protocol):
    """A real browser, for pages that only show themselves to one. It starts with the first page."""

    def open(self, url: str, scroll: bool = False) -> FetchedPage:
        """The page once it has loaded; with `scroll`, once it has stopped growing.

        Raises CrawlError when there is no page, or no browser on this machine.
        """


class RepositoryDirectory(Protocol):
    """Knows which repositories a user has."""

    def handles(self, link: str) -> bool:
        """Whether the link is a user's page."""

    def repositories(self, link: str) -> Listing:
        """The user's own repositories. Raises CrawlError when they cannot be listed."""


class FileSource(Protocol):
    """Opens a folder, an archive or a repository for reading; what it needed to fetch is gone when the context ends."""

    def handles(self, link: str) -> bool:
        """Whether the link is of this kind; nothing is fetched to find out."""

    def source(self, link: str) -> str:
        """The canonical link of the root, the same for each spelling."""

    def open(self, link: str, known: SourceState | None = None) -> AbstractContextManager[FileTree]:
        """Raises CrawlError when the link cannot be opened, ForbiddenLinkError when it may not be."""
