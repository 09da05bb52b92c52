"""Articles: any page of the web with a main text."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeGuard
from urllib.parse import urlsplit

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.domain.documents import Author, DataCategory, RawDocument, canonical_link
from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.ports import ArticleExtractor, ExtractedArticle, FetchedPage, PageFetcher


class ArticleCrawler:
    """Fetches a page and keeps its main content."""

    name = "article"
    reads = "articles (any http or https page with a main text)"

    def __init__(self, fetcher: PageFetcher, extractor: ArticleExtractor) -> None:
        self._fetcher = fetcher
        self._extractor = extractor

    def matches(self, link: str) -> bool:
        """Whether the link is an http(s) URL with a host."""
        parts = urlsplit(link)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)

    @contextmanager
    def crawl(self, link: str, author: Author) -> Iterator[Crawl]:
        """Yield the one document of the page. Raises CrawlError when there is none."""
        page = self._fetcher.fetch(link)
        document = to_document(page, self._extractor.extract(page), author, source=link)
        yield Crawl(source=document.source, documents=iter([document]))


def to_document(page: FetchedPage, article: ExtractedArticle, author: Author, source: str) -> RawDocument:
    """The document of an article, under the page's own canonical link where that can be believed."""
    link = article.canonical_url if _is_credible(article.canonical_url, page.url) else page.url
    return RawDocument.create(
        category=DataCategory.ARTICLES,
        platform=_host(page.url),
        link=link,
        source=source,
        author=author,
        title=article.title,
        subtitle=article.subtitle,
        content=article.markdown,
        language=article.language,
        published_at=article.published_at,
    )


def _is_credible(canonical: str | None, url: str) -> TypeGuard[str]:
    """On the same host, and not the home page: some sites put that on every page."""
    try:
        if not canonical or _host(canonical) != _host(url):
            return False
    except InvalidInputError:
        return False
    return urlsplit(canonical).path.strip("/") != "" or urlsplit(url).path.strip("/") == ""


def _host(url: str) -> str:
    return (urlsplit(canonical_link(url)).hostname or "").removeprefix("www.")
