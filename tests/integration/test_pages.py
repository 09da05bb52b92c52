"""Articles from a real web server: what is fetched, what is kept, and why a page is refused."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from llm_engineering.application.crawlers.pages import PageCrawler
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import CrawlError, NotAnArticleError, SourceMissingError
from llm_engineering.domain.sources import FetchedPage, SourceState
from llm_engineering.infrastructure.web.html.extraction import TrafilaturaExtractor
from llm_engineering.infrastructure.web.html.feeds import FeedReader
from llm_engineering.infrastructure.web.http.client import HttpPolicy, PoliteClient
from llm_engineering.infrastructure.web.http.guard import AddressGuard
from llm_engineering.infrastructure.web.http.pages import HttpPageFetcher
from tests.fakes import ADA
from tests.integration.site import Reply, Site, article, closed_port, open_site

PAGE = Reply(article())
MIB = 1024 * 1024
NEWS = "<p>" + "Привет, вычислительная машина: она ткёт алгебраические узоры. " * 6 + "</p>"
CAFE = "<p>" + "In the café they were naïve about the weather, and stayed until the evening came. " * 6 + "</p>"
HORSE = "<p>" + "Příliš žluťoučký kůň úpěl ďábelské ódy, a když přišel večer, nikdo nevěděl proč. " * 6 + "</p>"
FEED = "<rss version='2.0'><channel><title>Ноты</title></channel></rss>"


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


@pytest.fixture
def fetcher() -> Iterator[HttpPageFetcher]:
    policy = HttpPolicy(timeout_seconds=10, backoff_seconds=0.001, max_bytes=MIB)
    client = PoliteClient(policy, AddressGuard(["127.0.0.1"]))
    yield HttpPageFetcher(client)
    client.close()


@pytest.fixture
def crawler(fetcher: HttpPageFetcher) -> PageCrawler:
    return PageCrawler(fetcher, TrafilaturaExtractor(), FeedReader())


def crawl(crawler: PageCrawler, link: str) -> RawDocument:
    with crawler.crawl(link, ADA, None) as found:
        [document] = found.documents
    assert found.skipped == {}
    assert document.source == link
    return document


def refusal(fetcher: HttpPageFetcher, url: str) -> str:
    with pytest.raises(CrawlError) as caught:
        fetcher.fetch(url)
    return str(caught.value)


def known(source: str, etag: str | None = None, last_modified: str | None = None) -> SourceState:
    return SourceState(source=source, link=source, author_id=UUID(int=1), etag=etag, last_modified=last_modified)


def test_the_text_headings_list_code_table_and_links_of_an_article_survive(site: Site, crawler: PageCrawler) -> None:
    text = crawl(crawler, site.serve("/engine", PAGE)).content
    lines = text.splitlines()
    assert "## What the mill does" in lines
    assert "- Addition takes one turn of the handle" in lines
    assert "- Division takes a great many turns" in lines
    assert "def mill(a, b):\n    if a < b:\n        return a * b\n    return a + b\n" in text
    assert f"[the note on the mill]({site.url}/notes/mill?id=7)" in text
    cells = [[cell.strip() for cell in line.strip(" |").split("|")] for line in lines if line.startswith("|")]
    assert ["Operation", "Turns"] in cells
    assert ["Division", "61"] in cells
    assert "just as the Jacquard loom weaves flowers and leaves." in text
    assert "operations of arithmetic — naïve as they are." in text
    assert "no pretensions to originate anything." in text


def test_navigation_cookie_banner_and_footer_do_not(site: Site, crawler: PageCrawler) -> None:
    text = crawl(crawler, site.serve("/engine", PAGE)).content
    noise = ("Archive", "Subscribe", "cookies", "Accept all", "Copyright", "Imprint", "privacy")
    assert [word for word in noise if word.casefold() in text.casefold()] == []


def test_an_article_says_its_title_subtitle_language_date_and_canonical_link(site: Site, crawler: PageCrawler) -> None:
    link = site.serve("/engine?session=5", Reply(article(canonical=f"{site.url}/engine")))
    document = crawl(crawler, link)
    assert document.category is DataCategory.ARTICLES
    assert document.title == "How the engine weaves"
    assert document.subtitle == "What the store and the mill are for."
    assert document.language == "en"
    assert document.published_at == datetime(2024, 3, 5, 10, tzinfo=UTC)
    assert document.link == f"{site.url}/engine"
    assert document.source == link
    assert (document.platform, document.author_full_name) == ("127.0.0.1", "Ada Lovelace")


def test_a_page_that_says_nothing_of_itself_is_known_by_its_address(site: Site, crawler: PageCrawler) -> None:
    paragraphs = "".join(
        f"<p>Note {n}: the engine weaves pattern number {n} as the loom weaves leaves.</p>" for n in range(9)
    )
    link = site.serve("/bare", Reply(f"<html><body><article>{paragraphs}</article></body></html>".encode()))
    document = crawl(crawler, link)
    assert (document.title, document.link) == ("bare", link)
    assert (document.language, document.subtitle, document.published_at) == (None, None, None)


@pytest.mark.parametrize(
    "canonical", ["https://elsewhere.example/engine", "http://[broken", "javascript:void(0)", "HOME", "BAD_PORT"]
)
def test_a_canonical_link_that_cannot_be_believed_is_passed_over(
    site: Site, crawler: PageCrawler, canonical: str
) -> None:
    written = {"HOME": f"{site.url}/", "BAD_PORT": "http://127.0.0.1:99999/engine"}.get(canonical, canonical)
    link = site.serve("/engine?session=5", Reply(article(canonical=written)))
    assert crawl(crawler, link).link == link


def test_a_canonical_link_may_be_relative(site: Site, crawler: PageCrawler) -> None:
    link = site.serve("/engine?session=5", Reply(article(canonical="/engine")))
    assert crawl(crawler, link).link == f"{site.url}/engine"


def test_the_same_article_under_two_addresses_is_one_document(site: Site, crawler: PageCrawler) -> None:
    reply = Reply(article(canonical=f"{site.url}/engine"))
    first = crawl(crawler, site.serve("/engine?session=5", reply))
    second = crawl(crawler, site.serve("/engine?session=6", reply))
    assert first.id == second.id


def test_a_redirect_is_followed_and_the_link_asked_for_stays_the_source(site: Site, crawler: PageCrawler) -> None:
    target = site.serve("/new/engine", PAGE)
    moved = site.serve("/old", Reply(status=301, headers={"Location": "/new/engine"}))
    document = crawl(crawler, moved)
    assert (document.link, document.source) == (target, moved)


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("text/html; charset=utf-8", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("application/xhtml+xml", "application/xhtml+xml"),
        ("text/plain", "text/plain"),
        ("text/markdown; charset=UTF-8; variant=GFM", "text/markdown"),
        ("application/rss+xml", "application/rss+xml"),
        ("application/atom+xml", "application/atom+xml"),
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml"),
    ],
)
def test_pages_feeds_and_texts_are_taken_with_their_type(
    site: Site, fetcher: HttpPageFetcher, content_type: str, media_type: str
) -> None:
    page = fetcher.fetch(site.serve("/page", Reply(b"<html>x</html>", content_type=content_type)))
    assert (page.html, page.body, page.media_type) == ("<html>x</html>", b"<html>x</html>", media_type)
    assert page.bytes_read == len(b"<html>x</html>")


@pytest.mark.parametrize("content_type", ["application/pdf", "application/octet-stream", "text/html", None])
def test_a_pdf_is_taken_as_it_is_whatever_the_server_calls_it(
    site: Site, fetcher: HttpPageFetcher, content_type: str | None
) -> None:
    page = fetcher.fetch(site.serve("/paper", Reply(b"%PDF-1.7 \x00\xff", content_type=content_type)))
    assert (page.html, page.body, page.media_type) == ("", b"%PDF-1.7 \x00\xff", "application/pdf")


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png", "image/png"),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', "application/feed+json", "application/feed+json"),
        (b"PK\x03\x04\0\0", "application/octet-stream", "application/octet-stream"),
        (b"\x7fELF\0\0", None, "of unknown type"),
        (b"\x1f\x8b\x08\0", "application/gzip", "application/gzip"),
    ],
)
def test_what_is_no_page_is_told(
    site: Site, fetcher: HttpPageFetcher, body: bytes, content_type: str | None, kind: str
) -> None:
    link = site.serve("/thing", Reply(body, content_type=content_type))
    assert refusal(fetcher, link) == f"not a page but {kind}"
    assert site.requests["/thing"] == 1


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"\n<!DOCTYPE html><title>x</title>", "text/html"),
        (b"\xef\xbb\xbf<html>x</html>", "text/html"),
        (b"<div>x</div>", "text/html"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "text/html"),
        (b"<?xml version='1.0'?><rss/>", "application/xml"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'/>", "application/xml"),
        (b"# A heading", "text/plain"),
        (b"", "text/plain"),
    ],
)
def test_without_a_type_the_first_bytes_tell(
    site: Site, fetcher: HttpPageFetcher, body: bytes, media_type: str
) -> None:
    assert fetcher.fetch(site.serve("/page", Reply(body, content_type=None))).media_type == media_type


@pytest.mark.parametrize("content_type", ["application/gzip", "application/x-gzip", "application/octet-stream"])
def test_a_packed_sitemap_is_left_to_its_reader(site: Site, fetcher: HttpPageFetcher, content_type: str) -> None:
    packed = gzip.compress(b"<urlset><url><loc>https://e.com/a</loc></url></urlset>")
    page = fetcher.fetch(site.serve("/sitemap.xml.gz", Reply(packed, content_type=content_type)))
    assert (page.html, page.body, page.media_type) == ("", packed, "application/gzip")
    listing = FeedReader().read(page)
    assert listing is not None
    assert [item.link for item in listing.links] == ["https://e.com/a"]


def test_a_page_that_has_not_changed_is_not_sent_again(site: Site, fetcher: HttpPageFetcher) -> None:
    date = "Tue, 05 Mar 2024 10:00:00 GMT"
    for reply in (Reply(PAGE.body, etag='W/"v1"'), Reply(PAGE.body, last_modified=date)):
        link = site.serve("/page", reply)
        first = fetcher.fetch(link)
        assert (first.etag, first.last_modified, first.modified) == (reply.etag, reply.last_modified, True)
        again = fetcher.fetch(link, known(link, first.etag, first.last_modified))
        assert (again.etag, again.last_modified, again.modified) == (reply.etag, reply.last_modified, False)
        assert (again.html, again.body, again.bytes_read) == ("", b"", 0)


def test_a_page_that_has_changed_comes_with_its_new_mark(site: Site, fetcher: HttpPageFetcher) -> None:
    link = site.serve("/page", Reply(PAGE.body, etag='"v2"'))
    page = fetcher.fetch(link, known(link, '"v1"', "Tue, 05 Mar 2024 10:00:00 GMT"))
    assert (page.modified, page.etag, page.last_modified) == (True, '"v2"', None)
    [headers] = site.headers["/page"]
    assert (headers["if-none-match"], headers["if-modified-since"]) == ('"v1"', "Tue, 05 Mar 2024 10:00:00 GMT")


def test_of_a_page_without_a_mark_nothing_is_asked_and_no_answer_believed(site: Site, fetcher: HttpPageFetcher) -> None:
    link = site.serve("/page", PAGE, Reply(b"", 304))
    fetcher.fetch(link, known(link))
    assert {"if-none-match", "if-modified-since"} & site.headers["/page"][0].keys() == set()
    assert "was not asked that" in refusal(fetcher, link)


@pytest.mark.parametrize("mark", ['"\xe9t\xe9"', '"' + "x" * 2000 + '"'])
def test_a_mark_that_could_not_be_sent_back_is_not_kept(site: Site, fetcher: HttpPageFetcher, mark: str) -> None:
    assert fetcher.fetch(site.serve("/page", Reply(PAGE.body, etag=mark))).etag is None


def test_a_missing_page_a_wall_and_a_closed_port_are_told(site: Site, fetcher: HttpPageFetcher) -> None:
    with pytest.raises(SourceMissingError):
        fetcher.fetch(f"{site.url}/missing")
    with pytest.raises(NotAnArticleError):
        fetcher.fetch(site.serve("/wall", Reply(b"", 403, headers={"cf-mitigated": "challenge"})))
    assert "ConnectError" in refusal(fetcher, f"http://127.0.0.1:{closed_port()}/")


@pytest.mark.parametrize(
    ("content_type", "meta", "encoding"),
    [
        ("text/html; charset=windows-1251", "", "windows-1251"),
        ("text/html; charset=iso-8859-5", "<meta charset='windows-1251'>", "iso-8859-5"),
        ("text/html; charset=no-such-thing", "", "utf-8"),
        ("text/html; charset=undefined", "", "utf-8"),
        ("text/html", "", "utf-8"),
        ("text/html", "<meta charset='windows-1251'>", "windows-1251"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_names(
    site: Site, fetcher: HttpPageFetcher, content_type: str, meta: str, encoding: str
) -> None:
    html = f"<html><head>{meta}</head><body>{NEWS}</body></html>"
    link = site.serve("/page", Reply(html.encode(encoding), content_type=content_type))
    assert fetcher.fetch(link).html == html


def test_the_encoding_that_the_server_names_goes_before_what_the_bytes_look_like(
    site: Site, fetcher: HttpPageFetcher
) -> None:
    html = "<p>naïve ¹²³ ½</p>"
    link = site.serve("/page", Reply(html.encode("iso-8859-1"), content_type="text/html; charset=iso-8859-1"))
    assert fetcher.fetch(link).html == html


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        pytest.param(b"\xef\xbb\xbf<p>\xc3\xa9</p>", "text/html; charset=windows-1252", "<p>é</p>", id="mark first"),
        pytest.param("\ufeff<p>é</p>".encode("utf-16-le"), "text/html", "<p>é</p>", id="UTF-16 with a mark"),
        pytest.param(b"<p>\x93so\x94</p>", "text/html; charset=iso-8859-1", "<p>“so”</p>", id="Latin 1 of the web"),
        pytest.param("<p>文</p>".encode("gb18030"), "text/html; charset=gb2312", "<p>文</p>", id="superset"),
        pytest.param(NEWS.encode("cp1251"), "text/html; charset=utf-8", NEWS, id="server is wrong"),
        pytest.param(CAFE.encode("cp1252"), "text/html; charset=utf-8", CAFE, id="Western and few"),
        pytest.param(HORSE.encode("cp1250"), "text/html; charset=utf-8", HORSE, id="Czech and many"),
        pytest.param(b"\xff" + b"x" * 500, "text/html; charset=utf-8", "\ufffd" + "x" * 500, id="a bad byte"),
        pytest.param(b"<meta charset=utf-16><p>x", "text/html", "<meta charset=utf-16><p>x", id="cannot be UTF-16"),
        pytest.param(b"\\u0041 xn--a", "text/html; charset=unicode_escape", "\\u0041 xn--a", id="no encoding for text"),
        pytest.param(b"\\u0041 xn--a", "text/html; charset=punycode", "\\u0041 xn--a", id="none for pages"),
        pytest.param("`<meta charset=cp1251>` é".encode(), "text/plain", "`<meta charset=cp1251>` é", id="only quoted"),
        pytest.param(
            f"<?xml version='1.0' encoding='windows-1251'?>{FEED}".encode("cp1251"),
            "application/rss+xml",
            f"<?xml version='1.0' encoding='windows-1251'?>{FEED}",
            id="feed",
        ),
    ],
)
def test_what_names_the_encoding_may_be_missing_or_wrong(
    site: Site, fetcher: HttpPageFetcher, body: bytes, content_type: str, text: str
) -> None:
    assert fetcher.fetch(site.serve("/page", Reply(body, content_type=content_type))).html == text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body></body></html>",
        b"<html><head><title>Log in</title></head><body><p>Log in to read this story.</p></body></html>",
        b"\x00\x01 not HTML at all",
    ],
)
def test_a_page_with_next_to_no_text_is_no_article(site: Site, crawler: PageCrawler, body: bytes) -> None:
    with pytest.raises(NotAnArticleError):
        crawl(crawler, site.serve("/wall", Reply(body)))


def test_a_missing_page_is_no_article_whatever_it_says(site: Site, crawler: PageCrawler) -> None:
    with pytest.raises(CrawlError, match=r"^the server answered 404$"):
        crawl(crawler, site.serve("/gone", Reply(article(), 404)))


@pytest.mark.parametrize("url", [pytest.param(f"http://{'a' * 64}.example/", id="long"), "http://exa\nmple.example/"])
def test_an_address_that_cannot_be_one_is_refused_like_any_other_page(fetcher: HttpPageFetcher, url: str) -> None:
    assert "is not a valid link" in refusal(fetcher, url)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://example.com/a", True),
        ("HTTP://example.com", True),
        ("https://", False),
        ("ftp://example.com/a", False),
        ("file:///etc/passwd", False),
        ("docs", False),
        ("", False),
    ],
)
def test_pages_of_the_web_are_articles_and_nothing_else_is(crawler: PageCrawler, link: str, expected: bool) -> None:
    assert crawler.matches(link) is expected


def test_a_character_that_xml_cannot_hold_does_not_keep_the_page_from_being_read() -> None:
    html = f"<html><body><article><h1>A &#x1F; b</h1><p>{'words and more words. ' * 40}</p></article></body></html>"
    article = TrafilaturaExtractor().extract(FetchedPage(url="https://e.com/a", html=html))
    assert article.markdown.count("words and more words.") == 40
