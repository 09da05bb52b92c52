"""The cross-encoder behind the Reranker port, with a tiny model of random weights."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.local.weights import packaged_embedder_path
from llm_engineering.infrastructure.models.reranking import CrossEncoderReranker
from tests.integration.conftest import MODEL_ID

QUESTION = "Why does bread rise?"
PASSAGES = ["Yeast eats sugar and makes gas.", "Tax is due in May.", "The dough " * 60, "x"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reranker")
    save_random(folder / "current", labels=1)
    return folder


def save_random(folder: Path, labels: int) -> None:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(str(packaged_embedder_path(MODEL_ID)))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=512,
        id2label={number: str(number) for number in range(labels)},
        # Wide enough that a passage's score depends on its words.
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def logit(folder: Path, question: str, passage: str) -> float:
    """The score by transformers alone, of one pair without padding."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    with torch.inference_mode():
        return float(model(**tokenizer(question, passage, truncation=True, return_tensors="pt")).logits[0, 0])


def test_scores_are_the_models_own_in_the_order_of_the_passages(trained: Path) -> None:
    reranker = CrossEncoderReranker.trained(trained, "cpu")
    expected = [logit(trained / "current", QUESTION, passage) for passage in PASSAGES]
    assert len({round(score, 3) for score in expected}) == len(PASSAGES)
    assert reranker.score(QUESTION, PASSAGES) == pytest.approx(expected, abs=1e-4)
    assert reranker.model_id == "trained"


def test_a_passage_scores_the_same_alone_and_among_others(trained: Path) -> None:
    reranker = CrossEncoderReranker.trained(trained, "cpu")
    together = reranker.score(QUESTION, PASSAGES * 5)
    assert together[0] == pytest.approx(reranker.score(QUESTION, PASSAGES[:1])[0], abs=1e-4)
    assert together == pytest.approx(together[:4] * 5, abs=1e-4)


def test_no_passages_have_no_scores_and_need_no_model(tmp_path: Path) -> None:
    assert CrossEncoderReranker.trained(tmp_path, "cpu").score(QUESTION, []) == []


def test_a_reranker_that_was_never_trained_says_how_to_train_it(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker.trained(tmp_path, "cpu")
    with pytest.raises(DependencyUnavailableError, match=r"no reranker has been trained: .*--run-train-reranker"):
        reranker.score(QUESTION, ["x"])


def test_a_reranker_that_cannot_be_loaded_is_not_tried_at_every_question(tmp_path: Path) -> None:
    tried: list[Path] = []

    def fails(folder: Path, device: str) -> Any:
        tried.append(folder)
        raise OSError("no network")

    (tmp_path / "current").mkdir()
    reranker = CrossEncoderReranker.trained(tmp_path, "cpu", fails)
    for _ in range(3):
        with pytest.raises(DependencyUnavailableError, match="cannot be loaded"):
            reranker.score(QUESTION, ["x"])
    assert len(tried) == 1


def test_a_damaged_reranker_says_how_to_train_another(tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()
    with pytest.raises(DependencyUnavailableError, match=r"cannot be loaded .*--run-train-reranker"):
        CrossEncoderReranker.trained(tmp_path, "cpu").score(QUESTION, ["x"])


def test_a_model_that_the_hub_does_not_give_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    reranker = CrossEncoderReranker.from_hub("someone/reranker", "cpu", "hf_secret")
    with pytest.raises(
        DependencyUnavailableError, match=r"someone/reranker .*RERANKING_CROSS_ENCODER_MODEL_ID"
    ) as error:
        reranker.load()
    assert "hf_secret" not in str(error.value)


def test_without_a_network_a_model_that_is_not_here_is_asked_for_once_and_not_file_by_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def fails(model_id: str, **_: object) -> str:
        asked.append(model_id)
        raise httpx.ConnectTimeout("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fails)
    reranker = CrossEncoderReranker.from_hub("someone/reranker", "cpu", None)
    with pytest.raises(DependencyUnavailableError, match=r"ConnectionError\. Check RERANKING_CROSS_ENCODER_MODEL_ID"):
        reranker.score(QUESTION, ["x"])
    assert asked == ["someone/reranker"]


def test_a_model_of_the_hub_is_loaded_from_its_snapshot(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda model_id, **_: str(trained / "current"))
    reranker = CrossEncoderReranker.from_hub("someone/reranker", "cpu", None)
    expected = [logit(trained / "current", QUESTION, passage) for passage in PASSAGES]
    assert reranker.score(QUESTION, PASSAGES) == pytest.approx(expected, abs=1e-4)


def test_a_classifier_with_several_labels_is_no_reranker(tmp_path: Path) -> None:
    save_random(tmp_path / "classifier", labels=3)
    reranker = CrossEncoderReranker.from_hub(str(tmp_path / "classifier"), "cpu", None)
    with pytest.raises(DependencyUnavailableError, match="gives 3 scores a passage"):
        reranker.score(QUESTION, ["x"])
