"""Articles from a real web server: what is fetched, what is kept, and why a page is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from llm_engineering.application.crawlers.articles import ArticleCrawler
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.ports import FetchedPage
from llm_engineering.infrastructure.web.pages import HttpPageFetcher, TrafilaturaExtractor
from tests.fakes import ADA
from tests.integration.site import Reply, Site, article, closed_port, open_site

TINY_PAUSE = 0.001
PAGE = Reply(article())
FIVE_MIB = 5 * 1024 * 1024
NEWS = "<p>" + "Привет, вычислительная машина: она ткёт алгебраические узоры. " * 6 + "</p>"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


@pytest.fixture
def fetcher() -> Iterator[HttpPageFetcher]:
    fetcher = HttpPageFetcher(timeout_seconds=10, first_pause_seconds=TINY_PAUSE)
    yield fetcher
    fetcher.close()


@pytest.fixture
def crawler(fetcher: HttpPageFetcher) -> ArticleCrawler:
    return ArticleCrawler(fetcher, TrafilaturaExtractor())


def crawl(crawler: ArticleCrawler, link: str) -> RawDocument:
    with crawler.crawl(link, ADA) as found:
        [document] = found.documents
    assert found.source == document.source
    assert found.skipped == {}
    return document


def refusal(fetcher: HttpPageFetcher, url: str) -> str:
    with pytest.raises(CrawlError) as caught:
        fetcher.fetch(url)
    return str(caught.value)


def test_the_text_headings_list_code_table_and_links_of_an_article_survive(site: Site, crawler: ArticleCrawler) -> None:
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


def test_navigation_cookie_banner_and_footer_do_not(site: Site, crawler: ArticleCrawler) -> None:
    text = crawl(crawler, site.serve("/engine", PAGE)).content
    noise = ("Archive", "Subscribe", "cookies", "Accept all", "Copyright", "Imprint", "privacy")
    assert [word for word in noise if word.casefold() in text.casefold()] == []


def test_an_article_says_its_title_subtitle_language_date_and_canonical_link(
    site: Site, crawler: ArticleCrawler
) -> None:
    link = site.serve("/engine?session=5", Reply(article(canonical=f"{site.url}/engine")))
    document = crawl(crawler, link)
    assert document.category is DataCategory.ARTICLES
    assert document.title == "How the engine weaves"
    assert document.subtitle == "What the store and the mill are for."
    assert document.language == "en"
    assert document.published_at == datetime(2024, 3, 5, tzinfo=UTC)
    assert document.link == f"{site.url}/engine"
    assert document.source == link
    assert (document.platform, document.author_full_name) == ("127.0.0.1", "Ada Lovelace")


def test_a_page_that_says_nothing_of_itself_is_known_by_its_address(site: Site, crawler: ArticleCrawler) -> None:
    paragraphs = "".join(
        f"<p>Note {n}: the engine weaves pattern number {n} as the loom weaves leaves.</p>" for n in range(9)
    )
    link = site.serve("/bare", Reply(f"<html><body><article>{paragraphs}</article></body></html>".encode()))
    document = crawl(crawler, link)
    assert (document.title, document.link) == (link, link)
    assert (document.language, document.subtitle, document.published_at) == (None, None, None)


@pytest.mark.parametrize(
    "canonical", ["https://elsewhere.example/engine", "http://[broken", "javascript:void(0)", "HOME", "BAD_PORT"]
)
def test_a_canonical_link_that_cannot_be_believed_is_passed_over(
    site: Site, crawler: ArticleCrawler, canonical: str
) -> None:
    written = {"HOME": f"{site.url}/", "BAD_PORT": "http://127.0.0.1:99999/engine"}.get(canonical, canonical)
    link = site.serve("/engine?session=5", Reply(article(canonical=written)))
    assert crawl(crawler, link).link == link


def test_a_canonical_link_may_be_relative(site: Site, crawler: ArticleCrawler) -> None:
    link = site.serve("/engine?session=5", Reply(article(canonical="/engine")))
    assert crawl(crawler, link).link == f"{site.url}/engine"


def test_the_same_article_under_two_addresses_is_one_document(site: Site, crawler: ArticleCrawler) -> None:
    reply = Reply(article(canonical=f"{site.url}/engine"))
    first = crawl(crawler, site.serve("/engine?session=5", reply))
    second = crawl(crawler, site.serve("/engine?session=6", reply))
    assert first.id == second.id


def test_a_redirect_is_followed_and_the_link_asked_for_stays_the_source(site: Site, crawler: ArticleCrawler) -> None:
    target = site.serve("/new/engine", PAGE)
    moved = site.serve("/old", Reply(status=301, headers={"Location": "/new/engine"}))
    document = crawl(crawler, moved)
    assert (document.link, document.source) == (target, moved)


def test_five_redirects_are_followed_and_a_loop_is_not(site: Site, fetcher: HttpPageFetcher) -> None:
    for step in range(5):
        site.serve(f"/step{step}", Reply(status=302, headers={"Location": f"/step{step + 1}"}))
    last = site.serve("/step5", PAGE)
    assert fetcher.fetch(f"{site.url}/step0").url == last
    loop = site.serve("/loop", Reply(status=302, headers={"Location": "/loop"}))
    assert refusal(fetcher, loop) == "more than 5 redirects"
    assert site.requests["/loop"] == 6


def test_a_redirect_to_something_that_is_no_page_of_the_web_is_refused(site: Site, fetcher: HttpPageFetcher) -> None:
    link = site.serve("/file", Reply(status=302, headers={"Location": "file:///etc/passwd"}))
    assert "could not be fetched" in refusal(fetcher, link)
    assert site.requests["/file"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_status_that_will_not_pass_is_told_at_once(site: Site, fetcher: HttpPageFetcher, status: int) -> None:
    link = site.serve("/page", Reply(b"<html>no</html>", status))
    assert refusal(fetcher, link) == f"the server answered {status}"
    assert site.requests["/page"] == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_met_with_three_attempts(site: Site, fetcher: HttpPageFetcher, status: int) -> None:
    link = site.serve("/page", Reply(b"<html>later</html>", status))
    assert refusal(fetcher, link) == f"the server answered {status}"
    assert site.requests["/page"] == 3


def test_a_server_that_recovers_at_the_third_attempt_is_read(site: Site, fetcher: HttpPageFetcher) -> None:
    link = site.serve("/page", Reply(status=500), Reply(status=500), PAGE)
    assert fetcher.fetch(link) == FetchedPage(url=link, html=article().decode())
    assert site.requests["/page"] == 3


def test_an_answer_that_breaks_off_is_asked_for_again(site: Site, fetcher: HttpPageFetcher) -> None:
    broken = Reply(b"<html>", headers={"Content-Length": "1000"})
    recovering = site.serve("/page", broken, PAGE)
    assert fetcher.fetch(recovering).html == article().decode()
    assert "could not be fetched" in refusal(fetcher, site.serve("/broken", broken))
    assert site.requests["/broken"] == 3


def test_a_server_that_does_not_answer_is_asked_again_and_then_given_up(site: Site) -> None:
    fetcher = HttpPageFetcher(timeout_seconds=0.3, first_pause_seconds=TINY_PAUSE)
    recovering = site.serve("/slow", Reply(hangs=True), PAGE)
    assert fetcher.fetch(recovering).html == article().decode()
    assert refusal(fetcher, site.serve("/never", Reply(hangs=True))).startswith("no answer in time")
    fetcher.close()


def test_a_closed_port_is_told(fetcher: HttpPageFetcher) -> None:
    assert "could not be fetched (ConnectError" in refusal(fetcher, f"http://127.0.0.1:{closed_port()}/")


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("application/pdf", "application/pdf"), ("Text/Plain; charset=utf-8", "text/plain"), (None, "of unknown type")],
)
def test_what_is_no_html_is_refused(site: Site, fetcher: HttpPageFetcher, content_type: str | None, kind: str) -> None:
    link = site.serve("/paper", Reply(b"%PDF-1.7", content_type=content_type))
    assert refusal(fetcher, link) == f"not an HTML page but {kind}"
    assert site.requests["/paper"] == 1


def test_xhtml_is_a_page_and_the_case_of_the_type_does_not_matter(site: Site, fetcher: HttpPageFetcher) -> None:
    for content_type in ("application/xhtml+xml", "TEXT/HTML"):
        link = site.serve("/page", Reply(b"<html>x</html>", content_type=content_type))
        assert fetcher.fetch(link).html == "<html>x</html>"


def test_a_page_of_five_mebibytes_is_taken_and_a_larger_one_refused(site: Site, fetcher: HttpPageFetcher) -> None:
    most = site.serve("/most", Reply(b"x" * FIVE_MIB))
    assert len(fetcher.fetch(most).html) == FIVE_MIB
    assert refusal(fetcher, site.serve("/more", Reply(b"x" * (FIVE_MIB + 1)))) == "larger than 5 MiB"
    assert site.requests["/more"] == 1


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
    "body",
    [
        b"",
        b"<html><body></body></html>",
        b"<html><head><title>Log in</title></head><body><p>Log in to read this story.</p></body></html>",
        b"\x00\x01 not HTML at all",
    ],
)
def test_a_page_with_next_to_no_text_is_no_article(site: Site, crawler: ArticleCrawler, body: bytes) -> None:
    with pytest.raises(CrawlError, match=r"^no article found: \d+ characters of main text, fewer than 200$"):
        crawl(crawler, site.serve("/wall", Reply(body)))


def test_a_missing_page_is_no_article_whatever_it_says(site: Site, crawler: ArticleCrawler) -> None:
    with pytest.raises(CrawlError, match=r"^the server answered 404$"):
        crawl(crawler, site.serve("/gone", Reply(article(), 404)))


@pytest.mark.parametrize("url", [pytest.param(f"http://{'a' * 64}.example/", id="long"), "http://exa\nmple.example/"])
def test_an_address_that_cannot_be_one_is_refused_like_any_other_page(fetcher: HttpPageFetcher, url: str) -> None:
    assert "could not be fetched" in refusal(fetcher, url)


def test_the_server_is_told_who_reads(site: Site, fetcher: HttpPageFetcher) -> None:
    fetcher.fetch(site.serve("/page", PAGE))
    [agent] = site.user_agents
    assert agent.startswith("MoodSwarm/")


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
def test_pages_of_the_web_are_articles_and_nothing_else_is(crawler: ArticleCrawler, link: str, expected: bool) -> None:
    assert crawler.matches(link) is expected


def test_a_character_that_xml_cannot_hold_is_a_failure_of_this_page_alone() -> None:
    html = f"<html><body><article><h1>A &#x1F; b</h1><p>{'words and more words. ' * 40}</p></article></body></html>"
    with pytest.raises(CrawlError, match="HTML cannot be read"):
        TrafilaturaExtractor().extract(FetchedPage(url="https://e.com/a", html=html))
