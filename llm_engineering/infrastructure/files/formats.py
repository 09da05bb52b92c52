"""What is read of a single file, by its suffix: the table of formats, and the readers that need little more."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.docx import docx_file
from llm_engineering.infrastructure.files.html import MAX_HTML_BYTES, html_file
from llm_engineering.infrastructure.files.markdown_notes import DATA_IMAGE, markdown_note
from llm_engineering.infrastructure.files.pdf import pdf_file
from llm_engineering.infrastructure.files.texts import BROKEN, decode
from llm_engineering.infrastructure.files.tree import FileLimits, SkippedError


@dataclass(frozen=True)
class Format:
    """How a kind of file is read. `read` makes a document of the path and the bytes, or raises CrawlError."""

    read: Callable[[str, bytes], SourceFile]
    is_text: bool = False
    max_bytes: int | None = None

    def limit(self, limits: FileLimits) -> int:
        """The most bytes that such a file may have."""
        most = limits.max_file_bytes if self.is_text else limits.max_large_bytes
        return min(most, self.max_bytes or most)


def plain_file(path: str, content: bytes) -> SourceFile:
    """A text as it is.

    Raises:
        SkippedError: it is binary.
    """
    return SourceFile(path=path, text=_text(content))


def markdown_file(path: str, content: bytes) -> SourceFile:
    """A Markdown file, with or without front matter.

    Raises:
        SkippedError: it is binary, or a draft.
    """
    return markdown_note(path, _text(content))


def notebook_file(path: str, content: bytes) -> SourceFile:
    """A Jupyter notebook.

    Raises:
        CrawlError: it is none.
    """
    return SourceFile(path=path, text=notebook_text(content))


def notebook_text(content: bytes) -> str:
    """A Jupyter notebook (formats 1 to 4) as Markdown: text as it is, code in fences, no outputs.

    Raises:
        CrawlError: it is no notebook.
    """
    try:
        cells, language = _cells(_text(content))
        parts = [_cell(cell, language) for cell in cells]
    except BROKEN as error:
        raise CrawlError("no notebook that can be read") from error
    return "\n\n".join(part for part in parts if part)


FORMATS = {
    **dict.fromkeys((".md", ".markdown", ".mdx"), Format(markdown_file, is_text=True)),
    **dict.fromkeys((".txt", ".text", ".rst"), Format(plain_file, is_text=True)),
    **dict.fromkeys((".html", ".htm"), Format(html_file, max_bytes=MAX_HTML_BYTES)),
    ".ipynb": Format(notebook_file),
    ".pdf": Format(pdf_file),
    ".docx": Format(docx_file),
}


def format_of(name: str) -> Format:
    """How the file with this name is read.

    Raises:
        SkippedError: its type is none that is read.
    """
    dot, suffix = name.rpartition("/")[2].rpartition(".")[1:]
    suffix = f".{suffix.lower()}"
    if dot and suffix in FORMATS:
        return FORMATS[suffix]
    if suffix == ".zip":
        raise SkippedError("type not read: .zip (a ZIP has to be named as a link of its own)")
    kind = (
        suffix if dot and re.fullmatch(r"\.[a-z0-9_+-]{1,12}", suffix) else "without a suffix" if not dot else "other"
    )
    raise SkippedError(f"type not read: {kind}")


def _text(content: bytes) -> str:
    text = decode(content)
    if text is None:
        raise SkippedError("binary")
    return text


def _cells(text: str) -> tuple[list[Any], str]:
    """The notebook's cells as format 4 has them, and the language of its code."""
    from nbformat import ValidationError, convert, reader

    try:
        notebook: Any = convert(reader.reads(text), 4)  # type: ignore[no-untyped-call]
    except ValidationError as error:
        raise ValueError("no notebook") from error
    metadata = notebook.get("metadata", {})
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
    known = isinstance(language, str) and re.fullmatch(r"[\w+#.-]{1,30}", language)
    return list(notebook["cells"]), language if known else "python"


def _cell(cell: Any, language: str) -> str:
    source = cell["source"]
    source = source if isinstance(source, str) else "".join(source)
    if cell["cell_type"] != "code":
        return DATA_IMAGE.sub("", source).strip()
    longest = max(map(len, re.findall(r"`{3,}", source)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{source.rstrip()}\n{fence}" if source.strip() else ""
