"""What a repository's file says as text, or why it is none that its author wrote."""

import re

from llm_engineering.infrastructure.files.formats import notebook_text
from llm_engineering.infrastructure.files.texts import decode, printable

DOCUMENT_SUFFIXES = (".md", ".markdown", ".mdx", ".rst", ".adoc", ".asciidoc", ".org", ".tex", ".txt", ".ipynb")
NOTEBOOK_SUFFIX = ".ipynb"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_HEAD_CHARACTERS, _HEAD_LINES = 4000, 30
_LONGEST_LINE, _LONGEST_MEAN_LINE, _SHORTEST_MINIFIED = 5000, 500, 2000
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|;|%|<!--|\"\"\"|'''|@?rem\b)", re.IGNORECASE)
_DOCUMENT_COMMENT = re.compile(r"\s*(?:<!--|\.\. |\[//\]:)")
_GENERATED = re.compile(
    r"@generated\b|\bdo not (?:edit|modify)\b|\b(?:auto-?|automatically |machine-?)generated\b", re.IGNORECASE
)


def text_of(path: str, content: bytes) -> tuple[str, str]:
    """The reason to leave the file out, or '', and its text, every character as it was written.

    Raises:
        CrawlError: the file has a notebook's name but not its form.
    """
    if content.startswith(_LFS_POINTER):
        return "stored in LFS", ""
    text = decode(content)
    if text is None:
        return "binary", ""
    text = printable(notebook_text(content) if path.lower().endswith(NOTEBOOK_SUFFIX) and text.strip() else text)
    if not text.strip():
        return "empty", ""
    return ("generated", "") if _is_generated(path, text) else ("", text)


def _is_generated(path: str, text: str) -> bool:
    """Whether a comment in the head says so, or the lines are too long for a person to have written them."""
    is_document = path.lower().endswith(DOCUMENT_SUFFIXES)
    comment = _DOCUMENT_COMMENT if is_document else _COMMENT
    head = text[:_HEAD_CHARACTERS].splitlines()[:_HEAD_LINES]
    if any(_GENERATED.search(line) for line in head if comment.match(line)):
        return True
    if is_document or len(text) < _SHORTEST_MINIFIED:
        return False
    lines = text.splitlines()
    return len(text) / len(lines) > _LONGEST_MEAN_LINE or max(map(len, lines)) > _LONGEST_LINE
