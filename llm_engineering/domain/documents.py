"""Authors and their documents, raw as crawled and cleaned for retrieval.

A category is a field, not a class: what differs by category stands in tables (`application/preprocessing`).
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.errors import InvalidInputError

NAMESPACE = UUID("6f4f1f6e-5a43-4c1c-9d4e-0f3c5b1d7a20")
_TRACKING_PARAMETERS = frozenset({"fbclid", "gclid", "mc_cid", "mc_eid", "ref_src", "igshid", "_hsenc", "_hsmi"})
_CREDENTIALS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s]*@")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class DataCategory(StrEnum):
    """The kinds of text a person publishes."""

    POSTS = "posts"
    ARTICLES = "articles"
    REPOSITORIES = "repositories"


class Author(BaseModel):
    """A person whose words are stored. The id depends on the name alone, so every run finds the same author."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    first_name: str
    last_name: str

    @property
    def full_name(self) -> str:
        """First and last name; a single name stands once."""
        return self.first_name if self.first_name == self.last_name else f"{self.first_name} {self.last_name}"

    @classmethod
    def named(cls, full_name: str) -> Self:
        """The author with this name; a single word is first and last name at once, as in the handbook.

        Raises:
            InvalidInputError: the name is blank, or has characters that cannot be printed.
        """
        words = full_name.split()
        name = " ".join(words)
        if not words or not name.isprintable():
            raise InvalidInputError(
                f"An author needs a name in letters, for example 'Ada Lovelace'; got {full_name!r}."
            )
        if len(set(words)) == 1:
            words, name = words[:1], words[0]
        first, last = (" ".join(words[:-1]), words[-1]) if len(words) > 1 else (name, name)
        return cls(id=uuid5(NAMESPACE, f"author:{name.casefold()}"), first_name=first, last_name=last)


class RawDocument(BaseModel):
    """One document as it was crawled: an article, a post, or one file of a repository."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    category: DataCategory
    platform: str
    link: str
    source: str = Field(description="Canonical link of the source that listed the document: itself, or its repository.")
    author_id: UUID
    author_full_name: str
    title: str
    subtitle: str | None = None
    content: str = Field(description="Markdown, or the file's text.")
    language: str | None = None
    published_at: datetime | None = None
    content_hash: str

    @classmethod
    def create(
        cls,
        *,
        category: DataCategory,
        platform: str,
        link: str,
        author: Author,
        title: str,
        content: str,
        source: str | None = None,
        subtitle: str | None = None,
        language: str | None = None,
        published_at: datetime | None = None,
    ) -> Self:
        """Build a document with its canonical link, its deterministic id and the hash of what it says."""
        link = canonical_link(link)
        return cls(
            id=document_id(link, author.id),
            category=category,
            platform=platform,
            link=link,
            source=canonical_link(source) if source else link,
            author_id=author.id,
            author_full_name=author.full_name,
            title=title,
            subtitle=subtitle,
            content=content,
            language=language,
            published_at=published_at,
            content_hash=text_hash(category, title, subtitle or "", content),
        )


class CleanedDocument(BaseModel):
    """A document's main text without the page's noise."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    category: DataCategory
    platform: str
    link: str
    author_id: UUID
    author_full_name: str
    title: str
    text: str


class FeatureState(BaseModel):
    """How far the features of one document are.

    While they are being written the hash is empty, so that a run that was killed is taken up again; `chunk_count` then
    covers the chunks of both the old and the new text, so that none is forgotten.
    """

    model_config = ConfigDict(frozen=True)

    feature_hash: str = Field(description="Hash of everything that the features depend on.")
    chunk_count: int


def document_id(link: str, author_id: UUID) -> UUID:
    """The id of the document behind a canonical link, for one author."""
    return uuid5(NAMESPACE, f"document:{author_id}:{link}")


def text_hash(*parts: str) -> str:
    """SHA-256 over the parts, each with its length before it so that ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()


def canonical_link(link: str) -> str:
    """The link without what does not identify the page.

    Scheme and host in lower case, no default port, no fragment, no trailing slash, no tracking parameters.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    try:
        parts = urlsplit(link.strip())
        host, port = (parts.hostname or ""), parts.port
    except ValueError as error:
        raise InvalidInputError(f"{without_credentials(link)!r} is not a valid link.") from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        return link.strip()
    if ":" in host:
        host = f"[{host}]"
    netloc = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _is_tracking(pair[0], host)]
    return urlunsplit((scheme, netloc, parts.path.rstrip("/"), urlencode(query), ""))


def canonical_repository_link(link: str) -> str:
    """The canonical link of a Git repository: neither `www.` nor `.git` makes it another one."""
    return canonical_link(link).replace("://www.", "://", 1).removesuffix(".git")


def without_credentials(link: str) -> str:
    """The link for logs and reports: what stands before the host's `@` is left out."""
    return _CREDENTIALS.sub(r"\1", link)


def _is_tracking(parameter: str, host: str) -> bool:
    # Substack adds `r`, the reader who shared the link.
    return (
        parameter.startswith("utm_")
        or parameter in _TRACKING_PARAMETERS
        or (parameter == "r" and host.endswith("substack.com"))
    )
