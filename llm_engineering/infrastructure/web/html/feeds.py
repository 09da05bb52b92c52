"""Feeds (RSS, Atom) and sitemaps: what they list, and the articles that a feed holds in full."""

import io
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from llm_engineering.domain.errors import CrawlError, NotAnArticleError
from llm_engineering.domain.links import identity
from llm_engineering.domain.sources import ExtractedArticle, FetchedPage, ListedLink, Listing
from llm_engineering.infrastructure.markup.tree import parse
from llm_engineering.infrastructure.web.html.feed_articles import plain_text, to_markdown
from llm_engineering.infrastructure.web.html.sitemaps import absolute, read_sitemap, root_of, unique, xml_of

# Feedparser is slow (about 1 MiB a second); the fetcher's own limit does not hold for what is unpacked here.
MAX_FEED_BYTES = 20 * 1024 * 1024
_FEED_ROOTS = frozenset({"rss", "feed", "RDF"})
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml"})
# "Comments on", "Kommentare zu", "Comentarios en", "Commentaires sur": WordPress names a second feed on every page.
_COMMENTS = ("comment", "kommentar", "comentario", "comentário", "commenti")
# What feedparser is known to raise on hostile input, beside the errors that it reports as `bozo`.
_PARSER_ERRORS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError)


class FeedReader:
    """Implements `ListingReader`. It opens no connection and no file, whatever stands in a page."""

    def read(self, page: FetchedPage) -> Listing | None:
        """What a feed or sitemap lists; None when the page is neither.

        Raises:
            CrawlError: it is one, but malformed, too large once unpacked, or it declares entities.
        """
        data = xml_of(page)
        root = root_of(data)
        if root not in _FEED_ROOTS:
            return read_sitemap(data, root, page.url)
        parsed = _parse(data, page.url)
        if parsed is None:
            return None
        links = (ListedLink(_link(entry), _date(entry)) for entry in parsed.entries)
        return Listing("feed", unique(links, page.url), absolute(page.url, parsed.feed.get("link") or ""))

    def feed_of(self, page: FetchedPage) -> str | None:
        """The first feed that an HTML page names and that is not one of comments."""
        try:
            tree = parse(page.html)
        except NotAnArticleError:
            return None
        base = _joined(page.url, next(iter(tree.xpath("//base/@href")), ""))
        for element in tree.xpath("//link[@href]"):
            named = f"{element.get('title', '')} {element.get('href')}".lower()
            is_feed = element.get("type", "").partition(";")[0].strip().lower() in _FEED_TYPES
            is_alternate = "alternate" in element.get("rel", "").lower().split()
            if is_feed and is_alternate and not any(word in named for word in _COMMENTS):
                return absolute(base, element.get("href"))
        return None

    def article_in(self, feed: FetchedPage, link: str) -> ExtractedArticle | None:
        """The entry with this link, if the feed has its text and not only a summary.

        Raises:
            CrawlError: the feed is malformed.
        """
        data = xml_of(feed)
        parsed = _parse(data, feed.url) if root_of(data) in _FEED_ROOTS else None
        if parsed is None:
            return None
        for entry in parsed.entries:
            url = absolute(feed.url, _link(entry))
            if url is not None and identity(url) == identity(link):
                return _article(entry, url, feed.url, parsed.feed)
        return None


def _parse(data: bytes, url: str) -> Any:
    """The feed as feedparser understands it, also where the XML is broken; None when it is of another kind.

    Raises:
        CrawlError: too large, or nothing in it can be read.
    """
    import feedparser

    if len(data) > MAX_FEED_BYTES:
        raise CrawlError(f"the feed is larger than {MAX_FEED_BYTES // 1024 // 1024} MiB")
    # As a stream: of bytes and strings feedparser would try whether they name a file or a URL, and read that.
    headers = {"content-type": "application/xml", "content-location": url}
    try:
        parsed = feedparser.parse(
            io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except _PARSER_ERRORS as error:
        raise CrawlError(f"the feed cannot be read ({type(error).__name__})") from error
    if parsed.bozo and not parsed.entries:
        raise CrawlError(f"the feed is malformed ({parsed.get('bozo_exception')})")
    return parsed if parsed.version or parsed.entries else None


def _link(entry: Any) -> str:
    """Where the article is; FeedBurner puts its own counting link in front of it."""
    return str(entry.get("feedburner_origlink") or entry.get("link") or "")


def _date(entry: Any) -> datetime | None:
    """When it was published, else when it was updated. Feedparser gives both in UTC."""
    # Asked for by `in`: feedparser warns when it answers for the one with the other.
    names = [name for name in ("published_parsed", "updated_parsed") if name in entry]
    for moment in filter(None, (entry[name] for name in names)):
        try:
            year, month, day, hour, minute, second = moment[:6]
            return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)  # a minute may have 61
        except (ValueError, OverflowError):  # the year 0, the 31st of February
            continue
    return None


def _article(entry: Any, link: str, feed_url: str, feed: Any) -> ExtractedArticle | None:
    contents = [content for content in entry.get("content", ()) if content.get("value", "").strip()]
    if not contents:
        return None
    content = max(contents, key=lambda content: len(content["value"]))
    if content.get("type") == "text/plain":
        markdown: str | None = content["value"].strip()
    else:
        # Where nothing else is said (`xml:base`), links start from the article: the feed may be at another host.
        base = content.get("base") or feed_url
        markdown = to_markdown(content["value"], link if base == feed_url else _joined(link, base), link)
    if not markdown:
        return None
    language = content.get("language") or feed.get("language")
    return ExtractedArticle(
        title=_title(entry) or link,
        markdown=markdown,
        canonical_url=link,
        byline=_author(entry) or _author(feed),
        language=language.partition("-")[0].strip().lower() or None if language else None,
        published_at=_date(entry),
    )


def _author(part: Any) -> str | None:
    return (part.get("author_detail") or {}).get("name") or part.get("author") or None


def _title(entry: Any) -> str:
    detail = entry.get("title_detail") or {}
    value = str(detail.get("value") or entry.get("title") or "")
    return plain_text(value) if detail.get("type") != "text/plain" else " ".join(value.split())


def _joined(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        return base
