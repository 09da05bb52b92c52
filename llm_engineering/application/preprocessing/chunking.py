"""Chunking: cut a cleaned text into slices that fit the embedding model's window, and lose nothing.

A text falls into sections (by headings, or by definitions), and these into pieces that are not worth cutting. The
pieces are put together so that chunks are full and even and respect the sections. Chunks are slices of the text: joined
in order they give it back, to the character.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from llm_engineering.application.preprocessing.atoms import Atom, TokenIndex, TokenStarts, atoms_of
from llm_engineering.application.preprocessing.code_chunking import code_sections
from llm_engineering.application.preprocessing.packing import Packing, lead_start
from llm_engineering.application.preprocessing.sections import Section, markdown_sections, whole
from llm_engineering.domain.chunks import Chunk, chunk_id, embedding_text
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from llm_engineering.domain.features import ChunkSize

# Of the window, at most this share goes to the context (title and headings).
CONTEXT_SHARE = 0.25
# Files of a repository that are written like articles (notebooks arrive as Markdown, a fence a cell), and like letters.
MARKDOWN_FILES = (".md", ".markdown", ".mdx", ".ipynb")
_PROSE_FILES = (".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org", ".tex")


@dataclass(frozen=True)
class _Slice:
    """A chunk in the making; the lead begins at `lead`, which is `start` where there is none."""

    lead: int
    start: int
    end: int
    context: str


def chunk(
    document: CleanedDocument, token_starts: TokenStarts, max_tokens: int, size: ChunkSize | None = None
) -> list[Chunk]:
    """Cut a document so that context, lead and slice together fit. A text without a word gives no chunk.

    Args:
        document: the cleaned document.
        token_starts: the offset of each token's first character, by the embedding model's own tokenizer.
        max_tokens: the model's window, without its special tokens.
        size: how large the category's chunks are; by default as large as the window allows.
    """
    text, size = document.text, size or ChunkSize()
    if not text.strip():
        return []
    window = min(size.max_tokens or max_tokens, max_tokens)
    slices = _slices(document, token_starts, window, size)
    return [
        Chunk(
            id=chunk_id(document.id, position),
            index=position,
            text=text[piece.start : piece.end],
            context=piece.context,
            lead=text[piece.lead : piece.start],
            token_count=tokens,
            document=document,
        )
        for position, (piece, tokens) in enumerate(_fitting(text, slices, token_starts, window))
    ]


def _slices(document: CleanedDocument, token_starts: TokenStarts, window: int, size: ChunkSize) -> Iterator[_Slice]:
    text, index = document.text, TokenIndex(document.text, token_starts)
    sections, is_code, mixing = _sections(document)

    @cache
    def context_of(path: tuple[str, ...]) -> tuple[str, int]:
        context = _context(document.title, path, token_starts, int(window * CONTEXT_SHARE))
        return context, len(token_starts(context))

    atoms: list[Atom] = []
    for position, section in enumerate(sections):
        budget = window - context_of(section.path)[1]
        atoms.extend(atoms_of(text, section, position, is_code, index, budget))
    packing = Packing(window, size.min_tokens, size.overlap_tokens, mixing, lambda path: context_of(path)[1])
    offsets = [index.before(atom.start) for atom in atoms]
    for group in packing.groups(atoms, sections, index):
        lead = lead_start(atoms, group.first, offsets, size.overlap_tokens)
        start, end = atoms[group.first].start, atoms[group.end - 1].end
        yield _Slice(atoms[lead].start, start, end, context_of(group.path)[0])


def _sections(document: CleanedDocument) -> tuple[list[Section], bool, float]:
    """The document's sections, whether it is code, and what it costs to have two sections in a chunk."""
    name = document.title.lower()
    if document.category is DataCategory.POSTS:
        return whole(document.text), False, 0.0
    if document.category is DataCategory.ARTICLES or name.endswith(MARKDOWN_FILES):
        return markdown_sections(document.text), False, 0.7
    if name.endswith(_PROSE_FILES):
        return whole(document.text), False, 0.0
    return code_sections(document.text, document.title), True, 0.45


def _context(title: str, path: tuple[str, ...], token_starts: TokenStarts, max_tokens: int) -> str:
    """Title and headings, each once; the middle ones go, then the end, where they are too long."""
    names = [name for name in dict.fromkeys((title, *path)) if name]
    context = " > ".join(names)
    if len(token_starts(context)) > max_tokens and len(names) > 2:
        context = f"{names[0]} > {names[-1]}"
    starts = token_starts(context)
    return context if len(starts) <= max_tokens else context[: starts[max_tokens]].rstrip(" >")


def _fitting(
    text: str, slices: Iterable[_Slice], token_starts: TokenStarts, window: int
) -> Iterator[tuple[_Slice, int]]:
    """The slices with their exact counts. A lead never reaches beyond the slice before."""
    before = 0
    for piece in slices:
        for fitting, tokens in _fit(text, replace(piece, lead=max(piece.lead, before)), token_starts, window):
            before = fitting.start
            yield fitting, tokens


def _fit(text: str, piece: _Slice, token_starts: TokenStarts, window: int) -> Iterator[tuple[_Slice, int]]:
    """The slice with its exact count: without its lead, and then in halves, where it is too large after all.

    A part of a word can be more tokens than it was in the whole. An extreme case is a word of over 100 characters,
    which WordPiece reads as one unknown token.
    """
    start, end, context = piece.start, piece.end, piece.context
    tokens = len(token_starts(embedding_text(context, text[start:end], text[piece.lead : start])))
    if tokens <= window or (end - start < 2 and piece.lead == start):
        yield piece, tokens
    elif piece.lead < start:
        yield from _fit(text, _Slice(start, start, end, context), token_starts, window)
    else:
        middle = (start + end) // 2
        for half in ((start, middle), (middle, end)):
            yield from _fit(text, _Slice(half[0], *half, context), token_starts, window)
