r"""Cleaning: pure functions from text to text, listed by category in one table.

Noise goes, structure stays: headings, lists, code and punctuation carry meaning for an embedding model. What the
handbook does here (`re.sub(r"[^\w\s.,!?]", " ", text)`) turns `C++` into `C` and code into words.
"""

import re
import unicodedata
from collections.abc import Callable

from llm_engineering.application.markdown import lines_of
from llm_engineering.domain.documents import CleanedDocument, DataCategory, RawDocument

# Bold, italic and script letters, the few of them that Unicode had before (U+2102 to U+2134), and full-width letters
# and digits: people style posts with them, and the embedding model's vocabulary has none of them. Only these are
# folded: NFKC on all would turn `x²` into `x2`.
_STYLED = re.compile(
    "[\U0001d400-\U0001d7ff\u2102\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2131\u2133\u2134"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+"
)
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_ENDS = re.compile(r"\r\n?|\u2028|\u2029")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_DATA_URI = re.compile(r"!?\[[^\]]*\]\(data:[^)]*\)")
_WORDLESS_IMAGE = re.compile(r"!\[\s*\]\([^)]*\)")
# Buttons that stand alone on a line of a crawled page. Exact lines only: in a sentence the words are the author's.
_BUTTONS = frozenset(
    {
        "subscribe", "sign in", "subscribesign in", "share", "share this post", "copy link", "copy to clipboard",
        "open in app", "sign up", "listen", "follow", "read more", "leave a comment", "accept cookies",
        "skip to content",
    }
)  # fmt: skip


def normalise_unicode(text: str) -> str:
    """Compose accents (NFC), fold styled letters, drop invisible characters, unify line ends and spaces."""
    text = _LINE_ENDS.sub("\n", text)
    text = _STYLED.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return unicodedata.normalize("NFC", _SPACES.sub(" ", _INVISIBLE.sub("", text)))


def drop_wordless_images(text: str) -> str:
    """Remove images that have no words beside them, and images inlined as data."""
    return _WORDLESS_IMAGE.sub("", _DATA_URI.sub("", text))


def drop_buttons(text: str) -> str:
    """Remove lines, outside code, that are nothing but the label of a button."""
    kept = (line for line, is_code in lines_of(text) if is_code or line.strip(" #*_\n").casefold() not in _BUTTONS)
    return "".join(kept)


def tidy_blank_space(text: str) -> str:
    """Drop spaces at line ends, more than one blank line in a row, and blank space around the text."""
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip()


def unify_line_ends(text: str) -> str:
    """Turn CR LF into LF; every other character of code stays."""
    return text.replace("\r\n", "\n")


CLEANING: dict[DataCategory, tuple[Callable[[str], str], ...]] = {
    DataCategory.ARTICLES: (normalise_unicode, drop_wordless_images, drop_buttons, tidy_blank_space),
    DataCategory.POSTS: (normalise_unicode, tidy_blank_space),
    DataCategory.REPOSITORIES: (unify_line_ends,),
}


def clean(document: RawDocument) -> CleanedDocument:
    """The document with the text that is left of it; the text can be empty."""
    text = document.content
    for step in CLEANING[document.category]:
        text = step(text)
    return CleanedDocument(
        id=document.id,
        category=document.category,
        platform=document.platform,
        link=document.link,
        author_id=document.author_id,
        author_full_name=document.author_full_name,
        title=" ".join(normalise_unicode(document.title).split()),
        text=text if text.strip() else "",
    )
