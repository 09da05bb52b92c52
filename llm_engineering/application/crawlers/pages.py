"""Pages of the web: an article, or a home page, feed or sitemap that lists articles."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TypeGuard
from urllib.parse import urlsplit
from uuid import UUID

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.crawlers.listings import is_home, listing_links, only_posts, select
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import CrawlError, InvalidInputError, NotAnArticleError
from llm_engineering.domain.links import canonical_link, host_of
from llm_engineering.domain.sources import (
    ArticleExtractor,
    ExtractedArticle,
    FetchedPage,
    ListedLink,
    Listing,
    ListingReader,
    PageFetcher,
    SourceState,
)

# Raise it when extraction changes what it makes of a page: pages that have not changed are then read anew.
EXTRACTION = "extraction 1"
MAX_SITEMAPS = 50
# Sound, films, and networks that show nothing without a login: no crawler for these yet.
UNREAD_HOSTS = frozenset({
    "youtube.com", "youtu.be", "vimeo.com", "tiktok.com", "spotify.com", "soundcloud.com", "podcasts.apple.com",
    "x.com", "twitter.com", "facebook.com", "instagram.com",
})  # fmt: skip
# Platforms by the domain that their authors' pages are on; elsewhere the platform is the host.
_PLATFORMS = {"substack.com": "substack", "linkedin.com": "linkedin", "medium.com": "medium"}
_LINKEDIN_POST_PATHS = ("/posts/", "/feed/update/")


class PageCrawler:
    """Fetches a page and keeps its main content, or says what it lists."""

    name = "page"
    is_page = True
    reads = (
        "web pages with an article; feeds (RSS, Atom), sitemaps, and home pages that name a feed; Substack; "
        "public LinkedIn posts"
    )

    def __init__(self, fetcher: PageFetcher, extractor: ArticleExtractor, listings: ListingReader) -> None:
        self._fetcher = fetcher
        self._extractor = extractor
        self._listings = listings
        self._claims: dict[UUID, str] = {}
        self._claiming = Lock()

    def matches(self, link: str) -> bool:
        """Whether the link is an http(s) URL with a host, and not one of those that nothing can be read of."""
        try:
            parts = urlsplit(canonical_link(link))
        except InvalidInputError:
            return False
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and host != "" and _by_domain(host, UNREAD_HOSTS) is None

    def source(self, link: str) -> str:
        """The page's canonical link."""
        return canonical_link(link)

    @contextmanager
    def crawl(self, link: str, author: Author, known: SourceState | None) -> Iterator[Crawl]:
        """Yield the one document of the page, or what it lists. Raises CrawlError when there is neither."""
        page = self._fetcher.fetch(link, known if known and known.revision == EXTRACTION else None)
        crawl = Crawl(bytes_read=page.bytes_read, revision=EXTRACTION)
        if page.modified:
            if is_home(page.url) and not is_home(link):
                raise NotAnArticleError("it redirects to the site's home page")
            crawl.listing = self._listing(page, crawl)
        if not crawl.listing:
            crawl.etag, crawl.last_modified, crawl.unchanged = page.etag, page.last_modified, not page.modified
        if page.modified and not crawl.listing:
            crawl.documents = iter([self._document(page, self._extractor.extract(page), author, link)])
        yield crawl

    def _document(self, page: FetchedPage, article: ExtractedArticle, author: Author, link: str) -> RawDocument:
        """The article's document. Where pages of different words name one canonical link, the first one has it."""
        document = to_document(page, article, author, source=link)
        with self._claiming:
            claim = self._claims.setdefault(document.id, document.fingerprint)
        if claim == document.fingerprint:
            return document
        return to_document(page, replace(article, canonical_url=None), author, source=link)

    def _listing(self, page: FetchedPage, crawl: Crawl) -> Listing | None:
        """What the page lists; for a home page, what its feed or sitemap lists. None: it is an article."""
        listing = self._listings.read(page)
        if listing is None and is_home(page.url):
            listing = self._listing_of_home(page, crawl)
        if listing is None:
            return None
        listing, skipped = only_posts(listing)
        crawl.skipped |= skipped
        return self._merged(listing, crawl) if listing.kind == "sitemap index" else listing

    def _listing_of_home(self, page: FetchedPage, crawl: Crawl) -> Listing | None:
        """The first list that a home page leads to and that can be read; None when it leads to none.

        Raises:
            CrawlError: it leads to some, and none can be read.
        """
        failure: CrawlError | None = None
        for link in listing_links(page.url, page, self._listings.feed_of(page)):
            try:
                listing = self._read(link, crawl)
            except CrawlError as error:
                failure = error
                continue
            if listing and listing.links:
                return listing
        if failure:
            raise failure
        return None

    def _merged(self, index: Listing, crawl: Crawl) -> Listing:
        """The pages of all sitemaps of an index; a sitemap that cannot be read is counted."""
        pages: list[ListedLink] = []
        newest, skipped = select(index.links, None, MAX_SITEMAPS)
        crawl.skipped |= {f"sitemap {reason}": count for reason, count in skipped.items()}
        for item in newest:
            try:
                listing = self._read(item.link, crawl)
            except CrawlError as error:
                crawl.failed[item.link] = str(error)
                continue
            if listing and listing.kind != "sitemap index":
                pages.extend(only_posts(listing)[0].links)
        return Listing("sitemap", pages, index.site)

    def _read(self, link: str, crawl: Crawl) -> Listing | None:
        page = self._fetcher.fetch(link)
        crawl.bytes_read += page.bytes_read
        return self._listings.read(page)


def to_document(page: FetchedPage, article: ExtractedArticle, author: Author, source: str) -> RawDocument:
    """The document of an article, under the page's own canonical link where that can be believed."""
    host, path = host_of(page.url), urlsplit(page.url).path
    platform = _by_domain(host, _PLATFORMS)
    is_post = platform == "linkedin.com" and path.startswith(_LINKEDIN_POST_PATHS)
    return RawDocument.create(
        category=DataCategory.POSTS if is_post else DataCategory.ARTICLES,
        platform=_PLATFORMS[platform] if platform else host,
        link=article.canonical_url if _is_credible(article.canonical_url, page.url) else page.url,
        source=source,
        author=author,
        byline=article.byline,
        title=article.title,
        subtitle=article.subtitle,
        content=article.markdown,
        language=article.language,
        published_at=article.published_at,
    )


def _is_credible(canonical: str | None, url: str) -> TypeGuard[str]:
    """On the same host, and not the home page: some sites put that on every page."""
    if not canonical or host_of(canonical) != host_of(url):
        return False
    return not is_home(canonical) or is_home(url)


def _by_domain(host: str, domains: Iterable[str]) -> str | None:
    """The domain that the host is, or is below."""
    return next((domain for domain in domains if host == domain or host.endswith(f".{domain}")), None)
