"""Pages: which are articles, which list others, and under which link and category a document stands."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.crawlers.pages import PageCrawler
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import CrawlError, NotAnArticleError
from llm_engineering.domain.sources import ExtractedArticle, FetchedPage, ListedLink, Listing, SourceState
from tests.fakes import ADA


class FakeSite:
    """Implements `PageFetcher`, `ArticleExtractor` and `ListingReader` from dictionaries."""

    def __init__(self) -> None:
        self.pages: dict[str, FetchedPage] = {}
        self.articles: dict[str, ExtractedArticle] = {}
        self.listings: dict[str, Listing] = {}
        self.feeds: dict[str, str] = {}
        self.fetched: list[str] = []

    def serve(self, url: str, moved_to: str | None = None) -> None:
        self.pages[url] = FetchedPage(url=moved_to or url, html="<html>", etag='"1"', bytes_read=10)

    def article(self, url: str, canonical: str | None = None, moved_to: str | None = None) -> None:
        self.serve(url, moved_to)
        self.articles[moved_to or url] = ExtractedArticle("Title", "Text", canonical_url=canonical, byline="A. L.")

    def list(self, url: str, kind: str, *links: str) -> None:
        self.serve(url)
        self.listings[url] = Listing(kind, [ListedLink(link) for link in links])

    def fetch(self, url: str, known: SourceState | None = None) -> FetchedPage:
        self.fetched.append(url)
        if url not in self.pages:
            raise CrawlError("the server answered 500")
        page = self.pages[url]
        if known and known.etag == page.etag:
            return FetchedPage(url=url, etag=page.etag, modified=False)
        return page

    def extract(self, page: FetchedPage) -> ExtractedArticle:
        if page.url not in self.articles:
            raise NotAnArticleError("no article")
        return self.articles[page.url]

    def read(self, page: FetchedPage) -> Listing | None:
        return self.listings.get(page.url)

    def article_in(self, feed: FetchedPage, link: str) -> ExtractedArticle | None:
        return None

    def feed_of(self, page: FetchedPage) -> str | None:
        return self.feeds.get(page.url)


@pytest.fixture
def site() -> FakeSite:
    return FakeSite()


def crawl(site: FakeSite, link: str, known: SourceState | None = None) -> Crawl:
    with PageCrawler(site, site, site).crawl(link, ADA, known) as found:
        found.documents = iter(list(found.documents))
        return found


def links(found: Crawl) -> list[str]:
    assert found.listing is not None
    return [item.link for item in found.listing.links]


def test_an_article_is_one_document_under_its_own_link(site: FakeSite) -> None:
    site.article("https://e.com/a?utm_source=x", moved_to="https://www.e.com/a/")
    [document] = crawl(site, "https://e.com/a?utm_source=x").documents
    assert document.link == "https://www.e.com/a/"
    assert document.source == "https://e.com/a"
    assert (document.platform, document.category, document.byline) == ("e.com", DataCategory.ARTICLES, "A. L.")


@pytest.mark.parametrize(
    ("canonical", "link"),
    [
        ("https://www.e.com/real", "https://www.e.com/real"),
        ("https://elsewhere.com/real", "https://e.com/a"),
        ("https://e.com/", "https://e.com/a"),
        ("http://[broken", "https://e.com/a"),
        ("javascript:void(0)", "https://e.com/a"),
        (None, "https://e.com/a"),
    ],
)
def test_a_canonical_link_is_believed_on_the_same_host_only(site: FakeSite, canonical: str | None, link: str) -> None:
    site.article("https://e.com/a", canonical=canonical)
    [document] = crawl(site, "https://e.com/a").documents
    assert document.link == link


@pytest.mark.parametrize(
    ("url", "platform", "category"),
    [
        ("https://ada.substack.com/p/engine", "substack", DataCategory.ARTICLES),
        ("https://www.linkedin.com/posts/ada_engine-1", "linkedin", DataCategory.POSTS),
        ("https://www.linkedin.com/feed/update/urn:li:activity:1", "linkedin", DataCategory.POSTS),
        ("https://www.linkedin.com/pulse/engine", "linkedin", DataCategory.ARTICLES),
        ("https://notsubstack.com/p/engine", "notsubstack.com", DataCategory.ARTICLES),
    ],
)
def test_platform_and_category_follow_from_the_host_and_path(
    site: FakeSite, url: str, platform: str, category: DataCategory
) -> None:
    site.article(url)
    [document] = crawl(site, url).documents
    assert (document.platform, document.category) == (platform, category)


def test_a_page_that_has_not_changed_gives_no_document_and_keeps_its_validators(site: FakeSite) -> None:
    site.article("https://e.com/a")
    first = crawl(site, "https://e.com/a")
    state = SourceState(
        source="https://e.com/a", link="https://e.com/a", author_id=ADA.id, etag=first.etag, revision=first.revision
    )
    found = crawl(site, "https://e.com/a", state)
    assert (found.unchanged, found.etag, list(found.documents)) == (True, '"1"', [])


def test_a_page_that_an_older_extraction_read_is_asked_for_without_conditions(site: FakeSite) -> None:
    site.article("https://e.com/a")
    state = SourceState(
        source="https://e.com/a", link="https://e.com/a", author_id=ADA.id, etag='"1"', revision="extraction 0"
    )
    found = crawl(site, "https://e.com/a", state)
    assert not found.unchanged
    assert len(list(found.documents)) == 1


def test_a_feed_is_a_listing_and_is_always_read_anew(site: FakeSite) -> None:
    site.list("https://e.com/rss", "feed", "https://e.com/a", "https://e.com/b")
    found = crawl(site, "https://e.com/rss")
    assert links(found) == ["https://e.com/a", "https://e.com/b"]
    assert (found.etag, found.unchanged, list(found.documents)) == (None, False, [])


def test_an_article_that_redirects_to_the_home_page_is_no_listing(site: FakeSite) -> None:
    site.serve("https://e.com/a", moved_to="https://e.com/")
    site.feeds["https://e.com/"] = "https://e.com/index.xml"
    site.list("https://e.com/index.xml", "feed", "https://e.com/b")
    with pytest.raises(NotAnArticleError, match="redirects to the site's home page"):
        crawl(site, "https://e.com/a")


def test_an_article_that_is_named_by_a_query_alone_is_no_home_page(site: FakeSite) -> None:
    site.article("https://e.com/?p=123")
    site.feeds["https://e.com/?p=123"] = "https://e.com/index.xml"
    [document] = crawl(site, "https://e.com/?p=123").documents
    assert document.link == "https://e.com/?p=123"


def test_of_pages_with_different_words_and_one_canonical_link_the_first_has_it(site: FakeSite) -> None:
    crawler = PageCrawler(site, site, site)
    found = []
    for name in ("one", "two", "three", "one-again"):
        site.article(f"https://e.com/{name}", canonical="https://e.com/essays")
        site.articles[f"https://e.com/{name}"] = replace(
            site.articles[f"https://e.com/{name}"], markdown=f"Text {name.removesuffix('-again')}"
        )
        with crawler.crawl(f"https://e.com/{name}", ADA, None) as crawled:
            found += [document.link for document in crawled.documents]
    assert found == ["https://e.com/essays", "https://e.com/two", "https://e.com/three", "https://e.com/essays"]


def test_a_home_page_leads_to_the_feed_that_it_names(site: FakeSite) -> None:
    site.article("https://e.com/")
    site.feeds["https://e.com/"] = "https://e.com/index.xml"
    site.list("https://e.com/index.xml", "feed", "https://e.com/a")
    found = crawl(site, "https://e.com/")
    assert links(found) == ["https://e.com/a"]
    assert found.bytes_read == 20


def test_a_home_page_without_a_feed_is_an_article(site: FakeSite) -> None:
    site.article("https://e.com/")
    assert len(list(crawl(site, "https://e.com/").documents)) == 1


def test_an_article_that_names_a_feed_is_still_an_article(site: FakeSite) -> None:
    site.article("https://e.com/a")
    site.feeds["https://e.com/a"] = "https://e.com/index.xml"
    assert len(list(crawl(site, "https://e.com/a").documents)) == 1
    assert site.fetched == ["https://e.com/a"]


def test_of_a_substack_the_posts_of_its_sitemap_are_read_and_the_feed_where_there_is_none(site: FakeSite) -> None:
    site.serve("https://ada.substack.com/")
    site.list("https://ada.substack.com/feed", "feed", "https://ada.substack.com/p/new")
    assert links(crawl(site, "https://ada.substack.com/")) == ["https://ada.substack.com/p/new"]
    posts = ["https://ada.substack.com/p/old", "https://ada.substack.com/p/new"]
    site.list("https://ada.substack.com/sitemap.xml", "sitemap", "https://ada.substack.com/about", *posts)
    found = crawl(site, "https://ada.substack.com/")
    assert links(found) == posts
    assert found.skipped == {"not an article": 1}


def test_a_home_page_whose_feed_cannot_be_read_fails_with_the_reason(site: FakeSite) -> None:
    site.article("https://e.com/")
    site.feeds["https://e.com/"] = "https://e.com/index.xml"
    with pytest.raises(CrawlError, match="answered 500"):
        crawl(site, "https://e.com/")


def test_an_index_gives_the_pages_of_all_its_sitemaps_and_counts_those_that_fail(site: FakeSite) -> None:
    children = [f"https://e.com/post-sitemap{n}.xml" for n in (1, 2, 3)]
    site.list("https://e.com/sitemap.xml", "sitemap index", *children)
    site.list(children[0], "sitemap", "https://e.com/a")
    site.list(children[2], "sitemap", "https://e.com/c")
    found = crawl(site, "https://e.com/sitemap.xml")
    assert links(found) == ["https://e.com/a", "https://e.com/c"]
    assert found.failed == {children[1]: "the server answered 500"}


def test_an_index_that_lists_itself_ends(site: FakeSite) -> None:
    site.list("https://e.com/sitemap.xml", "sitemap index", "https://e.com/sitemap.xml")
    assert links(crawl(site, "https://e.com/sitemap.xml")) == []


def test_of_a_huge_index_the_newest_sitemaps_are_read() -> None:
    site = FakeSite()
    site.serve("https://e.com/sitemap.xml")
    items = [ListedLink(f"https://e.com/s{n}.xml", datetime(2000 + n, 1, 1, tzinfo=UTC)) for n in range(60)]
    site.listings["https://e.com/sitemap.xml"] = Listing("sitemap index", items)
    found = crawl(site, "https://e.com/sitemap.xml")
    assert site.fetched[1] == "https://e.com/s59.xml"
    assert len(site.fetched) == 51
    assert found.skipped == {"sitemap beyond the limit of 50": 10}


@pytest.mark.parametrize(
    "link",
    [
        "https://www.youtube.com/watch?v=1",
        "https://open.spotify.com/show/1",
        "ftp://e.com/a",
        "mailto:a@e.com",
        "https://",
        "http://[broken",
        "",
    ],
)
def test_what_no_crawler_can_read_is_not_taken(site: FakeSite, link: str) -> None:
    assert not PageCrawler(site, site, site).matches(link)


def test_any_other_web_page_is_taken(site: FakeSite) -> None:
    assert PageCrawler(site, site, site).matches("https://notyoutube.com/a")
