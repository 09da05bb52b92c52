"""Medium: authors, publications and articles, by a browser, and by the feed where that does not get through."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.crawlers.listings import links_in
from llm_engineering.application.crawlers.medium_links import (
    MEDIUM,
    article_id,
    bare_link,
    feed_link,
    home_link,
    is_home_page,
    is_list,
    is_medium_page,
    opened_link,
    writer_of,
)
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import CrawlError, InvalidInputError, SourceMissingError
from llm_engineering.domain.links import host_of
from llm_engineering.domain.sources import (
    ArticleExtractor,
    Browser,
    ExtractedArticle,
    FetchedPage,
    ListedLink,
    Listing,
    ListingReader,
    PageFetcher,
    SourceState,
)


class MediumCrawler:
    """Opens pages of Medium in a browser; where that fails, reads the full text from the author's feed.

    `hosts` are the domains of one's own that publications have. `check` is asked before the browser opens a page, and
    raises ForbiddenLinkError when robots.txt or the address forbids it: the fetcher sees to that for what it fetches.
    """

    name = "medium"
    is_page = True
    reads = "Medium: authors, publications and articles (medium.com, NAME.medium.com and the hosts in MEDIUM_HOSTS)"

    def __init__(
        self,
        browser: Browser,
        fetcher: PageFetcher,
        extractor: ArticleExtractor,
        listings: ListingReader,
        hosts: Iterable[str],
        check: Callable[[str], None],
    ) -> None:
        self._browser = browser
        self._fetcher = fetcher
        self._extractor = extractor
        self._listings = listings
        self._hosts = frozenset(host_of(f"https://{host}") for host in hosts)
        self._check = check

    def matches(self, link: str) -> bool:
        """Whether the link is a page of Medium's, and no feed: those are read as any other feed is."""
        try:
            return urlsplit(link.strip()).scheme.lower() in ("http", "https") and self._is_page(bare_link(link))
        except (ValueError, InvalidInputError):
            return False

    def source(self, link: str) -> str:
        """The canonical link, without the parameters that say from where on Medium it was opened."""
        return bare_link(link)

    @contextmanager
    def crawl(self, link: str, author: Author, known: SourceState | None) -> Iterator[Crawl]:  # noqa: ARG002
        """Yield the one article, or what an author's page lists; a browser cannot ask for changes only.

        Raises:
            SourceMissingError: Medium says that the page is not there.
            CrawlError: it is a reading list, or neither the page nor the feed could be read, with the reasons of both.
        """
        url = opened_link(link)
        if is_list(url):
            raise CrawlError(
                "a list on Medium may hold articles of other writers: give the author's page, as "
                "https://medium.com/@NAME, or the links of the articles"
            )
        yield self._article(url, author) if self._is_article(url) else self._list(url)

    def _article(self, url: str, author: Author) -> Crawl:
        try:
            page = self._open(url)
            article = self._extractor.extract(page)
        except SourceMissingError:
            raise
        except CrawlError as error:
            page, article = self._from_feed(url, error)
        document = RawDocument.create(
            category=DataCategory.ARTICLES,
            platform="medium",
            link=self._link(article, page, url),
            source=bare_link(url),
            author=author,
            byline=article.byline,
            title=article.title,
            subtitle=article.subtitle,
            content=article.markdown,
            language=article.language,
            published_at=article.published_at,
        )
        return Crawl(documents=iter([document]), bytes_read=page.bytes_read)

    def _from_feed(self, url: str, failure: CrawlError) -> tuple[FetchedPage, ExtractedArticle]:
        """The article as the feed has it. Raises CrawlError with both reasons."""
        try:
            feed, listing = self._feed(url)
            entries = (item.link for item in listing.links if article_id(item.link) == article_id(url))
            article = self._listings.article_in(feed, next(entries, url) if article_id(url) else url)
        except CrawlError as error:
            raise _both(failure, str(error)) from error
        if article is None:
            raise _both(failure, "it does not have this article in full")
        return feed, article

    def _list(self, url: str) -> Crawl:
        home = home_link(url)
        try:
            return self._list_of_page(home)
        except SourceMissingError:
            raise
        except CrawlError as error:
            return self._list_of_feed(home, error)

    def _list_of_page(self, home: str) -> Crawl:
        page = self._open(home, scroll=True)
        links = list(self._articles_on(page, home))
        if not links:
            raise CrawlError("no article is listed on the page")
        return Crawl(listing=Listing("Medium page", links, home, vouched=True), bytes_read=page.bytes_read)

    def _list_of_feed(self, home: str, failure: CrawlError) -> Crawl:
        try:
            feed, listing = self._feed(home)
        except CrawlError as error:
            raise _both(failure, str(error)) from error
        links = [ListedLink(opened_link(item.link), item.published_at) for item in listing.links]
        return Crawl(listing=Listing(listing.kind, links, home, vouched=True), bytes_read=feed.bytes_read)

    def _open(self, url: str, scroll: bool = False) -> FetchedPage:
        self._check(url)
        return self._browser.open(url, scroll)

    def _feed(self, url: str) -> tuple[FetchedPage, Listing]:
        """Raises CrawlError when there is no feed, or it cannot be read."""
        feed = self._fetcher.fetch(feed_link(url))
        listing = self._listings.read(feed)
        if listing is None:
            raise CrawlError("what came is not a feed")
        return feed, listing

    def _articles_on(self, page: FetchedPage, home: str) -> Iterator[ListedLink]:
        """The articles that a page links to, each once; what else it recommends of other writers is not."""
        seen: set[str] = set()
        writer = writer_of(home)
        for link in links_in(page):
            try:
                url, key = opened_link(link), self._listed_id(link)
            except InvalidInputError:
                continue
            is_other = writer is not None and writer_of(url) not in (writer, None)
            if key and key not in seen and not is_other:
                seen.add(key)
                yield ListedLink(url)

    def _listed_id(self, link: str) -> str:
        """The id of an article of Medium's. Links to publications with a domain of their own say where they stand."""
        is_marked = link.startswith(("http://", "https://")) and "source=" in urlsplit(link).query
        return article_id(link) if is_marked or self._is_own(host_of(link)) else ""

    def _is_page(self, url: str) -> bool:
        return is_medium_page(url) and self._is_own(host_of(url))

    def _is_article(self, url: str) -> bool:
        """On a domain of one's own, every page but the home page and its tabs: not all articles there have an id."""
        return bool(article_id(url)) or (host_of(url) in self._hosts and not is_home_page(url))

    def _link(self, article: ExtractedArticle, page: FetchedPage, url: str) -> str:
        """The page's canonical link where it is one of Medium's, else the page's own."""
        for link in filter(None, (article.canonical_url, page.url)):
            try:
                if self._is_own(host_of(link)) and article_id(link):
                    return bare_link(link)
            except InvalidInputError:
                continue
        return url

    def _is_own(self, host: str) -> bool:
        return host == MEDIUM or host.endswith(f".{MEDIUM}") or host in self._hosts


def _both(browser: CrawlError, feed: str) -> CrawlError:
    return CrawlError(f"in the browser: {browser}; in the feed: {feed}")
