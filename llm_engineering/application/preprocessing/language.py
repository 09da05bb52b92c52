"""The language of a document: what it says of itself where that can be true, else what its words say."""

import re
from collections.abc import Callable

from llm_engineering.application.markdown import lines_of
from llm_engineering.domain.documents import DataCategory, RawDocument

# Returns an ISO 639-1 code, or None where the text is too short or too mixed to tell.
LanguageDetector = Callable[[str], str | None]

# What of a repository is written for people. Comments in code are too few words among too many names.
_PROSE_SUFFIXES = (".md", ".markdown", ".mdx", ".rst", ".txt", ".text", ".adoc", ".asciidoc", ".org", ".ipynb")
_CODE = re.compile(r"`[^`\n]*`")
_TARGETS = re.compile(r"\]\([^)\s]*\)|https?://\S+|<[^<>\n]*>")
_TAG = re.compile(r"\s*([A-Za-z]{2})(?=$|[\s_-])")
_DETECTED_CHARACTERS = 5000


def language_of(raw: RawDocument, text: str, detect: LanguageDetector | None) -> str | None:
    """ISO 639-1 code of a cleaned text; None for code, and where nothing tells.

    A page's own tag is often its template's: where the words are clearly in another language, they count.
    """
    if raw.category is DataCategory.REPOSITORIES and not raw.title.lower().endswith(_PROSE_SUFFIXES):
        return None
    detected = detect(prose_of(text)) if detect else None
    return detected or tagged_language(raw.language)


def tagged_language(tag: str | None) -> str | None:
    """The language of a tag as 'en-GB' (RFC 5646); None where it begins with no two letters."""
    match = _TAG.match(tag or "")
    return match.group(1).lower() if match else None


def prose_of(text: str) -> str:
    """The beginning of a text without its code, links and tags, in which every language looks like English."""
    lines, length = [], 0
    for line, is_code in lines_of(text):
        if not is_code:
            lines.append(_TARGETS.sub(" ", _CODE.sub(" ", line[:_DETECTED_CHARACTERS])))
            length += len(lines[-1])
        if length >= _DETECTED_CHARACTERS:
            break
    return "".join(lines)[:_DETECTED_CHARACTERS]
