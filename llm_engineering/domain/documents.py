"""Authors and their documents, raw as crawled and cleaned for retrieval.

A category is a field, not a class: what differs by category stands in tables (`application/preprocessing`).
"""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import canonical_link, identity, shown_link

NAMESPACE = UUID("6f4f1f6e-5a43-4c1c-9d4e-0f3c5b1d7a20")
# Words that begin a family name, in lower case as people write them: Ludwig van Beethoven, Simone de Beauvoir.
_PARTICLES = frozenset({
    "af", "al", "auf", "av", "ben", "bin", "da", "dal", "dalla", "das", "de", "degli", "dei", "del", "della", "delle",
    "den", "der", "des", "di", "do", "dos", "du", "el", "ibn", "la", "las", "le", "los", "ten", "ter", "tom", "van",
    "vom", "von", "y", "zu", "zum", "zur",
})  # fmt: skip
# In fewer words a sign, or the target of a link, may be what the text says: such texts must be the same altogether.
_WORDS_OF_SHORT_TEXT = 50
# Symbols that are Markdown's own.
_MARKUP_SYMBOLS = frozenset("`|~>^")
# Characters that no name has: control characters, surrogates, line and paragraph separators (Unicode's categories).
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_MARKDOWN_IMAGES = re.compile(r"!\[[^\]]*\]\([^)\s]*\)")
_MARKDOWN_TARGETS = re.compile(r"\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")


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
        """The author with this name.

        A single word is first and last name at once, as in the handbook. The last name begins at the first particle
        (Ludwig | van Beethoven), else it is the last word.

        Raises:
            InvalidInputError: the name is blank, or has characters that cannot be printed.
        """
        words = unicodedata.normalize("NFC", full_name).split()
        name = " ".join(words)
        if not words or any(unicodedata.category(character) in _NOT_IN_NAMES for character in name):
            raise InvalidInputError(
                f"An author needs a name in letters, for example 'Ada Lovelace'; got {full_name!r}."
            )
        if len(set(words)) == 1:
            words, name = words[:1], words[0]
        cut = next((i for i, word in enumerate(words) if 0 < i < len(words) - 1 and word in _PARTICLES), len(words) - 1)
        first, last = (" ".join(words[:cut]), " ".join(words[cut:])) if len(words) > 1 else (name, name)
        return cls(id=uuid5(NAMESPACE, f"author:{name.casefold()}"), first_name=first, last_name=last)


class RawDocument(BaseModel):
    """One document as it was crawled: an article, a post, or one file of a repository."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    category: DataCategory
    platform: str
    link: str = Field(description="Where people find it.")
    source: str = Field(description="Canonical link of what was crawled: the page, or the repository or export.")
    author_id: UUID
    author_full_name: str
    byline: str | None = Field(default=None, description="Whom the page itself names as its author.")
    title: str
    subtitle: str | None = None
    content: str = Field(description="Markdown, or the file's text.")
    language: str | None = None
    published_at: datetime | None = None
    content_hash: str
    fingerprint: str = Field(default="", description="Hash of the words alone; '' in what older versions stored.")

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
        byline: str | None = None,
        subtitle: str | None = None,
        language: str | None = None,
        published_at: datetime | None = None,
    ) -> Self:
        """Build a document with its deterministic id and the hashes of what it says.

        What is no character (half of a surrogate pair) becomes a question mark: no store could take it.

        Raises:
            InvalidInputError: the link cannot be parsed as a URL.
        """
        title, content = encodable(title), encodable(content)
        subtitle, byline = encodable(subtitle or "") or None, encodable(byline or "") or None
        return cls(
            id=document_id(link, author.id),
            category=category,
            platform=platform,
            link=shown_link(link),
            source=canonical_link(source or link),
            author_id=author.id,
            author_full_name=author.full_name,
            byline=byline,
            title=title,
            subtitle=subtitle,
            content=content,
            language=language,
            published_at=published_at,
            content_hash=text_hash(category, title, subtitle or "", content),
            fingerprint=fingerprint(content, title, subtitle or ""),
        )

    def actual_hash(self) -> str:
        """The hash of the text as it is; another than `content_hash` where somebody edited what is stored."""
        return text_hash(self.category, self.title, self.subtitle or "", self.content)


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
    language: str | None = Field(default=None, description="ISO 639-1 code; None where the text is too short to tell.")
    published_at: datetime | None = None


def document_id(link: str, author_id: UUID) -> UUID:
    """The id of the document behind a link, however it is spelt, for one author."""
    return uuid5(NAMESPACE, f"document:{author_id}:{identity(link)}")


def fingerprint(text: str, title: str = "", subtitle: str = "") -> str:
    """Hash of what a text says: the same for the same article however another platform marks it up.

    Some platforms repeat title and subtitle as headings above the text, and add a picture: these do not count. Of a
    short text, everything counts but white space and these headings.
    """
    titles = (_words(title), _words(subtitle))
    words = _words(_MARKDOWN_TARGETS.sub("]", _without_headings(_MARKDOWN_IMAGES.sub("", text), titles)))
    if len(words) < _WORDS_OF_SHORT_TEXT:
        words = unicodedata.normalize("NFC", _without_headings(text, titles)).split()
    return text_hash(" ".join(words) or text)


def _without_headings(text: str, titles: Collection[list[str]]) -> str:
    """The text without headings at its beginning that only repeat one of the titles."""
    body = text.lstrip()
    while body.startswith("#"):
        heading, _, rest = body.partition("\n")
        if _words(heading) not in titles:
            break
        body = rest.lstrip()
    return body


def encodable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _words(text: str) -> list[str]:
    """Runs of letters, marks, numbers and symbols, in lower case: what is between them is punctuation or markup."""
    text = unicodedata.normalize("NFKC", text).casefold()
    signs = {ord(character): " " for character in set(text) if not _is_of_word(character)}
    return text.translate(signs).split()


def _is_of_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMNS" and character not in _MARKUP_SYMBOLS


def text_hash(*parts: str) -> str:
    """SHA-256 over the parts, each with its length before it so that ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()
