"""What a page says of itself: title, subtitle, author, date, language and canonical link.

Read from JSON-LD (schema.org), the meta tags that most sites have for search engines and link previews, and microdata,
in this order of trust. Nothing is guessed from the text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from llm_engineering.infrastructure.markup.tree import absolute, json_ld, letters, text_of, tokens

ARTICLE_TYPES = frozenset({
    "Article", "NewsArticle", "BlogPosting", "TechArticle", "Report", "ScholarlyArticle", "SocialMediaPosting",
    "DiscussionForumPosting", "OpinionNewsArticle", "AnalysisNewsArticle", "ReportageNewsArticle", "LiveBlogPosting",
})  # fmt: skip
_DATE_NAMES = (
    "article:published_time", "og:published_time", "datepublished", "parsely-pub-date", "sailthru.date",
    "citation_publication_date", "dc.date.issued", "dcterms.date", "dc.date", "pubdate", "publishdate", "date",
)  # fmt: skip
_AUTHOR_NAMES = ("author", "article:author", "parsely-author", "sailthru.author", "dc.creator", "citation_author")
_BY = re.compile(r"^(?:(?:written\s+)?by|posted by|von|por|par|di|door)[:\s]+", re.IGNORECASE)
_SITE_SEPARATORS = re.compile(r"\s+(?:[|–—·•»:-]|::)\s+")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_DATE_IN_PATH = re.compile(r"/((?:19|20)\d\d)/(0?[1-9]|1[0-2])(?:/(0?[1-9]|[12]\d|3[01]))?/")
_MAX_NAME = 100
_MAX_TITLE = 300


@dataclass(frozen=True)
class Metadata:
    """What the page says of itself; None where it says nothing."""

    title: str
    subtitle: str | None
    byline: str | None
    language: str | None
    published_at: datetime | None
    canonical_url: str | None


def read_metadata(root: Any, url: str) -> Metadata:
    """Read what the page says of itself; it has to be as it came, for cleaning removes some of this."""
    objects = json_ld(root)
    article = article_object(objects)
    meta = _meta(root)
    return Metadata(
        title=(_title(root, meta, article) or title_of(url))[:_MAX_TITLE],
        subtitle=_first(*_subtitles(meta, article)),
        byline=_byline(root, meta, article, objects),
        language=_language(root, meta, article),
        published_at=_published(root, meta, article, url),
        canonical_url=_canonical(root, url),
    )


def article_object(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first article in the page's JSON-LD; empty if there is none."""
    return next((found for found in objects if ARTICLE_TYPES & set(types_of(found))), {})


def types_of(found: dict[str, Any]) -> list[str]:
    """The types of a JSON-LD object, without the vocabulary's address."""
    types = found.get("@type") or []
    return [
        kind.rpartition("/")[2] for kind in (types if isinstance(types, list) else [types]) if isinstance(kind, str)
    ]


def title_of(url: str) -> str:
    """A title for what has none: the last part of the path, in words."""
    parts = urlsplit(url)
    name = unquote(parts.path.rstrip("/").rpartition("/")[2])
    return " ".join(re.sub(r"\.\w{2,5}$", "", name).replace("-", " ").replace("_", " ").split()) or parts.netloc or url


def date_of(text: Any) -> datetime | None:
    """A date in ISO 8601 or RFC 5322; UTC where it names no zone. None for anything else."""
    from email.utils import parsedate_to_datetime

    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            parsed = read(str(text).strip().replace(" UTC", "+00:00"))
        except (ValueError, TypeError, OverflowError):
            continue
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None


def author_name(value: Any, objects: Sequence[dict[str, Any]] = ()) -> str | None:
    """The names in a JSON-LD author: a text, an object, a reference to one, or a list of these."""
    names = []
    for author in value if isinstance(value, list) else [value]:
        if isinstance(author, dict):
            same = (found for found in objects if found.get("@id") == author.get("@id") and found.get("name"))
            name = author.get("name") or (next(same, {}).get("name") if author.get("@id") else None)
        else:
            name = author
        names.append(_name(name))
    return ", ".join(dict.fromkeys(filter(None, names))) or None


