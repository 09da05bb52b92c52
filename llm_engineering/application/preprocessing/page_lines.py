"""The lines of a crawled page, in a form in which they can be compared with those of other pages."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from llm_engineering.application.markdown import heading, lines_of

# Converters from HTML wrap paragraphs at 79 columns; a shorter line was ended by its author.
_WRAPPED_COLUMNS = 60
_BEGINS_ANEW = re.compile(r"\s*(?:[-*+•>|#]|\d+[.)](?=\s))")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+\S")
_BOLD_LINE = re.compile(r"(\*\*|__)[^*_]{1,80}\1:?")
_TARGET = r"\]\([^)\s\[]*(?:\s+\"[^\"\[]*\")?\)"
_IMAGE = re.compile(r"!\[[^\[\]]*" + _TARGET)
_LINK = re.compile(r"\[([^\[\]]*)" + _TARGET)
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]*_]*\Z")


@dataclass(frozen=True)
class PageLine:
    """A line as its author wrote it, however it was wrapped, or a line of code, or a blank one.

    `key` is its normal form: words in lower case, without markup, punctuation and the targets of links.
    """

    start: int
    end: int
    text: str
    is_code: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it."""
        return not self.text

    @property
    def is_heading(self) -> bool:
        """Whether it is marked as a heading, or is all bold, which many pages use for one."""
        if not self.text.startswith(("#", "**", "__")):
            return False
        first = self.text.partition("\n")[0]
        return heading(first) is not None or _BOLD_LINE.fullmatch(self.text) is not None

    @property
    def is_item(self) -> bool:
        """Whether it is an item of a list."""
        return _LIST_ITEM.match(self.text) is not None

    @property
    def is_sentence(self) -> bool:
        """Whether it ends as a sentence does, and is no heading."""
        return not self.is_heading and _SENTENCE_END.search(_LINK.sub(r"\1", self.text)) is not None


def page_lines(text: str) -> Iterator[PageLine]:
    """The lines of a Markdown text with their offsets; a paragraph that was wrapped is one."""
    start = position = 0
    last = ""
    for line, is_code in lines_of(text):
        content = line.strip()
        goes_on = (
            last and content and not is_code and len(last.rstrip()) >= _WRAPPED_COLUMNS and not _BEGINS_ANEW.match(line)
        )
        if last and not goes_on:
            yield PageLine(start, position, text[start:position].strip())
        if not goes_on:
            start = position
        position += len(line)
        last = line if content and not is_code else ""
        if not last:
            yield PageLine(start, position, content, is_code)
    if last:
        yield PageLine(start, position, text[start:position].strip())


def normal_form(line: str) -> str:
    """What is the same of a line wherever it stands; '' for one without a word."""
    words = _LINK.sub(r"\1", _IMAGE.sub(" ", line)) if "](" in line else line
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", words).casefold()))
