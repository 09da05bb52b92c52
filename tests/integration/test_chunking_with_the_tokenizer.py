"""Chunking with the embedding model's own tokenizer, on real files and on texts that tokenizers dislike."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from tests.fakes import article

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "llm_engineering" / "domain").glob("*.py")), ROOT / "pyproject.toml", ROOT / "README.md"]
_PIECES = st.sampled_from(
    [
        "# Head\n\n",
        "word ",
        "A sentence. ",
        "\n\n",
        "x" * 130,
        "漢字",
        "C++/C# ",
        "naïve ",
        "🙂",
        "\t",
        "- item\n",
        "...",
    ]
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_a_repository_is_cut_whole_and_every_chunk_fits(
    embedder: SentenceTransformerEmbedder, path: Path
) -> None:
    raw = article(path.read_text(encoding="utf-8"), title=f"repo/{path.name}")
    document = clean(raw.model_copy(update={"category": DataCategory.REPOSITORIES}))
    chunks = chunk(document, embedder.token_starts, embedder.max_tokens, ChunkSizes().repositories)
    assert "".join(piece.text for piece in chunks) == document.text
    counts = [len(embedder.token_starts(piece.embedding_text)) for piece in chunks]
    assert counts == [piece.token_count for piece in chunks]
    assert max(counts) <= embedder.max_tokens


@settings(max_examples=40, deadline=None)
@given(text=st.lists(_PIECES, max_size=300).map("".join))
def test_chunks_with_leads_fit_a_small_window(embedder: SentenceTransformerEmbedder, text: str) -> None:
    document = clean(article(text, title="A title of some words"))
    size = ChunkSize(max_tokens=32, min_tokens=8, overlap_tokens=12)
    chunks = chunk(document, embedder.token_starts, embedder.max_tokens, size)
    assert "".join(piece.text for piece in chunks) == document.text
    assert all(len(embedder.token_starts(piece.embedding_text)) <= 32 for piece in chunks)
    for before, after in pairwise(chunks):
        assert before.text.endswith(after.lead)
