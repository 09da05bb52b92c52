"""The real embedding model."""

import hashlib
import json
import math
from pathlib import Path

import pytest

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.errors import DependencyUnavailableError, IntegrityError
from llm_engineering.infrastructure.local.weights import check_sha256, packaged_embedder_path
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from llm_engineering.infrastructure.models.model_folder import weights_hash
from llm_engineering.infrastructure.models.prefixes import Prefixes, prefixes_of
from tests.fakes import article
from tests.integration.conftest import MODEL_ID

DOCS = Path(__file__).resolve().parents[2] / "docs"


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_texts_on_one_subject_are_nearer_than_texts_on_two(embedder: SentenceTransformerEmbedder) -> None:
    cat, kitten, tax = embedder.embed_passages(["A cat sleeps.", "The kitten is asleep.", "Income tax is due in May."])
    assert len(cat) == embedder.dimension == 384
    assert math.isclose(cosine(cat, cat), 1, abs_tol=1e-5)
    assert cosine(cat, kitten) > cosine(cat, tax) + 0.3


def test_a_text_has_the_same_vector_alone_and_in_a_batch_of_other_lengths(
    embedder: SentenceTransformerEmbedder,
) -> None:
    [alone] = embedder.embed_passages(["A cat sleeps."])
    batched = embedder.embed_passages(["word " * 200, "A cat sleeps.", "x"])[1]
    assert cosine(alone, batched) > 1 - 1e-5


def test_styled_letters_are_lost_on_the_model_and_cleaning_brings_them_back(
    embedder: SentenceTransformerEmbedder,
) -> None:
    plain, styled = "Retrieval augmented generation", "𝗥𝗲𝘁𝗿𝗶𝗲𝘃𝗮𝗹 𝗮𝘂𝗴𝗺𝗲𝗻𝘁𝗲𝗱 𝗴𝗲𝗻𝗲𝗿𝗮𝘁𝗶𝗼𝗻"
    expected, lost, saved = embedder.embed_passages([plain, styled, clean(article(styled)).text])
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
        embedder.embed_passages(["x"])


def packaged_folder() -> Path:
    folder = packaged_embedder_path(MODEL_ID)
    assert folder is not None
    return folder


def linked_copy(folder: Path, prompts: dict[str, str]) -> Path:
    """The packaged model in another folder, with prompts in its configuration."""
    folder.mkdir(parents=True)
    for file in packaged_folder().iterdir():
        if file.name != "config_sentence_transformers.json":
            (folder / file.name).symlink_to(file)
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("model_id", "query", "passage"),
    [
        ("intfloat/e5-small-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        (
            "intfloat/multilingual-e5-large-instruct",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
            "",
        ),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-m3", "", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("/models/E5-base", "query: ", "passage: "),
        (MODEL_ID, "", ""),
    ],
)
def test_each_family_of_models_reads_its_own_prefixes(tmp_path: Path, model_id: str, query: str, passage: str) -> None:
    assert prefixes_of(model_id, tmp_path) == Prefixes(query, passage)


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ({"query": "Q: ", "document": "D: "}, Prefixes("Q: ", "D: ")),
        ({"query": "Q: ", "passage": "P: "}, Prefixes("Q: ", "P: ")),
        ({"query": "Q: "}, Prefixes("Q: ", "")),
        ({"query": "", "document": ""}, Prefixes("query: ", "passage: ")),
        ({"classification": "C: "}, Prefixes("query: ", "passage: ")),
    ],
)
def test_a_models_own_prompts_win_over_its_familys(tmp_path: Path, prompts: dict[str, str], expected: Prefixes) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}), encoding="utf-8")
    assert prefixes_of("intfloat/e5-small", tmp_path) == expected


def test_a_broken_configuration_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DependencyUnavailableError, match="config_sentence_transformers"):
        prefixes_of("intfloat/e5-small", tmp_path)


def test_queries_and_passages_are_embedded_behind_their_prefixes_which_count_towards_the_window(
    embedder: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    folder = linked_copy(tmp_path / "model", {"query": "query: ", "passage": "passage: "})
    prefixed = SentenceTransformerEmbedder(str(folder), "cpu", lambda _: None)
    text = "Cats sleep for most of the day."
    [query], [passage] = prefixed.embed_queries([text]), prefixed.embed_passages([text])
    expected_query, expected_passage = embedder.embed_passages([f"query: {text}", f"passage: {text}"])
    assert cosine(query, expected_query) > 1 - 1e-5
    assert cosine(passage, expected_passage) > 1 - 1e-5
    assert cosine(query, passage) < 1 - 1e-3
    # 256 word pieces, less [CLS], [SEP], "passage" and ":".
    assert (embedder.max_tokens, prefixed.max_tokens) == (254, 252)


def test_the_revision_of_packaged_weights_is_their_hash_and_needs_no_model(tmp_path: Path) -> None:
    unloaded = SentenceTransformerEmbedder(MODEL_ID, "cpu", packaged_embedder_path)
    published = hashlib.sha256((packaged_folder() / "model.safetensors").read_bytes()).hexdigest()
    assert unloaded.revision == published == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert unloaded.precision == "float32"
    assert unloaded._loaded is None


def test_the_revision_of_a_local_folder_changes_with_its_weights(tmp_path: Path) -> None:
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"one")
    assert weights_hash(tmp_path) == hashlib.sha256(b"one").hexdigest()
    (tmp_path / "2_Dense" / "model.safetensors").write_bytes(b"two")
    both = weights_hash(tmp_path)
    (tmp_path / "2_Dense" / "model.safetensors").write_bytes(b"three")
    assert len({both, weights_hash(tmp_path), hashlib.sha256(b"one").hexdigest()}) == 3
    with pytest.raises(DependencyUnavailableError, match="no weights"):
        weights_hash(tmp_path / "none")


def test_the_revision_of_a_model_of_the_hub_is_its_weights_hash_and_no_commit(
    embedder: SentenceTransformerEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "models--someone--tiny"
    linked_copy(cache / "snapshots" / commit, {})
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit, encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = SentenceTransformerEmbedder("someone/tiny", "cpu", lambda _: None)
    assert model.revision == embedder.revision  # the same weights
    assert model.folder.path == cache / "snapshots" / commit
    missing = SentenceTransformerEmbedder("someone/else", "cpu", lambda _: None)
    with pytest.raises(DependencyUnavailableError, match=r"someone/else .*TEXT_EMBEDDING_MODEL_ID"):
        missing.load()
