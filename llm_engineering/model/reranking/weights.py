"""The reranker as files: made from an embedding model, saved, loaded."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from llm_engineering.model.reranking.head import InteractionHead

CURRENT, PREVIOUS, CANDIDATE, CARD = "current", "previous", "candidate", "card.json"
_TRANSFORMER, _HEAD = "transformer", "head.safetensors"
_BLOCK = 1024 * 1024


def new_reranker(base: Path, max_length: int, device: str, passages: Iterable[str]) -> "CrossEncoder":
    """A reranker that has the embedding model's transformer, and knows how rare each token is in the passages.

    Raises:
        OSError: `base` is no folder of a transformer.
    """
    from transformers import AutoModel, AutoTokenizer

    from llm_engineering.model.reranking.head import InteractionHead

    transformer: Any = AutoModel.from_pretrained(str(base), local_files_only=True)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(base), local_files_only=True)
    tokenizer.model_max_length = max_length  # saved with it
    head = InteractionHead(transformer.config.hidden_size, len(tokenizer), sorted(tokenizer.all_special_ids))
    count, passages_with = 0, Counter[int]()
    for passage in passages:
        count += 1
        passages_with.update(set(tokenizer(passage, truncation=False, verbose=False)["input_ids"]))
    head.learn_rarity(passages_with, count)
    return _joined(transformer, tokenizer, head, device)


def save_reranker(model: "CrossEncoder", folder: Path) -> None:
    """Write the model into the folder, which is made."""
    from safetensors.torch import save_file

    modules: list[Any] = list(model)
    pairs, head = modules
    pairs.model.save_pretrained(str(folder / _TRANSFORMER))
    pairs.tokenizer.save_pretrained(str(folder / _TRANSFORMER))
    save_file(head.state_dict(), folder / _HEAD)


def load_reranker(folder: Path, device: str) -> "CrossEncoder":
    """The model in the folder.

    Raises:
        OSError: files are missing.
    """
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    from llm_engineering.model.reranking.head import InteractionHead

    transformer: Any = AutoModel.from_pretrained(str(folder / _TRANSFORMER), local_files_only=True)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder / _TRANSFORMER), local_files_only=True)
    state = load_file(folder / _HEAD)
    head = InteractionHead(transformer.config.hidden_size, len(state["idf"]), state["special_ids"].tolist())
    head.load_state_dict(state)
    return _joined(transformer, tokenizer, head, device)


def _joined(transformer: Any, tokenizer: Any, head: "InteractionHead", device: str) -> "CrossEncoder":
    from sentence_transformers import CrossEncoder

    from llm_engineering.model.reranking.pairs import PairTransformer

    pairs = PairTransformer(transformer, tokenizer, int(tokenizer.model_max_length), head.attention_across)
    model: CrossEncoder = CrossEncoder(modules=[pairs, head], device=device)
    return model


def sha256_of(base: Path) -> str:
    """Of the base model's weights; '' where they are in no single safetensors file."""
    path = base / "model.safetensors"
    if not path.is_file():
        return ""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
