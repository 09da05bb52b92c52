"""PDF: the text of its pages, with what typesetting broke mended."""

import io
import logging
import re
import time
from collections.abc import Callable
from typing import Any

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.texts import BROKEN, one_line

_MAX_PAGES = 3_000
_MAX_SECONDS = 120.0
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_LINE_END_HYPHEN = re.compile(r"(?<![\w-])([^\W\d_]+)[-\u2010][ \t]*\n[ \t]*([^\W\d_]+)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# What programs write as the title on their own.
_NO_TITLE = re.compile(
    r"^(?:untitled.*|document\d*|slide \d+|powerpoint.*|microsoft .*|.*\.(?:docx?|pdf|tex|dvi|indd|odt|rtf|pptx?))$",
    re.IGNORECASE,
)


def pdf_file(path: str, content: bytes) -> SourceFile:
    """The text of all pages, a blank line between two.

    Raises:
        CrawlError: it is encrypted, broken, has no text, or takes too long.
    """
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        pages, title = _pages(content, _deadline(_MAX_SECONDS))
    except (DependencyError, FileNotDecryptedError) as error:
        raise CrawlError("encrypted") from error
    except (PyPdfError, *BROKEN) as error:
        raise CrawlError(f"no PDF that can be read ({type(error).__name__})") from error
    text = mended("\n\n".join(page.strip() for page in pages if page.strip()))
    if not text:
        raise CrawlError("no text in it (scanned?)")
    return SourceFile(path=path, text=text, title=None if _NO_TITLE.match(title) else title or None)


def mended(text: str) -> str:
    """The text with its ligatures spelt out and words joined that a line's end had parted.

    A hyphen at a line's end may be the word's own (`well-known`). The text itself is asked: where it has the word in
    one piece, that is taken; else the hyphen stays if the text has it so, or has both halves as words.
    """
    text = text.translate(_LIGATURES).replace("\u00ad\n", "").replace("\u00ad", "").replace("\r\n", "\n")
    words = {word.casefold() for word in _WORD.findall(_LINE_END_HYPHEN.sub(" ", text))}

    def joined(found: re.Match[str]) -> str:
        first, second = found.groups()
        whole, parted = (first + second).casefold(), f"{first}-{second}".casefold()
        apart = parted in words or (first.casefold() in words and second.casefold() in words)
        is_parted = not second[0].islower() or (whole not in words and apart)
        return f"{first}-{second}" if is_parted else first + second

    return _LINE_END_HYPHEN.sub(joined, text).strip()


def _pages(content: bytes, check: Callable[..., None]) -> tuple[list[str], str]:
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # a broken file would write a line for each of its objects
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise CrawlError("encrypted")
    if len(reader.pages) > _MAX_PAGES:
        raise CrawlError(f"more than {_MAX_PAGES} pages")
    pages = []
    for page in reader.pages:
        check()
        pages.append(page.extract_text(visitor_operand_before=check))
    return pages, _title(reader)


def _title(reader: Any) -> str:
    try:
        return one_line(reader.metadata.title if reader.metadata else "") or ""
    except (ValueError, LookupError, TypeError, AttributeError):  # the text is there all the same
        return ""


def _deadline(seconds: float) -> Callable[..., None]:
    """What raises CrawlError when it is called after so many seconds."""
    end = time.monotonic() + seconds

    def check(*_: object) -> None:
        if time.monotonic() > end:
            raise CrawlError(f"takes longer than {seconds:g} s to read")

    return check
