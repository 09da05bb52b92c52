"""The real embedding model."""

import math
from pathlib import Path

import pytest

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.errors import DependencyUnavailableError, IntegrityError
from llm_engineering.infrastructure.local.weights import check_sha256, packaged_embedder_path
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from tests.fakes import article
from tests.integration.conftest import MODEL_ID

DOCS = Path(__file__).resolve().parents[2] / "docs"


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_texts_on_one_subject_are_nearer_than_texts_on_two(embedder: SentenceTransformerEmbedder) -> None:
    cat, kitten, tax = embedder.embed(["A cat sleeps.", "The kitten is asleep.", "Income tax is due in May."])
    assert len(cat) == embedder.dimension == 384
    assert math.isclose(cosine(cat, cat), 1, abs_tol=1e-5)
    assert cosine(cat, kitten) > cosine(cat, tax) + 0.3


def test_a_text_has_the_same_vector_alone_and_in_a_batch_of_other_lengths(
    embedder: SentenceTransformerEmbedder,
) -> None:
    [alone] = embedder.embed(["A cat sleeps."])
    batched = embedder.embed(["word " * 200, "A cat sleeps.", "x"])[1]
    assert cosine(alone, batched) > 1 - 1e-5


def test_styled_letters_are_lost_on_the_model_and_cleaning_brings_them_back(
    embedder: SentenceTransformerEmbedder,
) -> None:
    plain, styled = "Retrieval augmented generation", "𝗥𝗲𝘁𝗿𝗶𝗲𝘃𝗮𝗹 𝗮𝘂𝗴𝗺𝗲𝗻𝘁𝗲𝗱 𝗴𝗲𝗻𝗲𝗿𝗮𝘁𝗶𝗼𝗻"
    expected, lost, saved = embedder.embed([plain, styled, clean(article(styled)).text])
    assert cosine(expected, lost) < 0.5
    assert cosine(expected, saved) > 1 - 1e-5


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_every_chunk_of_a_real_page_fits_the_window_and_nothing_is_lost(
    embedder: SentenceTransformerEmbedder, page: Path
) -> None:
    document = clean(article(page.read_text(encoding="utf-8"), title=page.stem))
    chunks = chunk(document, embedder.token_starts, embedder.max_tokens)
    tokenizer = embedder._model.tokenizer
    lengths = [len(tokenizer(piece.embedding_text)["input_ids"]) for piece in chunks]
    assert max(lengths) <= 256
    assert [piece.token_count + 2 for piece in chunks] == lengths
    assert "".join(piece.text for piece in chunks) == document.text


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    forged = tmp_path / "model.safetensors"
    forged.write_bytes(b"other weights")
    with pytest.raises(IntegrityError, match=r"has SHA-256 .*expected 0000"):
        check_sha256(forged, "0" * 64)
    with pytest.raises(IntegrityError, match="is missing"):
        check_sha256(tmp_path / "none", "0" * 64)


def test_only_the_packaged_model_is_found_in_a_package() -> None:
    assert packaged_embedder_path(MODEL_ID) is not None
    assert packaged_embedder_path("intfloat/e5-small") is None


def test_a_model_that_cannot_be_loaded_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    embedder = SentenceTransformerEmbedder(str(tmp_path / "no-model"), "cpu", lambda _: None)
    with pytest.raises(DependencyUnavailableError, match="TEXT_EMBEDDING_MODEL_ID"):
        embedder.embed(["x"])
