"""The plain cut that ours is compared with: strip everything, then windows of 1,500 characters.

Used by the evaluation and the benchmarks only. The embedding model reads of a window what fits into its own; what is
longer is lost to it, as it is wherever texts are cut by characters.
"""

import re
from collections.abc import Callable

from llm_engineering.domain.chunks import Chunk, chunk_id
from llm_engineering.domain.documents import CleanedDocument, RawDocument

WINDOW_CUT = "window-1500"
WINDOW_CHARACTERS = 1_500

_STRIPPED = re.compile(r"[^\w\s.,!?]")


def strip_everything(text: str) -> str:
    """The text without any sign but full stops, commas, exclamation and question marks, and on one line."""
    return " ".join(_STRIPPED.sub(" ", text).split())


def window_document(raw: RawDocument) -> CleanedDocument:
    """The document with its title, subtitle and text stripped, in one line."""
    return CleanedDocument(
        id=raw.id,
        category=raw.category,
        platform=raw.platform,
        link=raw.link,
        author_id=raw.author_id,
        author_full_name=raw.author_full_name,
        title=raw.title,
        text=strip_everything(" ".join(part for part in (raw.title, raw.subtitle, raw.content) if part)),
        language=raw.language,
        published_at=raw.published_at,
    )


def window_chunks(document: CleanedDocument, count_tokens: Callable[[str], int]) -> list[Chunk]:
    """Windows of the text, side by side and without overlap."""
    text = document.text
    windows = [text[i : i + WINDOW_CHARACTERS] for i in range(0, len(text), WINDOW_CHARACTERS)]
    return [
        Chunk(
            id=chunk_id(document.id, index),
            index=index,
            text=window,
            context="",
            token_count=count_tokens(window.strip()),
            document=document,
        )
        for index, window in enumerate(windows)
    ]