def _meta(root: Any) -> dict[str, str]:
    """The content of the meta tags by name or property, in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for tag in root.iter("meta"):
        name = (tag.get("property") or tag.get("name") or tag.get("http-equiv") or "").strip().lower()
        content = " ".join((tag.get("content") or "").split())
        if name and content:
            found.setdefault(name, content)
    return found


def _title(root: Any, meta: dict[str, str], article: dict[str, Any]) -> str | None:
    """Without the site's name: the page's heading, where the other titles begin with it; else what they are."""
    document = text_of(next(root.iter("title"), None))
    said = [_text(article.get("headline")), meta.get("og:title"), meta.get("twitter:title"), document]
    headings, titles = [h for h in map(_heading, root.iter("h1")) if h], [title for title in said if title]
    if not titles:
        return next(iter(headings), None)
    if heading := next((h for h in headings if _begins(titles[0], h)), None):
        return heading
    shortest = next((t for t in titles[:-1] if _begins(document, t)), titles[0])
    return _without_site(shortest, meta.get("og:site_name"))


def _heading(element: Any) -> str:
    """The text of a heading without the sign that links to it."""
    return text_of(element).rstrip("¶#🔗§ ")


def _begins(longer: str | None, title: str) -> bool:
    return bool(letters(title)) and letters(longer or "").startswith(letters(title))


def _without_site(title: str, site: str | None) -> str:
    parts = _SITE_SEPARATORS.split(title)
    is_site = len(parts) > 1 and (letters(parts[-1]) == letters(site or "") or " | " in title)
    return title[: title.rindex(parts[-1])].rstrip(" |–—·•»:-") if is_site else title


def _subtitles(meta: dict[str, str], article: dict[str, Any]) -> list[Any]:
    described = [meta.get("og:description"), meta.get("description"), article.get("description")]
    return [article.get("alternativeHeadline"), *described]


def _byline(root: Any, meta: dict[str, str], article: dict[str, Any], objects: Sequence[dict[str, Any]]) -> str | None:
    named = author_name(article.get("author"), objects)
    return named or _first(*(_name(meta.get(name)) for name in _AUTHOR_NAMES)) or next(_visible_authors(root), None)


def _visible_authors(root: Any) -> Iterator[str]:
    """Names that the markup marks as the author's: microdata, `rel=author`, a class; in this order."""
    for path in (".//*[@itemprop='author']//*[@itemprop='name']", ".//*[@itemprop='author']", ".//*[@rel='author']"):
        yield from filter(None, (_name(text_of(element)) for element in root.xpath(path)))
    for element in root.xpath(".//span[@class]|.//a[@class]|.//p[@class]|.//div[@class]"):
        if tokens(element.get("class")) & {"author", "byline"} and (name := _name(text_of(element))):
            yield name


def _name(value: Any) -> str | None:
    """A name without "by"; None for a link, for none, and for what is too long to be one."""
    name = _BY.sub("", _text(value) or "").strip(" ,|·")
    return name if 0 < len(name) <= _MAX_NAME and "://" not in name and letters(name) else None


def _language(root: Any, meta: dict[str, str], article: dict[str, Any]) -> str | None:
    """ISO 639, without the country: `en-GB` is `en`."""
    spoken = article.get("inLanguage")
    spoken = spoken.get("alternateName") if isinstance(spoken, dict) else spoken
    for said in (root.get("lang"), root.get("xml:lang"), meta.get("og:locale"), spoken, meta.get("content-language")):
        code = re.split(r"[-_,;]", str(said or "").strip().lower())[0]
        if _LANGUAGE.fullmatch(code):
            return code
    return None


def _published(root: Any, meta: dict[str, str], article: dict[str, Any], url: str) -> datetime | None:
    marked = root.xpath(".//*[@itemprop='datePublished']|.//time[@pubdate]|.//time[contains(@class,'published')]")
    times = [*marked, *root.xpath(".//article//time[@datetime]")[:1]]
    said = [e.get("content") or e.get("datetime") or e.get("title") for e in times]
    texts = [article.get("datePublished"), article.get("dateCreated"), *(meta.get(name) for name in _DATE_NAMES), *said]
    found = next(filter(None, (date_of(text) for text in texts if text)), None)
    path = _DATE_IN_PATH.search(urlsplit(url).path + "/")
    if found is None and path and path.group(3):
        return date_of(f"{path.group(1)}-{int(path.group(2)):02}-{int(path.group(3)):02}")
    return found


def _canonical(root: Any, url: str) -> str | None:
    """`<link rel="canonical">`, which may be relative. `og:url` does not count: often it is the site's."""
    links = [link.get("href") for link in root.iter("link") if "canonical" in (link.get("rel") or "").lower().split()]
    said = next(filter(None, links), None)
    return absolute(url, said) if said else None


def _text(value: Any) -> str | None:
    """Plain text: JSON-LD often has markup's escapes in it."""
    from html import unescape

    return " ".join(unescape(value).split()) or None if isinstance(value, str) else None


def _first(*values: Any) -> str | None:
    return next(filter(None, map(_text, values)), None)
