"""Medium: what its links say, and what is done when the browser does not get through."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.crawlers.medium import MediumCrawler
from llm_engineering.application.crawlers.medium_links import article_id, feed_link, home_link
from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, NotAnArticleError, SourceMissingError
from llm_engineering.domain.sources import ExtractedArticle, FetchedPage, ListedLink, Listing, SourceState
from tests.fakes import ADA

ID = "0123456789ab"
ARTICLE = f"https://medium.com/@ada/the-mill-{ID}"
FEED = "https://medium.com/feed/@ada"
WHEN = datetime(2024, 3, 5, tzinfo=UTC)


class Web:
    """A browser, a fetcher, an extractor and a reader of feeds, and in which order they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pages: dict[str, FetchedPage | CrawlError] = {}
        self.feeds: dict[str, Listing | CrawlError] = {}
        self.entries: dict[str, ExtractedArticle] = {}
        self.article: ExtractedArticle | CrawlError = ExtractedArticle("On the mill", "It mills.", byline="Ada L.")
        self.forbidden: set[str] = set()

    def open(self, url: str, scroll: bool = False) -> FetchedPage:
        self.asked.append(f"{'scroll' if scroll else 'open'} {url}")
        found = self.pages.get(url, CrawlError("no browser on this machine"))
        if isinstance(found, CrawlError):
            raise found
        return found

    def fetch(self, url: str, known: SourceState | None = None) -> FetchedPage:
        self.asked.append(f"fetch {url}")
        found = self.feeds.get(url, SourceMissingError("the server answered 404"))
        if isinstance(found, CrawlError):
            raise found
        return FetchedPage(url, bytes_read=7)

    def extract(self, page: FetchedPage) -> ExtractedArticle:
        if isinstance(self.article, CrawlError):
            raise self.article
        return self.article

    def read(self, page: FetchedPage) -> Listing | None:
        found = self.feeds[page.url]
        return found if isinstance(found, Listing) and found.kind == "feed" else None

    def feed_of(self, page: FetchedPage) -> str | None:
        return None

    def article_in(self, feed: FetchedPage, link: str) -> ExtractedArticle | None:
        return self.entries.get(link)

    def check(self, url: str) -> None:
        if url in self.forbidden:
            raise ForbiddenLinkError("robots.txt forbids it")


@pytest.fixture
def web() -> Web:
    return Web()


def crawler(web: Web, *hosts: str) -> MediumCrawler:
    return MediumCrawler(web, web, web, web, hosts, web.check)


def crawl(web: Web, link: str, *hosts: str) -> Crawl:
    with crawler(web, *hosts).crawl(link, ADA, None) as result:
        return result


@pytest.mark.parametrize(
    "link",
    ["https://medium.com/@ada", "http://www.medium.com/@ada/", "https://ada.medium.com", ARTICLE, "HTTPS://Medium.com/x",
     "https://notes.example.com/the-mill", "https://medium.com/p/0123456789ab"],
)  # fmt: skip
def test_pages_of_medium_and_of_configured_hosts_are_taken(web: Web, link: str) -> None:
    assert crawler(web, "notes.example.com").matches(link)


@pytest.mark.parametrize(
    "link",
    ["https://example.com/@ada", "https://evilmedium.com/@ada", "https://medium.com.evil.example/", "ftp://medium.com/x",
     FEED, "https://ada.medium.com/feed", "https://notes.example.com/feed", "https://ada.medium.com/sitemap/sitemap.xml",
     "file:///medium.com", "http://[medium.com", "medium.com/@ada", ""],
)  # fmt: skip
def test_other_links_and_feeds_are_left_to_other_crawlers(web: Web, link: str) -> None:
    assert not crawler(web, "notes.example.com").matches(link)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (ARTICLE, ID),
        ("https://medium.com/engine-notes/the-mill-0123456789ab?source=rss-1------2", ID),
        ("https://medium.com/p/0123456789ab", ID),
        ("https://ada.medium.com/the-mill-0123456789ab", ID),
        ("https://medium.com/@ada/0123456789ab", ID),
        ("https://medium.com/@ada/%E7%A3%A8-0123456789", "0123456789"),
        ("https://medium.com/@ada", ""),
        ("https://medium.com/engine-0123456789ab", ""),
        ("https://medium.com/@ada/list/reading-list-0123456789ab", ""),
        ("https://medium.com/tag/computing-0123456789ab", ""),
        ("https://medium.com/m/signin-0123456789ab", ""),
        ("https://medium.com/@ada/the-mill-0123456789abc", ""),
        ("https://medium.com/@ada/the-mill-012345678", ""),
        ("https://medium.com/@ada/the-mill-0123456789AB", ""),
        ("https://medium.com/", ""),
    ],
)
def test_an_article_is_told_by_its_id(link: str, expected: str) -> None:
    assert article_id(link) == expected


