r"""Cleaning: pure functions from text to text, by category.

Noise goes, structure stays: headings, lists, code and punctuation carry meaning for an embedding model. What the
handbook does here (`re.sub(r"[^\w\s.,!?]", " ", text)`) turns `C++` into `C` and code into words.
"""

import re
import unicodedata
from collections.abc import Callable, Collection

from llm_engineering.application.markdown import lines_of
from llm_engineering.application.preprocessing.language import LanguageDetector, language_of
from llm_engineering.application.preprocessing.page_lines import page_lines
from llm_engineering.application.preprocessing.page_noise import Page, without_noise
from llm_engineering.domain.documents import CleanedDocument, DataCategory, RawDocument

# Bold, italic and script letters, the few of them that Unicode had before (U+2102 to U+2134), and full-width letters
# and digits: people style posts with them, and the embedding model's vocabulary has none of them. Only these are
# folded: NFKC on all would turn `x²` into `x2`.
_STYLED = re.compile(
    "[\U0001d400-\U0001d7ff\u2102\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2131\u2133\u2134"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+"
)
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_ENDS = re.compile(r"\r\n?|\u2028|\u2029|\u0085")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f]")
# Code in a line is matched first, so that it is left alone. An alternative text that is a file's name has no words.
_WORDLESS = re.compile(
    r"(?P<code>`[^`\n]+`)"
    r"|!?\[[^\[\]\n]*\]\(data:[^)\[]*\)"
    r"|!\[(?:(?:[^\w\[\]\n]|[\d_])*|[\w./-]+\.(?:avif|gif|jpe?g|png|svg|webp)"
    r"|(?:img|image|photo|picture|screenshot)[\s\d_-]*)\]\([^)\[\n]*\)"
    r"|(?<!!)\[\s*\]\([^)\[\n]*\)",
    re.IGNORECASE,
)


def normalise_unicode(text: str) -> str:
    """Compose accents (NFC), fold styled letters, drop invisible characters, unify line ends and spaces."""
    text = _LINE_ENDS.sub("\n", text)
    text = _STYLED.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return unicodedata.normalize("NFC", _SPACES.sub(" ", _INVISIBLE.sub("", text)))


def drop_wordless_images(text: str) -> str:
    """Remove images that have no words beside them, images inlined as data, and links around nothing."""
    return "".join(line if is_code else _without_images(line) for line, is_code in lines_of(text))


def tidy_blank_space(text: str) -> str:
    """Outside code, drop spaces at line ends and all but one blank line in a row; and what is blank around the text."""
    kept: list[str] = []
    is_blank = True
    for line, is_code in lines_of(text):
        tidy = line if is_code else line.rstrip() + "\n"
        if tidy != "\n" or not is_blank or is_code:
            kept.append(tidy)
        is_blank = tidy == "\n"
    return "".join(kept).strip()


def unify_line_ends(text: str) -> str:
    """Turn CR LF and CR into LF; every other character of code stays."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def clean(
    raw: RawDocument, noise: Collection[str] = (), detect_language: LanguageDetector | None = None
) -> CleanedDocument:
    """The document with the text that is left of it; the text can be empty. Cleaning twice is cleaning once.

    Args:
        raw: the document as it was crawled.
        noise: the lines that were learned of its site and that it has, see `site_noise.noise_of`.
        detect_language: tells the language of a text; without it the document's own word is taken.
    """
    text = _CLEANING[raw.category](raw, noise)
    return CleanedDocument(
        id=raw.id,
        category=raw.category,
        platform=raw.platform,
        link=raw.link,
        author_id=raw.author_id,
        author_full_name=raw.author_full_name,
        title=" ".join(normalise_unicode(raw.title).split()),
        text=text if text.strip() else "",
        language=language_of(raw, text, detect_language),
        published_at=raw.published_at,
    )


def _clean_article(raw: RawDocument, noise: Collection[str]) -> str:
    """Again until nothing goes: what is taken out of a page can make neighbours of what is left."""
    page, text, before = Page.of(raw, noise), normalise_unicode(raw.content), None
    while text != before:
        before = text
        text = drop_wordless_images(text)
        text = tidy_blank_space(without_noise(text, list(page_lines(text)), page))
    return text


def _clean_post(raw: RawDocument, noise: Collection[str]) -> str:  # noqa: ARG001 - posts have no page around them
    return tidy_blank_space(normalise_unicode(raw.content))


def _clean_code(raw: RawDocument, noise: Collection[str]) -> str:  # noqa: ARG001
    return unify_line_ends(raw.content)


_CLEANING: dict[DataCategory, Callable[[RawDocument, Collection[str]], str]] = {
    DataCategory.ARTICLES: _clean_article,
    DataCategory.POSTS: _clean_post,
    DataCategory.REPOSITORIES: _clean_code,
}


def _without_images(line: str) -> str:
    """Once more for the link around an image: `[![](a.png)](b)` becomes `[](b)`."""
    for _ in range(2 if "](" in line else 0):
        line = _WORDLESS.sub(lambda match: match.group("code") or "", line)
    return line
