"""What of a feed, a sitemap or a home page is crawled. Nothing here asks the network for anything."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from html import unescape
from urllib.parse import urljoin, urlsplit

from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import canonical_link, host_of
from llm_engineering.domain.sources import FetchedPage, ListedLink, Listing

# Pages that show what there is to read, on Substack and on most blogs.
_HOME_PATHS = frozenset({"", "/archive", "/articles", "/blog", "/home", "/index.html", "/posts"})
_SUBSTACK_LISTS = ("/sitemap.xml", "/feed")
# What a Substack on a domain of its own still loads its scripts and pictures from.
_SUBSTACK_MARK = "substackcdn.com"
_POST_PATH = "/p/"
# A regular expression, for the standard library's parser takes quadratic time for pages that are made to take it.
_ANCHOR = re.compile(r"""<a\s[^<>]*?(?<![\w-])href\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""", re.IGNORECASE)
# Sitemaps of what is not an article, as WordPress and its plugins, Ghost and Shopify name them.
_OTHER_SITEMAPS = frozenset({
    "author", "authors", "users", "category", "categories", "tag", "tags", "taxonomies", "post_tag", "post_format",
    "image", "images", "video", "videos", "attachment", "product", "products", "collections",
})  # fmt: skip


def select(
    links: Iterable[ListedLink], since: date | datetime | None, limit: int
) -> tuple[list[ListedLink], dict[str, int]]:
    """The links to crawl, the newest first, and how many were left out, by reason.

    A link without a date may be new, so `since` does not leave it out; but it comes after those that are known to be
    new, in the order of the listing, so that the home page and the imprint of a sitemap do not use up the limit.
    """
    wanted = list(links)
    skipped: dict[str, int] = {}
    if since is not None:
        start = _moment(since)
        recent = [item for item in wanted if item.published_at is None or _moment(item.published_at) >= start]
        _count(skipped, f"older than {start.date().isoformat()}", len(wanted) - len(recent))
        wanted = recent
    dated = [(_moment(item.published_at), item) for item in wanted if item.published_at is not None]
    dated.sort(key=lambda pair: pair[0], reverse=True)
    ordered = [item for _, item in dated] + [item for item in wanted if item.published_at is None]
    chosen = ordered[: max(0, limit)]
    _count(skipped, f"beyond the limit of {limit}", len(ordered) - len(chosen))
    return chosen, skipped


def is_home(link: str) -> bool:
    """Whether the link is a site's home or archive page: if it has no article in it, it lists some.

    With a query it is none: `/?p=123` is how WordPress names an article where nobody has set up anything else.
    """
    path = urlsplit(link).path.rstrip("/").lower()
    return path in _HOME_PATHS and bool(host_of(link)) and not (path == "" and _query(link))


def is_substack(link: str, page: FetchedPage | None = None) -> bool:
    """Whether a publication of Substack's: by its host, or on its own domain by what the page loads."""
    return host_of(link).endswith(".substack.com") or (page is not None and _SUBSTACK_MARK in page.html)


def listing_links(link: str, page: FetchedPage | None = None, feed: str | None = None) -> list[str]:
    """What to ask for the articles of a home or archive page, the best first; the first that lists any is enough.

    A Substack's sitemap names every post, its feed only the newest twenty. Elsewhere it is the `feed` that the page
    names: what stands in a site's sitemap is often not an article.
    """
    own = [urljoin(link, path) for path in _SUBSTACK_LISTS] if is_substack(link, page) else []
    return [*own, *([feed] if feed and feed not in own else [])]


def only_posts(listing: Listing) -> tuple[Listing, dict[str, int]]:
    """A listing without what is no article, and how many links were left out, by reason.

    Of a Substack's sitemap the posts (`/p/`), of an index the sitemaps of articles, and never a site's home page. A
    feed holds only articles.
    """
    if listing.kind == "feed":
        return listing, {}
    keep = _is_article_sitemap if listing.kind == "sitemap index" else _is_page
    if listing.kind == "sitemap" and _is_substack_sitemap(listing):
        keep = _is_post
    kept = [item for item in listing.links if keep(item.link)]
    skipped: dict[str, int] = {}
    _count(skipped, "not an article", len(listing.links) - len(kept))
    return Listing(listing.kind, kept, listing.site), skipped


def of_the_same_site(listing: Listing, link: str) -> tuple[list[ListedLink], dict[str, int]]:
    """The links that belong to the site that lists them: a link to another site is rarely to one's own words.

    Only web pages: a feed must not lead to a file of this machine.
    """
    homes = [host_of(link), *([host_of(listing.site)] if listing.site else [])]
    own = [
        item
        for item in listing.links
        if item.link.startswith(("http://", "https://"))
        and (listing.vouched or any(_same_site(host_of(item.link), home) for home in homes))
    ]
    elsewhere = len(listing.links) - len(own)
    return own, {"on another site": elsewhere} if elsewhere else {}


def links_in(page: FetchedPage) -> Iterator[str]:
    """The absolute links of a page's `<a href>`, in order, as often as they are there."""
    for match in _ANCHOR.finditer(page.html):
        try:
            yield urljoin(page.url, unescape(match["double"] or match["single"] or "").strip())
        except ValueError:  # `http://[` is no link
            continue


def _is_post(link: str) -> bool:
    return urlsplit(link).path.startswith(_POST_PATH)


def _is_page(link: str) -> bool:
    return not is_home(link)


def _is_article_sitemap(link: str) -> bool:
    """`post-sitemap2.xml` and `wp-sitemap-posts-post-1.xml` are; `wp-sitemap-taxonomies-category-1.xml` is not."""
    name = urlsplit(link).path.rpartition("/")[2].partition(".")[0].lower()
    words = {word.rstrip("0123456789") for word in name.split("-")}
    return not words & _OTHER_SITEMAPS


def _is_substack_sitemap(listing: Listing) -> bool:
    """On a domain of its own too: beside the posts there are only pages that every Substack has."""
    hosts = Counter(host_of(item.link) for item in listing.links)
    if len(hosts) == 1 and next(iter(hosts)).endswith(".substack.com"):
        return True
    paths = {urlsplit(item.link).path.rstrip("/") for item in listing.links}
    return {"/archive", "/about"} <= paths and any(_is_post(item.link) for item in listing.links)


def _same_site(host: str, other: str) -> bool:
    return host == other or host.endswith(f".{other}") or other.endswith(f".{host}")


def _query(link: str) -> str:
    """The query without tracking parameters."""
    try:
        return urlsplit(canonical_link(link)).query
    except InvalidInputError:
        return ""


def _count(skipped: dict[str, int], reason: str, count: int) -> None:
    if count:
        skipped[reason] = count


def _moment(when: date | datetime) -> datetime:
    """A day begins at midnight UTC; a time without a zone is meant in UTC."""
    if not isinstance(when, datetime):
        when = datetime.combine(when, time())
    return when if when.tzinfo else when.replace(tzinfo=UTC)
