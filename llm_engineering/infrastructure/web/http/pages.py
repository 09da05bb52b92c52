"""Pages over HTTP."""

from urllib.parse import urlsplit

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import FetchedPage, SourceState
from llm_engineering.infrastructure.web.http.client import HttpResponse, PoliteClient
from llm_engineering.infrastructure.web.http.decoding import decoded, sniffed

_ACCEPT = (
    "text/html, application/xhtml+xml, application/atom+xml, application/rss+xml, application/xml;q=0.9, "
    "text/xml;q=0.9, text/markdown;q=0.8, application/pdf;q=0.8, text/plain;q=0.7, */*;q=0.1"
)
_PDF = "application/pdf"
_GZIP = "application/gzip"
_TEXT = frozenset({
    "text/html", "application/xhtml+xml", "text/plain", "text/markdown", "text/x-markdown", "text/xml",
    "application/xml", "application/rss+xml", "application/atom+xml", "application/rdf+xml",
})  # fmt: skip
# What servers say when they do not know; sitemaps are often packed files.
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream", _GZIP, "application/x-gzip"})
_LONGEST_VALIDATOR = 1024


class HttpPageFetcher:
    """Implements `PageFetcher` for HTML, feeds, sitemaps (packed ones as they are), plain text, Markdown and PDF."""

    def __init__(self, client: PoliteClient) -> None:
        self._client = client

    def fetch(self, url: str, known: SourceState | None = None) -> FetchedPage:
        """Bring a page, or learn that it is as it was.

        Raises:
            ForbiddenLinkError: an address that is not public, or robots.txt disallows it.
            SourceMissingError: 404 or 410.
            NotAnArticleError: a bot wall answered.
            CrawlError: no answer, another status, not a page, or too large.
        """
        conditions = _conditions(known)
        answer = self._client.get(url, headers={"Accept": _ACCEPT, **conditions})
        if answer.status == 304:
            if not conditions or known is None:
                raise CrawlError("the server says that the page has not changed, but it was not asked that")
            return FetchedPage(
                answer.url,
                media_type="",
                etag=known.etag,
                last_modified=known.last_modified,
                modified=False,
                bytes_read=answer.bytes_read,
            )
        return self._page(answer)

    def _page(self, answer: HttpResponse) -> FetchedPage:
        body, content_type = answer.body, answer.headers.get("content-type", "")
        media_type = _media_type(content_type, body)
        is_sitemap = media_type == _GZIP and urlsplit(answer.url).path.endswith(".xml.gz")
        if media_type not in _TEXT and media_type != _PDF and not is_sitemap:
            raise CrawlError(f"not a page but {media_type[:100] or 'of unknown type'}")
        return FetchedPage(
            answer.url,
            html=decoded(body, content_type) if media_type in _TEXT else "",
            media_type=media_type,
            body=body,
            etag=_validator(answer, "etag"),
            last_modified=_validator(answer, "last-modified"),
            bytes_read=answer.bytes_read,
        )


def _conditions(known: SourceState | None) -> dict[str, str]:
    conditions = {}
    if known and known.etag:
        conditions["If-None-Match"] = known.etag
    if known and known.last_modified:
        conditions["If-Modified-Since"] = known.last_modified
    return conditions


def _validator(answer: HttpResponse, name: str) -> str | None:
    """What the server may be told next time; None if that could not be sent back."""
    value = answer.headers.get(name, "").strip()
    usable = value and value.isascii() and value.isprintable() and len(value) <= _LONGEST_VALIDATOR
    return value if usable else None


def _media_type(content_type: str, body: bytes) -> str:
    named = content_type.partition(";")[0].strip().lower()
    if named in _UNKNOWN or body.startswith(b"%PDF-"):
        return sniffed(body) or named
    return named
