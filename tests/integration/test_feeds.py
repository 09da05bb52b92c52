"""Feeds and sitemaps as the platforms write them, and as nobody should."""

import gzip
import socket
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import FetchedPage, Listing
from llm_engineering.infrastructure.web.html import sitemaps
from llm_engineering.infrastructure.web.html.feeds import FeedReader

FEEDS = Path(__file__).resolve().parents[1] / "feeds"
READER = FeedReader()
URL = "https://example.com/feed"


def stored(name: str, url: str = URL) -> FetchedPage:
    return FetchedPage(url, media_type="application/xml", body=(FEEDS / name).read_bytes())


def listed(body: bytes | str, url: str = URL) -> Listing:
    listing = READER.read(FetchedPage(url, body=body if isinstance(body, bytes) else body.encode()))
    if listing is None:
        pytest.fail("neither a feed nor a sitemap")
    return listing


def links(listing: Listing | None) -> list[tuple[str, datetime | None]]:
    return [(item.link, item.published_at) for item in listing.links] if listing else []


def rss(items: str, head: str = "") -> str:
    return f"""<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
        xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0">
        <channel><title>t</title><link>https://example.com/</link>{head}{items}</channel></rss>"""


def with_content(html: str) -> FetchedPage:
    item = f"<item><link>/a</link><content:encoded><![CDATA[{html}]]></content:encoded></item>"
    return FetchedPage(URL, body=rss(item).encode())


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **_: Any) -> None:
        pytest.fail(f"a connection: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("name", "kind", "site", "expected"),
    [
        (
            "medium.xml", "feed", "https://medium.com/@ada?source=rss-1815aa0b0001------2",
            [
                ("https://medium.com/engine-notes/the-mill-and-the-store-0123456789ab?source=rss-1815aa0b0001------2",
                 datetime(2024, 3, 5, 10, 30, tzinfo=UTC)),
                ("https://ada.medium.com/for-members-only-abcdefabcdef?source=rss-1815aa0b0001------2",
                 datetime(2024, 2, 1, tzinfo=UTC)),
            ],
        ),
        (
            "substack.xml", "feed", "https://ada.substack.com",
            [("https://ada.substack.com/p/on-the-loom", datetime(2024, 3, 6, 9, 15, 30, tzinfo=UTC)),
             ("https://ada.substack.com/p/for-subscribers", datetime(2024, 3, 2, 9, 15, 30, tzinfo=UTC))],
        ),
        (
            "wordpress.xml", "feed", "https://blog.example.com",
            [("https://blog.example.com/2024/03/bernoulli/", datetime(2024, 3, 4, 6, 59, 59, tzinfo=UTC)),
             ("https://blog.example.com/2024/02/excerpt/", datetime(2024, 3, 1, 0, 30, tzinfo=UTC))],
        ),
        (
            "hugo_atom.xml", "feed", "https://hugo.example.org/",
            [("https://hugo.example.org/posts/muehle/", datetime(2024, 3, 3, 7, tzinfo=UTC)),
             ("https://hugo.example.org/posts/typen/", datetime(2024, 1, 15, tzinfo=UTC))],
        ),
        ("ghost.xml", "feed", "https://ghost.example.net/",
         [("https://ghost.example.net/turning-the-handle/", datetime(2024, 3, 8, 11, tzinfo=UTC))]),
        ("rss1.xml", "feed", "http://old.example.com/",
         [("http://old.example.com/a", datetime(2003, 12, 13, 18, 30, 2, tzinfo=UTC))]),
        (
            "substack_sitemap.xml", "sitemap", None,
            [("https://ada.substack.com", None), ("https://ada.substack.com/about", None),
             ("https://ada.substack.com/archive", None),
             ("https://ada.substack.com/p/on-the-loom", datetime(2024, 3, 6, tzinfo=UTC)),
             ("https://ada.substack.com/p/for-subscribers", datetime(2024, 3, 2, 10, tzinfo=UTC)),
             ("https://ada.substack.com/p/news", None)],
        ),
        (
            "wordpress_index.xml", "sitemap index", None,
            [("https://blog.example.com/wp-sitemap-posts-post-1.xml", datetime(2024, 3, 4, 6, 59, 59, tzinfo=UTC)),
             ("https://blog.example.com/wp-sitemap-taxonomies-category-1.xml", None),
             ("https://blog.example.com/wp-sitemap-users-1.xml", None)],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".xml") else "",
)  # fmt: skip
def test_what_platforms_list_is_read(name: str, kind: str, site: str | None, expected: list[Any]) -> None:
    listing = READER.read(stored(name))
    assert listing is not None
    assert (listing.kind, listing.site) == (kind, site)
    assert links(listing) == expected


def test_an_article_of_medium_comes_in_full_without_medium_s_frame() -> None:
    article = READER.article_in(
        stored("medium.xml"), "http://medium.com/engine-notes/the-mill-and-the-store-0123456789ab/"
    )
    assert article is not None
    assert article.title == "The Mill & the Store"
    assert article.byline == "Ada Lovelace"
    assert article.published_at == datetime(2024, 3, 5, 10, 30, tzinfo=UTC)
    assert article.markdown == (
        "#### What each is for\n\nThe mill, drawn in 1840\n\n"
        "The **mill** works on numbers; see [the note](https://example.com/notes_a).\n\n"
        "### A first program\n\n"
        "```\ndef mill(a, b):\n    if a < b:\n        return a * b\n    return a + b\n```\n\n"
        "- Addition takes one turn\n- Division takes many\n\n1. Store\n2. Mill\n\n> It originates nothing."
    )


def test_an_article_of_wordpress_keeps_its_table_its_code_and_its_links() -> None:
    article = READER.article_in(stored("wordpress.xml"), "https://blog.example.com/2024/03/bernoulli")
    assert article is not None
    assert article.title == "Bernoulli’s numbers – a table"
    assert article.language == "en"
    assert article.markdown == (
        "The numbers are these.\n\n| n | B |\n| --- | --- |\n| 2 | 1/6 |\n\n"
        "```python\ndef bernoulli(n):\n    return n  # to do\n```\n\n"
        "See [Note G](https://blog.example.com/notes/g)."
    )


def test_an_article_of_substack_comes_without_its_buttons() -> None:
    article = READER.article_in(stored("substack.xml"), "https://ada.substack.com/p/on-the-loom?r=1abc")
    assert article is not None
    assert article.markdown == "The loom weaves flowers.\n\n## Cards\n\nEach card is an instruction."


def test_an_article_of_atom_knows_its_base_its_language_and_its_author() -> None:
    article = READER.article_in(stored("hugo_atom.xml"), "https://hugo.example.org/posts/muehle/")
    assert article is not None
    assert (article.title, article.language, article.byline) == ("Die Mühle", "de", "Ada Lovelace")
    assert "[Zahlen](https://hugo.example.org/zahlen/)" in article.markdown
    assert "```go\nfunc mill() {\n\treturn\n}\n```" in article.markdown
    plain = READER.article_in(stored("hugo_atom.xml"), "https://hugo.example.org/posts/typen/")
    assert plain is not None
    assert (plain.title, plain.markdown) == ("Using List<T> in types", "Plain words.\n\nA second part.")


def test_scripts_of_an_article_are_left_out_and_a_picture_is_its_description() -> None:
    article = READER.article_in(stored("ghost.xml"), "https://ghost.example.net/turning-the-handle/")
    assert article is not None
    picture, *text = article.markdown.splitlines()
    assert picture == "![Turning the handle](https://ghost.example.net/content/images/handle.jpg)"
    assert " ".join(text).split() == ["One", "turn", "adds.", "Many", "turns", "divide.", "So", "it", "goes."]


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("medium.xml", "https://ada.medium.com/for-members-only-abcdefabcdef"),
        ("substack.xml", "https://ada.substack.com/p/for-subscribers"),
        ("wordpress.xml", "https://blog.example.com/2024/02/excerpt/"),
        ("medium.xml", "https://medium.com/engine-notes/another-0123456789ac"),
        ("substack_sitemap.xml", "https://ada.substack.com/p/on-the-loom"),
    ],
)
def test_a_summary_is_no_article(name: str, link: str) -> None:
    assert READER.article_in(stored(name), link) is None


