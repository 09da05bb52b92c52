"""What the links of Medium say: which are articles, whose they are, and where their feed is."""

import re
from urllib.parse import urlsplit

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.links import canonical_link, host_of, shown_link

MEDIUM = "medium.com"
# An article's path ends in its id: `/@ada/on-the-mill-0123456789ab`, `/p/0123456789ab`.
_ID = re.compile(r"(?:^|-)([0-9a-f]{10,12})$")
# Neither an author nor a publication, but Medium's own; nothing below them is an article.
_OWN_PATHS = frozenset({
    "_", "about", "creators", "earn", "explore-topics", "feed", "jobs-at-medium", "m", "me", "membership", "new-story",
    "partner-program", "plans", "policy", "search", "tag", "tagged", "topic", "topics", "upgrade",
})  # fmt: skip
# The tabs of an author's or publication's page.
_TABS = frozenset({"all", "archive", "followers", "following", "home", "latest", "lists", "subscribe", "trending"})
# Lists of articles, mostly of other writers; their links end in an id too.
_LISTS = frozenset({"list", "lists", "series"})


def bare_link(link: str) -> str:
    """The canonical link without its query, in which Medium says who shared it and from where it was opened.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    return urlsplit(canonical_link(link))._replace(query="").geturl()


def opened_link(link: str) -> str:
    """The link as it is opened: without its query, but with the host's own spelling.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    return urlsplit(shown_link(link))._replace(query="").geturl()


def is_medium_page(url: str) -> bool:
    """Whether a page for people to read: a feed or sitemap is read as those of any other site are."""
    parts = _parts(url)
    return not parts or ("feed" not in (parts[0], parts[-1]) and not parts[-1].endswith(".xml"))


def is_home_page(url: str) -> bool:
    """Whether the link is the home page of a domain, or one of its tabs."""
    parts = _parts(url)
    return not parts or parts[0] in _TABS | _OWN_PATHS


def is_list(url: str) -> bool:
    """Whether the link is a reading list or a series; the tab of an author's page that shows all lists is not."""
    return bool(set(_parts(url)[:-1]) & _LISTS)


def article_id(url: str) -> str:
    """Medium's id of the article behind a link; '' where it is no article.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    parts = _parts(url)
    is_deep_enough = len(parts) > (1 if host_of(url) == MEDIUM else 0)
    if not is_deep_enough or parts[0] in _OWN_PATHS or is_list(url):
        return ""
    found = _ID.search(parts[-1])
    return found.group(1) if found else ""


def writer_of(url: str) -> str | None:
    """Whose page it is: `ada` for medium.com/@ada and ada.medium.com; None where the link does not say.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    host, parts = host_of(url), _parts(url)
    if host.endswith(f".{MEDIUM}"):
        return host.removesuffix(f".{MEDIUM}")
    return parts[0][1:].lower() if parts and parts[0].startswith("@") else None


def home_link(url: str) -> str:
    """The page of the author or publication.

    Raises:
        CrawlError: the link is a page of Medium's own, or does not say whose it is.
    """
    parts = urlsplit(url)
    first = _parts(url)[:1] if host_of(url) == MEDIUM else []
    if host_of(url) == MEDIUM and (not first or first[0] in _OWN_PATHS | {"p"}):
        raise CrawlError("the link does not say whose page it is: give one as https://medium.com/@NAME")
    return "/".join([f"{parts.scheme}://{parts.netloc}", *first])


def feed_link(url: str) -> str:
    """The feed of the author or publication.

    Raises:
        CrawlError: the link does not say whose page it is.
    """
    parts = urlsplit(home_link(url))
    return f"{parts.scheme}://{parts.netloc}/feed{parts.path}"


def _parts(url: str) -> list[str]:
    return [part for part in urlsplit(url).path.split("/") if part]
