"""A page as an article: faithful to what its author wrote, and refused when it is no article."""

import logging
import re
from collections.abc import Callable

from llm_engineering.domain.errors import CrawlError, NotAnArticleError
from llm_engineering.domain.sources import ExtractedArticle, FetchedPage
from llm_engineering.infrastructure.files.pdf import pdf_file
from llm_engineering.infrastructure.markup.tree import letters, parse
from llm_engineering.infrastructure.markup.writer import to_markdown
from llm_engineering.infrastructure.web.html import linkedin
from llm_engineering.infrastructure.web.html.main_content import find_main
from llm_engineering.infrastructure.web.html.metadata import Metadata, read_metadata, title_of
from llm_engineering.infrastructure.web.html.walls import MIN_ARTICLE_CHARACTERS, read_signs, why_no_article

# They warn of every page that is not as they like it; what is wrong with one is in our own error.
_TALKATIVE = ("trafilatura", "htmldate", "courlan", "justext", "pypdf")
_HTML = frozenset({"text/html", "application/xhtml+xml", "application/xml", "text/xml", ""})
_PLAIN = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
_IS_HTML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype html|html)\b", re.IGNORECASE)
_HEADING = re.compile(r"^ {0,3}#[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
_CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)

# What lxml, trafilatura, markdownify and dateutil are known to raise on pages that are damaged or made to harm. Such a
# page is one that cannot be read, and must not end the crawl of the others.
_LIBRARY_ERRORS = (ValueError, RecursionError, LookupError, TypeError, AttributeError)


class TrafilaturaExtractor:
    """Implements `ArticleExtractor`: trafilatura finds the article, markdownify writes it. Threads may share one."""

    def __init__(self) -> None:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def extract(self, page: FetchedPage) -> ExtractedArticle:
        """The article of an HTML page, a PDF or a text file.

        Raises:
            NotAnArticleError: it is none, or something stands before it; the message says what.
        """
        try:
            return _reader(page)(page)
        except _LIBRARY_ERRORS as error:
            raise NotAnArticleError(f"the page cannot be read ({type(error).__name__})") from error


def _reader(page: FetchedPage) -> Callable[[FetchedPage], ExtractedArticle]:
    kind = page.media_type.partition(";")[0].strip().lower()
    if kind in _HTML or (kind in _PLAIN and _IS_HTML.match(page.html)):
        return _from_html
    if kind in _PLAIN:
        return _from_text
    if kind == "application/pdf":
        return _from_pdf
    raise NotAnArticleError(f"there is no article to read in a file of type {kind}")


def _from_html(page: FetchedPage) -> ExtractedArticle:
    root = parse(page.html)
    if linkedin.is_post(page.url):
        return linkedin.read_post(root, page.url)
    if linkedin.is_linkedin(page.url):
        linkedin.refuse_wall(root, page.url)
    signs, metadata = read_signs(root, page.url), read_metadata(root, page.url)
    base = next((b.get("href") for b in root.iter("base") if b.get("href")), page.url)
    names = (metadata.title, metadata.subtitle, metadata.byline)
    markdown = to_markdown(find_main(root, frozenset(letters(name) for name in names if name)), _join(page.url, base))
    if reason := why_no_article(signs, markdown):
        raise NotAnArticleError(reason)
    return _article(metadata, markdown)


def _article(metadata: Metadata, markdown: str) -> ExtractedArticle:
    return ExtractedArticle(
        title=metadata.title,
        markdown=markdown,
        canonical_url=metadata.canonical_url,
        subtitle=_own_subtitle(metadata, markdown),
        byline=metadata.byline,
        language=metadata.language,
        published_at=metadata.published_at,
    )


def _own_subtitle(metadata: Metadata, markdown: str) -> str | None:
    """A description that only repeats the title or the text's beginning is no subtitle."""
    said = letters(metadata.subtitle or "")
    repeated = said == letters(metadata.title) or said in letters(markdown)
    return None if not said or repeated else metadata.subtitle


def _join(url: str, base: str) -> str:
    from urllib.parse import urljoin

    try:
        return urljoin(url, base)
    except ValueError:
        return url


def _from_text(page: FetchedPage) -> ExtractedArticle:
    text = page.html.replace("\r\n", "\n").replace("\x00", "").lstrip("\ufeff").strip()
    if len(text) < MIN_ARTICLE_CHARACTERS:
        raise NotAnArticleError(
            f"no article found: {len(text)} characters of text, fewer than {MIN_ARTICLE_CHARACTERS}"
        )
    heading = _HEADING.search(_CODE.sub("", text))
    return ExtractedArticle(title=heading.group(1) if heading else title_of(page.url), markdown=text)


def _from_pdf(page: FetchedPage) -> ExtractedArticle:
    """The text of a PDF: it knows letters and places, no headings."""
    try:
        file = pdf_file(page.url, page.body)
    except CrawlError as error:
        raise NotAnArticleError(f"no article in the PDF: {error}") from error
    if len(file.text) < MIN_ARTICLE_CHARACTERS:
        raise NotAnArticleError(f"no article found: {len(file.text)} characters of text in the PDF")
    return ExtractedArticle(title=file.title or title_of(page.url), markdown=file.text)
