"""Pages over HTTP, and the main content in their HTML."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.ports import ExtractedArticle, FetchedPage

USER_AGENT = "MoodSwarm/0.1 (personal archive of one's own publications)"
MAX_PAGE_BYTES = 5 * 1024 * 1024
MAX_REDIRECTS = 5
MAX_ATTEMPTS = 3
# Below this a page has a title and a wall in front of the text, not an article.
MIN_ARTICLE_CHARACTERS = 200
_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})


class HttpPageFetcher:
    """Implements `PageFetcher`. Time-outs, broken connections, 429 and 5xx are tried again, with growing pauses."""

    def __init__(self, timeout_seconds: float, first_pause_seconds: float = 0.5) -> None:
        self._client = httpx.Client(
            timeout=timeout_seconds,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            headers={"User-Agent": USER_AGENT, "Accept": "text/html,application/xhtml+xml"},
        )
        self._retrying = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=wait_exponential(multiplier=first_pause_seconds) + wait_random(0, first_pause_seconds),
            reraise=True,
        )

    def fetch(self, url: str) -> FetchedPage:
        """Bring a page.

        Raises:
            CrawlError: no answer, an error status, not HTML, too large, or too many redirects.
        """
        try:
            return self._retrying(self._fetch, url)
        except httpx.HTTPStatusError as error:
            raise CrawlError(f"the server answered {error.response.status_code}") from error
        except httpx.TimeoutException as error:
            raise CrawlError(f"no answer in time ({type(error).__name__})") from error
        except httpx.TooManyRedirects as error:
            raise CrawlError(f"more than {MAX_REDIRECTS} redirects") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise CrawlError(f"the page could not be fetched ({type(error).__name__}: {error})") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fetch(self, url: str) -> FetchedPage:
        with self._client.stream("GET", url) as response:
            response.raise_for_status()
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in ("text/html", "application/xhtml+xml"):
                raise CrawlError(f"not an HTML page but {kind or 'of unknown type'}")
            body = bytearray()
            for part in response.iter_bytes():
                body.extend(part)
                if len(body) > MAX_PAGE_BYTES:
                    raise CrawlError(f"larger than {MAX_PAGE_BYTES // 1024 // 1024} MiB")
            return FetchedPage(url=str(response.url), html=_decode(bytes(body), response.charset_encoding))


class TrafilaturaExtractor:
    """Implements `ArticleExtractor` with trafilatura (Barbaresi, 2021)."""

    def extract(self, page: FetchedPage) -> ExtractedArticle:
        """The main content as Markdown.

        Raises:
            CrawlError: there is none, or too little to be an article.
        """
        try:
            return self._extract(page)
        except ValueError as error:  # lxml's word for characters that XML cannot hold
            raise CrawlError(f"the page's HTML cannot be read ({error})") from error

    def _extract(self, page: FetchedPage) -> ExtractedArticle:
        # Imported here: it takes 0.5 s, and only a crawl of pages needs it.
        import trafilatura

        markdown = trafilatura.extract(
            page.html,
            url=page.url,
            output_format="markdown",
            include_links=True,
            include_tables=True,
            include_formatting=True,
            include_comments=False,
            favor_recall=True,
        )
        tree = trafilatura.load_html(page.html)
        metadata = trafilatura.extract_metadata(page.html, default_url=page.url)
        if not markdown or len(markdown) < MIN_ARTICLE_CHARACTERS:
            raise CrawlError(
                f"no article found: {len(markdown or '')} characters of main text, fewer than {MIN_ARTICLE_CHARACTERS}"
            )
        return ExtractedArticle(
            title=(metadata.title if metadata else None) or page.url,
            subtitle=metadata.description if metadata else None,
            markdown=markdown,
            canonical_url=_canonical(tree, page.url),
            language=_language(tree),
            published_at=_date(metadata.date) if metadata and metadata.date else None,
        )


def _canonical(tree: Any, url: str) -> str | None:
    """The page's `<link rel="canonical">`, which may be relative: trafilatura takes only absolute ones."""
    links = tree.xpath("//link[@rel='canonical']/@href") if tree is not None else []
    try:
        return urljoin(url, links[0].strip()) if links else None
    except ValueError:
        return None


def _language(tree: Any) -> str | None:
    """The language of `<html lang="en-GB">`: `en`."""
    declared = tree.get("lang") if tree is not None else None
    return declared.partition("-")[0].strip().lower() or None if declared else None


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _PASSING_STATUSES
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _decode(body: bytes, declared: str | None) -> str:
    """By the encoding that the server names, else by what the bytes look like."""
    from trafilatura.utils import decode_file

    try:
        return body.decode(declared, errors="replace") if declared else str(decode_file(body))
    except (LookupError, UnicodeError):  # a name that is no encoding, or one that is none for text
        return str(decode_file(body))


def _date(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