def test_an_article_about_clapping_keeps_its_last_words() -> None:
    words = "<p>A clap is two hands that meet.</p>"
    page = with_content(words)
    article = READER.article_in(page, "https://example.com/a")
    assert article is not None
    assert article.markdown == "A clap is two hands that meet."


def test_links_are_absolute_each_once_and_of_the_web() -> None:
    items = "".join(
        f"<item><title>x</title>{part}</item>"
        for part in (
            "<link>/a</link>", "<link>https://example.com/a?utm_source=rss</link>", "<link> b </link>",
            "<link>javascript:alert(1)</link>", "<link>file:///etc/passwd</link>", "<link>http://[</link>",
            "<link></link>",
            "<guid>https://example.com/permanent</guid>", '<guid isPermaLink="false">https://example.com/no</guid>',
            "<link>http://feeds.example.net/~r/x</link><feedburner:origLink>https://example.com/c</feedburner:origLink>",
            '<enclosure url="https://example.com/a.mp3" type="audio/mpeg" length="1"/>',
        )
    )  # fmt: skip
    assert [link for link, _ in links(listed(rss(items)))] == [
        "https://example.com/a", "https://example.com/b", "https://example.com/permanent", "https://example.com/c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 05 Mar 2024 10:00:00 -0500", datetime(2024, 3, 5, 15, tzinfo=UTC)),
        ("2024-03-05", datetime(2024, 3, 5, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_date_is_a_moment_in_utc_or_none(date: str, expected: datetime | None) -> None:
    item = f"<item><link>/a</link><pubDate>{date}</pubDate></item>"
    (_, published), *_ = links(listed(rss(item)))
    assert published is None or published.tzinfo is UTC
    assert published == expected or date.startswith("Sat, 31 Dec 2016")


@pytest.mark.parametrize(
    ("lastmod", "expected"),
    [
        ("2024-03-05T10:00:00.123+02:00", datetime(2024, 3, 5, 8, 0, 0, 123000, tzinfo=UTC)),
        ("2024-03", datetime(2024, 3, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("last week", None),
    ],
)
def test_a_sitemap_s_date_too(lastmod: str, expected: datetime | None) -> None:
    listing = listed(f"<urlset><url><loc>/a</loc><lastmod>{lastmod}</lastmod></url></urlset>")
    assert links(listing) == [("https://example.com/a", expected)]


@pytest.mark.parametrize(
    "html",
    ["", "<!doctype html><html><p>&nbsp;<br>text</html>", "plain words", '{"json": true}', "\x00\x01\x02", "<svg/>",
     "<html><body>&lt;!ENTITY and <!ENTITY a></body></html>", "<p>no root"],
)  # fmt: skip
def test_what_is_neither_feed_nor_sitemap_lists_nothing(html: str) -> None:
    page = FetchedPage(URL, html)
    assert READER.read(page) is None
    assert READER.article_in(page, URL) is None


def test_the_body_is_read_by_the_encoding_that_it_names() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><urlset><url><loc>https://example.com/ä</loc></url></urlset>'
    assert links(listed(text.encode("utf-16"))) == [("https://example.com/ä", None)]
    assert links(listed("\n\n  " + rss("<item><link>/a</link></item>"))) == [("https://example.com/a", None)]


def test_a_page_without_a_body_is_read_from_its_text() -> None:
    page = FetchedPage(URL, html=rss("<item><link>/a</link></item>"))
    assert links(READER.read(page)) == [("https://example.com/a", None)]


def test_of_a_broken_feed_what_can_be_read_is_read() -> None:
    broken = rss("<item><title>A & B</title><link>/a</link></item><item><link>/b</link>")[: -len("</channel></rss>")]
    assert [link for link, _ in links(listed(broken))] == ["https://example.com/a", "https://example.com/b"]


@pytest.mark.parametrize("text", ["<rss version='2.0'><channel><title>a & b", "<urlset><url><loc>/a</loc></url>"])
def test_a_feed_of_which_nothing_can_be_read_says_why(text: str) -> None:
    with pytest.raises(CrawlError, match="malformed"):
        READER.read(FetchedPage(URL, body=text.encode()))


def test_a_packed_sitemap_is_unpacked() -> None:
    packed = gzip.compress(b"<urlset><url><loc>https://example.com/a</loc></url></urlset>")
    assert links(listed(packed)) == [("https://example.com/a", None)]


def test_a_bomb_is_not_unpacked_to_its_end() -> None:
    packer = zlib.compressobj(9, wbits=31)
    megabyte = b" " * 2**20
    bomb = b"".join(packer.compress(megabyte) for _ in range(200)) + packer.flush()
    with pytest.raises(CrawlError, match="larger than 50 MiB"):
        READER.read(FetchedPage(URL, body=bomb))


@pytest.mark.parametrize("body", [b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"<urlset>" * 100)[:-9]])
def test_a_broken_gzip_file_is_a_failure(body: bytes) -> None:
    with pytest.raises(CrawlError, match="unpacked"):
        READER.read(FetchedPage(URL, body=body))


LAUGHS = '<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "entities",
    [LAUGHS, '<!ENTITY i SYSTEM "file:///etc/hostname">', '<!ENTITY i SYSTEM "http://127.0.0.1:9/">',
     '<!ENTITY % i SYSTEM "file:///etc/hostname"> %i;', f'<!ENTITY i "{"x" * 10_000}">'],
    ids=["laughs", "file", "url", "parameter", "long"],
)  # fmt: skip
@pytest.mark.parametrize("root", ["rss", "urlset"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_that_declares_entities_is_refused(entities: str, root: str, encoding: str) -> None:
    items = {
        "rss": '<rss version="2.0"><channel><item><title>&i;</title><link>/&i;</link></item></channel></rss>',
        "urlset": "<urlset><url><loc>https://example.com/&i;</loc></url></urlset>",
    }
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<!DOCTYPE {root} [\n{entities}\n]>{items[root]}'
    with pytest.raises(CrawlError, match="declares entities"):
        READER.read(FetchedPage(URL, body=text.encode(encoding)))


def test_an_xhtml_page_may_declare_entities_for_it_is_no_listing() -> None:
    html = "<html xmlns='http://www.w3.org/1999/xhtml'><body><p>&a;</p></body></html>"
    text = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "b">]>{html}'
    assert READER.read(FetchedPage(URL, media_type="application/xhtml+xml", body=text.encode())) is None


def test_a_document_whose_first_element_is_far_away_is_no_listing() -> None:
    text = f'<!DOCTYPE urlset [<!ENTITY i "{"x" * 100_000}">]><urlset><url><loc>https://example.com/&i;</loc></url></urlset>'
    assert READER.read(FetchedPage(URL, body=text.encode())) is None


def test_a_doctype_without_entities_is_no_harm() -> None:
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss-0.91.dtd">'
    text = f'<?xml version="1.0"?>{doctype}<rss version="0.91"><channel><item><link>/a</link></item></channel></rss>'
    assert links(listed(text)) == [("https://example.com/a", None)]


@pytest.mark.parametrize("body", [b"/etc/passwd", b"http://127.0.0.1:9/feed", b"file:///etc/passwd"])
def test_a_body_that_names_a_file_or_a_url_is_not_followed(body: bytes) -> None:
    assert READER.read(FetchedPage(URL, body=body)) is None


def test_more_links_than_the_protocol_allows_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemaps, "MAX_LINKS", 3)
    text = "<urlset>" + "".join(f"<url><loc>/{number}</loc></url>" for number in range(9)) + "</urlset>"
    assert [link for link, _ in links(listed(text))] == [f"https://example.com/{number}" for number in range(3)]


def test_deeply_nested_markup_ends_in_an_answer_or_an_error_of_ours() -> None:
    page = with_content("<b>" * 20_000 + "x")
    with suppress(CrawlError):
        READER.article_in(page, "https://example.com/a")
    with pytest.raises(CrawlError):
        READER.read(FetchedPage(URL, body=b"<urlset>" * 20_000))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_feed_gives_a_listing_or_an_error_of_ours(data: st.DataObject) -> None:
    body = bytearray((FEEDS / data.draw(st.sampled_from(["medium.xml", "hugo_atom.xml", "rss1.xml"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(body)))
        end = start + data.draw(st.integers(0, 40))
        body[start:end] = data.draw(
            st.one_of(st.binary(max_size=20), st.sampled_from([b"<", b"]]>", b"&", b"<!--", b"</"]))
        )
    page = FetchedPage(URL, body=bytes(body))
    with suppress(CrawlError):
        for link, _ in links(READER.read(page)):
            READER.article_in(page, link)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('<link rel="alternate" type="application/rss+xml" href="/feed">', "https://example.com/feed"),
        ("<LINK REL='home ALTERNATE' TYPE='application/atom+xml; charset=utf-8' HREF='atom.xml'>",
         "https://example.com/a/atom.xml"),
        ('<base href="https://example.org/b/"><link rel="alternate" type="application/rss+xml" href="feed">',
         "https://example.org/b/feed"),
        ('<link rel="alternate" type="application/rss+xml" title="Blog &raquo; Comments Feed" href="/comments/feed/">'
         '<link rel="alternate" type="application/rss+xml" title="Blog &raquo; Feed" href="/feed/">',
         "https://example.com/feed/"),
        ('<link rel="alternate" type="application/rss+xml" title="Kommentar-Feed" href="/a/feed/">', None),
        ('<link rel="alternate" type="application/json+oembed" href="/oembed">', None),
        ('<link rel="alternate" hreflang="de" href="/de">', None),
        ('<link rel="stylesheet" type="application/rss+xml" href="/feed">', None),
        ('<link rel="alternate" type="application/rss+xml" href="file:///etc/passwd">', None),
        ('<link rel="alternate" type="application/rss+xml" href="http://[">', None),
        ('<base href="http://["><link rel="alternate" type="application/rss+xml" href="/feed">', "https://example.com/feed"),
        ("", None),
    ],
)  # fmt: skip
def test_the_feed_of_a_page_is_the_one_that_it_names(head: str, expected: str | None) -> None:
    html = f'<?xml version="1.0" encoding="latin-1"?><!doctype html><html><head>{head}</head><body>x</body></html>'
    assert READER.feed_of(FetchedPage("https://example.com/a/b", html)) == expected


@pytest.mark.parametrize("html", ["", " ", "\x00", "plain", "<", "\ud800"])
def test_a_page_with_nothing_in_it_names_no_feed(html: str) -> None:
    assert READER.feed_of(FetchedPage(URL, html)) is None