@pytest.mark.parametrize(
    ("link", "home", "feed"),
    [
        (ARTICLE, "https://medium.com/@ada", FEED),
        ("https://medium.com/@ada/about", "https://medium.com/@ada", FEED),
        (f"https://medium.com/engine/x-{ID}", "https://medium.com/engine", "https://medium.com/feed/engine"),
        (f"https://ada.medium.com/x-{ID}", "https://ada.medium.com", "https://ada.medium.com/feed"),
        ("https://notes.example.com/x", "https://notes.example.com", "https://notes.example.com/feed"),
    ],
)
def test_whose_it_is_says_where_the_feed_is(link: str, home: str, feed: str) -> None:
    assert (home_link(link), feed_link(link)) == (home, feed)


@pytest.mark.parametrize("link", ["https://medium.com", "https://medium.com/tag/ai", f"https://medium.com/p/{ID}"])
def test_a_page_of_medium_s_own_has_no_author(link: str) -> None:
    with pytest.raises(CrawlError, match="@NAME"):
        feed_link(link)


def test_the_source_is_the_same_however_the_link_was_shared(web: Web) -> None:
    spellings = [
        ARTICLE, f"{ARTICLE}?source=friends_link&sk=1", f"{ARTICLE}#abcd", f"https://www.medium.com/@ada/the-mill-{ID}/",
        f"{ARTICLE}?responsesOpen=true&sortBy=REVERSE_CHRON",
    ]  # fmt: skip
    assert {crawler(web).source(link) for link in spellings} == {ARTICLE}


def test_an_article_comes_from_the_browser(web: Web) -> None:
    web.pages[ARTICLE] = FetchedPage(ARTICLE, "<p>mills", bytes_read=8)
    result = crawl(web, f"{ARTICLE}?source=x")
    (document,) = result.documents
    assert web.asked == [f"open {ARTICLE}"]
    assert (document.link, document.source, document.platform) == (ARTICLE, ARTICLE, "medium")
    assert (document.title, document.content, document.byline) == ("On the mill", "It mills.", "Ada L.")
    assert result.bytes_read == 8


@pytest.mark.parametrize(
    ("canonical", "expected"),
    [
        (f"https://medium.com/engine/mill-{ID}?source=x", f"https://medium.com/engine/mill-{ID}"),
        (f"https://notes.example.com/mill-{ID}", f"https://notes.example.com/mill-{ID}"),
        (f"https://elsewhere.example.com/mill-{ID}", ARTICLE),
        ("https://medium.com/", ARTICLE),
        ("http://[", ARTICLE),
        (None, ARTICLE),
    ],
)
def test_the_canonical_link_is_believed_when_it_is_one_of_medium_s(
    web: Web, canonical: str | None, expected: str
) -> None:
    web.pages[ARTICLE] = FetchedPage(ARTICLE)
    web.article = ExtractedArticle("t", "x", canonical_url=canonical)
    (document,) = crawl(web, ARTICLE, "notes.example.com").documents
    assert (document.link, document.source) == (expected, ARTICLE)


