"""Sitemaps as of sitemaps.org, and what every XML listing has in common. Nothing here opens a connection."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from llm_engineering.domain.errors import CrawlError, InvalidInputError
from llm_engineering.domain.links import identity
from llm_engineering.domain.sources import FetchedPage, ListedLink, Listing

# The protocol's own limits: 50 MiB once unpacked, 50,000 links; further links are not read.
MAX_UNPACKED_BYTES = 50 * 1024 * 1024
MAX_LINKS = 50_000
_SNIFFED_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_KINDS = {"urlset": "sitemap", "sitemapindex": "sitemap index"}
_SAFE: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def xml_of(page: FetchedPage) -> bytes:
    """The page's bytes, unpacked where they are a gzip file.

    Raises:
        CrawlError: the file cannot be unpacked, or is too large once it is.
    """
    data = page.body or page.html.encode("utf-8", "surrogatepass")
    if not data.startswith(_GZIP_MAGIC):
        return data.strip()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise CrawlError(f"the gzip file cannot be unpacked ({error})") from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise CrawlError(f"larger than {MAX_UNPACKED_BYTES // 1024 // 1024} MiB once unpacked")
    return unpacked.strip()


def root_of(data: bytes) -> str:
    """The local name of the first element; '' where there is none.

    Raises:
        CrawlError: the document declares entities, which no listing needs and bombs are made of; XHTML may, for it is
            read as HTML, which knows no such entities.
    """
    from lxml import etree

    head = data[:_SNIFFED_BYTES]
    parser = etree.XMLPullParser(events=("start",), recover=True, **_SAFE)
    try:
        parser.feed(head)
        root = next((element for _, element in parser.read_events()), None)
    except (etree.XMLSyntaxError, ValueError):  # not XML at all, which is an answer too
        root = None
    if root is None:
        return ""
    name, dtd = str(root.tag).rpartition("}")[2], root.getroottree().docinfo.internalDTD
    if name.lower() != "html" and dtd is not None and any(True for _ in dtd.iterentities()):
        raise CrawlError("the XML declares entities, which are not read for safety")
    return name


def read_sitemap(data: bytes, root: str, url: str) -> Listing | None:
    """What a sitemap or an index of sitemaps lists; None when the root element is neither's.

    Raises:
        CrawlError: the XML is malformed.
    """
    from lxml import etree

    if root not in _KINDS:
        return None
    try:
        return Listing(_KINDS[root], unique(_links(data), url))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CrawlError(f"the {_KINDS[root]} is malformed ({error})") from error


def unique(links: Iterable[ListedLink], base: str) -> list[ListedLink]:
    """The links made absolute, each page once, in order; what is no http(s) link is left out."""
    found: dict[str, ListedLink] = {}
    for listed in links:
        link = absolute(base, listed.link)
        if link is not None and len(found) < MAX_LINKS:
            found.setdefault(identity(link), ListedLink(link, listed.published_at))
    return list(found.values())


def absolute(base: str, link: str) -> str | None:
    """The link as seen from the base; None when it does not lead to a page of the web."""
    if not link.strip():
        return None
    try:
        url = urljoin(base, link.strip())
        identity(url)
        parts = urlsplit(url)
    except (ValueError, InvalidInputError):
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _links(data: bytes) -> Iterator[ListedLink]:
    """Entry by entry, each forgotten once it is read: a sitemap may be large."""
    from lxml import etree

    for _, entry in etree.iterparse(io.BytesIO(data), events=("end",), tag=("{*}url", "{*}sitemap"), **_SAFE):
        # `image:loc` and its like have the name but another namespace.
        namespace = "".join(str(entry.tag).rpartition("}")[:2])
        link, date = entry.findtext(f"{namespace}loc"), entry.findtext(f"{namespace}lastmod")
        if link:
            yield ListedLink(link, _date(date or ""))
        entry.clear()
        while entry.getprevious() is not None:
            del entry.getparent()[0]


def _date(text: str) -> datetime | None:
    """A W3C date (`2024-03-05`, `2024-03-05T10:00:00Z`; of `2024-03` the first day) in UTC."""
    text = text.strip()
    try:
        parsed = datetime.fromisoformat(f"{text}-01" if len(text) == len("2024-03") else text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
