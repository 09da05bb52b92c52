"""The paragraphs of a text: where they stand, under which headings, and which of them are prose."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from llm_engineering.application.markdown import lines_of
from llm_engineering.application.preprocessing.atoms import SENTENCE_END
from llm_engineering.application.preprocessing.chunking import MARKDOWN_FILES
from llm_engineering.application.preprocessing.sections import Section, markdown_sections, whole
from llm_engineering.domain.documents import CleanedDocument, DataCategory

_ITEM = re.compile(r"\s*(?:[-*+•→]|\\-|\d+\\?[.)])\s+\S")
_NO_PROSE = re.compile(r"\s*(?:[|>#!]|<\w|\[\^|\* \*|\*\*\*|---|___)|\t| {4}")
_TARGET = re.compile(r"\]\([^)\s]*\)|https?://\S+")
# A block with a smaller share of letters and blanks is a table, a formula, code without a fence, or a list of links.
_FEWEST_LETTERS = 0.75

# A line that begins a block of its own in Markdown: of a list, a quotation, a heading, a table, or code.
_BLOCK = re.compile(r"\s*(?:$|[-*+•>|#]\s|\\?-\s|\d+\\?[.)]\s|```|~~~|(?:[*_-]\s*){3,}$)")
_WORD_CUT_BY_A_HYPHEN = re.compile(r"[^\W\d_]-$")


class Kind(Enum):
    """What a block is good for."""

    PROSE = auto()
    LIST = auto()
    OTHER = auto()


@dataclass(frozen=True)
class Block:
    """A slice of a text between blank lines, and the headings above it."""

    start: int
    end: int
    kind: Kind
    path: tuple[str, ...]

    @property
    def size(self) -> int:
        """In characters."""
        return self.end - self.start


def blocks_of(document: CleanedDocument) -> Iterator[Block]:
    """The blocks of a document's text in order, without headings; of a file of code, none."""
    for section in _sections(document):
        yield from _blocks(document.text, section)


def sentence_breaks(text: str) -> list[tuple[int, int]]:
    """Where a sentence or a paragraph ends, and where the next one begins."""
    ends = ((match.start() + len(match.group().rstrip()), match.end()) for match in SENTENCE_END.finditer(text))
    return sorted({*ends, *((match.start(), match.end()) for match in re.finditer(r"\n\s*\n", text))})


def unwrapped(text: str) -> str:
    """Markdown without the line ends that only break its paragraphs into lines (CommonMark 0.31, section 6.8).

    A word that was broken after its hyphen is put together: "fine-" and "tuning" on the next line are "fine-tuning".
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if not lines or not lines[-1] or _BLOCK.match(line):
            lines.append(line.rstrip())
        else:
            blank = "" if _WORD_CUT_BY_A_HYPHEN.search(lines[-1]) else " "
            lines[-1] = f"{lines[-1]}{blank}{line.strip()}"
    return "\n".join(lines)


def _sections(document: CleanedDocument) -> list[Section]:
    if document.category is DataCategory.POSTS:
        return whole(document.text)
    is_prose = document.category is DataCategory.ARTICLES or document.title.lower().endswith(MARKDOWN_FILES)
    return markdown_sections(document.text) if is_prose else []


def _blocks(text: str, section: Section) -> Iterator[Block]:
    start, position, is_open, was_code = 0, section.body, False, False
    for line, is_code in lines_of(text[section.body : section.end]):
        if is_open and (not line.strip() or is_code != was_code):
            yield _block(text, start, position, was_code, section)
            is_open = False
        if not is_open and line.strip():
            start, is_open = position, True
        was_code = is_code
        position += len(line)
    if is_open:
        yield _block(text, start, section.end, was_code, section)


def _block(text: str, start: int, end: int, is_code: bool, section: Section) -> Block:
    content = text[start:end].rstrip()
    return Block(start, start + len(content), Kind.OTHER if is_code else _kind(content), section.path)


def _kind(content: str) -> Kind:
    words = _TARGET.sub("", content)
    letters = sum(character.isalpha() or character.isspace() for character in words)
    if _NO_PROSE.match(content) or letters < _FEWEST_LETTERS * len(words):
        return Kind.OTHER
    return Kind.LIST if _ITEM.match(content) else Kind.PROSE