@pytest.mark.parametrize("permanent", [False, True])
def test_an_article_that_is_gone_is_not_looked_for_in_the_feed(web: Web, permanent: bool) -> None:
    web.pages[ARTICLE] = SourceMissingError("the server answered 410", permanent)
    with pytest.raises(SourceMissingError) as caught:
        crawl(web, ARTICLE)
    assert caught.value.permanent is permanent
    assert web.asked == [f"open {ARTICLE}"]


def wall(web: Web) -> None:
    web.pages[ARTICLE] = FetchedPage(ARTICLE)
    web.article = NotAnArticleError("a bot wall")


def no_browser(web: Web) -> None:
    web.pages[ARTICLE] = CrawlError("no browser")


def robots(web: Web) -> None:
    web.forbidden.add(ARTICLE)


@pytest.mark.parametrize("trouble", [wall, no_browser, robots])
def test_behind_a_wall_the_article_is_read_from_the_feed(web: Web, trouble: Callable[[Web], None]) -> None:
    trouble(web)
    entry = f"https://medium.com/engine/the-mill-renamed-{ID}?source=rss-1------2"
    web.feeds[FEED] = Listing("feed", [ListedLink("https://medium.com/@ada/other-ffffffffffff"), ListedLink(entry)])
    web.entries[entry] = ExtractedArticle("On the mill", "All of it.", canonical_url=entry, published_at=WHEN)
    result = crawl(web, ARTICLE)
    (document,) = result.documents
    assert (document.content, document.published_at) == ("All of it.", WHEN)
    assert (document.link, document.source) == (f"https://medium.com/engine/the-mill-renamed-{ID}", ARTICLE)
    assert result.bytes_read == 7
    assert web.asked[-1] == f"fetch {FEED}"


def test_what_robots_txt_forbids_is_not_opened(web: Web) -> None:
    robots(web)
    with pytest.raises(CrawlError, match="robots"):
        crawl(web, ARTICLE)
    assert web.asked == [f"fetch {FEED}"]


@pytest.mark.parametrize(
    ("feed", "reason"),
    [
        (SourceMissingError("the server answered 404"), "404"),
        (Listing("feed", [ListedLink(ARTICLE)]), "in full"),
        (Listing("feed", []), "in full"),
        (Listing("page", []), "not a feed"),
    ],
)
def test_when_both_fail_the_error_names_both_reasons_and_is_not_missing(
    web: Web, feed: Listing | CrawlError, reason: str
) -> None:
    wall(web)
    web.feeds[FEED] = feed
    with pytest.raises(CrawlError, match=f"a bot wall.*{reason}") as caught:
        crawl(web, ARTICLE)
    assert not isinstance(caught.value, SourceMissingError)


PROFILE = f"""
<a href="/@ada/the-mill-{ID}?source=user_profile_page---0">The mill</a>
<a href="https://medium.com/@ada/the-mill-{ID}?source=user_profile_page---0---image">again</a>
<a href="https://medium.com/engine/the-store-abcdefabcd01?source=user_profile_page---1">The store</a>
<a href="https://own.example.com/the-loom-abcdefabcd02?source=user_profile_page---2">The loom</a>
<a href="https://gist.example.com/ada/x-abcdefabcd03">A gist</a>
<a href="/@charles/his-engine-abcdefabcd04?source=user_profile_page">Another writer's</a>
<a href="https://babbage.medium.com/his-engine-abcdefabcd05">Another writer's</a>
<a href="/@ada/list/reading-abcdefabcd06">A list</a>
<a href="/m/signin?operation=login&amp;redirect=https%3A%2F%2Fmedium.com%2F%40ada">Sign in</a>
<a href="/p/abcdefabcd07">By id</a>
<a href="/@ada/followers">Followers</a><a href="/tag/computing">Tag</a><a href="http://[">Broken</a>
"""
PROFILE_LINKS = [
    ARTICLE,
    "https://medium.com/engine/the-store-abcdefabcd01",
    "https://own.example.com/the-loom-abcdefabcd02",
    "https://medium.com/p/abcdefabcd07",
]


@pytest.mark.parametrize("link", ["https://medium.com/@ada", "https://medium.com/@ada/latest?source=x"])
def test_an_author_s_page_lists_the_author_s_articles(web: Web, link: str) -> None:
    web.pages["https://medium.com/@ada"] = FetchedPage("https://medium.com/@ada", PROFILE, bytes_read=9)
    result = crawl(web, link)
    assert list(result.documents) == []
    assert result.listing is not None
    assert [item.link for item in result.listing.links] == PROFILE_LINKS
    assert result.bytes_read == 9
    assert web.asked == ["scroll https://medium.com/@ada"]


@pytest.mark.parametrize(
    ("link", "home"),
    [
        ("https://ada.medium.com/about", "https://ada.medium.com"),
        ("https://medium.com/engine", "https://medium.com/engine"),
        ("https://notes.example.com/archive", "https://notes.example.com"),
        ("https://notes.example.com/", "https://notes.example.com"),
    ],
)
def test_the_other_homes_are_scrolled_too(web: Web, link: str, home: str) -> None:
    web.pages[home] = FetchedPage(home + "/", f"<a href='/engine/x-{ID}'>x</a>")
    result = crawl(web, link, "notes.example.com")
    assert web.asked == [f"scroll {home}"]
    assert result.listing is not None
    assert len(result.listing.links) == 1


def test_on_a_domain_of_one_s_own_a_page_without_an_id_is_an_article_too(web: Web) -> None:
    link = "https://www.notes.example.com/the-mill"
    web.pages[link] = FetchedPage(link)
    (document,) = crawl(web, link, "notes.example.com").documents
    assert document.source == "https://notes.example.com/the-mill"


@pytest.mark.parametrize("page", [CrawlError("no browser"), FetchedPage("https://medium.com/@ada", "<p>a wall")])
def test_without_a_browser_the_feed_lists_the_articles(web: Web, page: FetchedPage | CrawlError) -> None:
    web.pages["https://medium.com/@ada"] = page
    web.feeds[FEED] = Listing("feed", [ListedLink(f"{ARTICLE}?source=rss-1------2", WHEN)])
    result = crawl(web, "https://medium.com/@ada")
    assert result.listing == Listing("feed", [ListedLink(ARTICLE, WHEN)], "https://medium.com/@ada", vouched=True)


def test_an_author_who_is_gone_is_missing(web: Web) -> None:
    web.pages["https://medium.com/@ada"] = SourceMissingError("the server answered 404")
    with pytest.raises(SourceMissingError):
        crawl(web, "https://medium.com/@ada")


def test_an_author_of_whom_neither_page_nor_feed_can_be_read_is_a_failure_with_both_reasons(web: Web) -> None:
    with pytest.raises(CrawlError, match=r"no browser.*404"):
        crawl(web, "https://medium.com/@ada")


def test_a_page_of_medium_s_own_is_refused_without_asking(web: Web) -> None:
    with pytest.raises(CrawlError, match="@NAME"):
        crawl(web, "https://medium.com/tag/ai")
    assert web.asked == []


@pytest.mark.parametrize(
    "link",
    [
        f"https://medium.com/@ada/list/on-engines-{ID}",
        f"https://medium.com/@ada/list/on-engines-{ID}?source=my_lists",
        "https://medium.com/@ada/list/reading-list",
        f"https://ada.medium.com/list/on-engines-{ID}",
        f"https://notes.example.com/list/on-engines-{ID}",
        f"https://medium.com/series/on-engines-{ID}",
    ],
)
def test_a_reading_list_is_refused_without_asking_and_says_what_to_give_instead(web: Web, link: str) -> None:
    web.pages["https://medium.com/@ada"] = FetchedPage("https://medium.com/@ada", PROFILE)
    with pytest.raises(CrawlError, match="give the author's page") as caught:
        crawl(web, link, "notes.example.com")
    assert not isinstance(caught.value, SourceMissingError)
    assert web.asked == []


def test_the_tab_with_an_author_s_lists_is_the_author_s_page(web: Web) -> None:
    web.pages["https://medium.com/@ada"] = FetchedPage("https://medium.com/@ada", PROFILE)
    assert crawl(web, "https://medium.com/@ada/lists").listing is not None
