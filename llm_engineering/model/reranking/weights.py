"""The reranker as files: made from an embedding model, saved, loaded."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from llm_engineering.model.reranking.head import InteractionHead
    from llm_engineering.model.reranking.pairs import PairTransformer

CURRENT, PREVIOUS, CANDIDATE, CARD = "current", "previous", "candidate", "card.json"
_TRANSFORMER, _HEAD = "transformer", "head"
_BLOCK = 1024 * 1024


def new_reranker(base: Path, max_length: int, device: str, passages: Iterable[str]) -> "CrossEncoder":
    """A reranker that has the embedding model's transformer, and knows how rare each token is in the passages.

    Raises:
        OSError: `base` is no folder of a transformer.
    """
    from llm_engineering.model.reranking.head import InteractionHead
    from llm_engineering.model.reranking.pairs import PairTransformer

    transformer = PairTransformer(
        str(base),
        transformer_task="feature-extraction",
        processor_kwargs={"model_max_length": max_length},
        config_kwargs={"num_labels": 1},
    )
    tokenizer: Any = transformer.tokenizer
    head = InteractionHead(transformer.get_embedding_dimension(), len(tokenizer), sorted(tokenizer.all_special_ids))
    count, passages_with = 0, Counter[int]()
    for passage in passages:
        count += 1
        passages_with.update(set(tokenizer(passage, truncation=True, max_length=512)["input_ids"]))
    head.learn_rarity(passages_with, count)
    return _joined(transformer, head, device)


def save_reranker(model: "CrossEncoder", folder: Path) -> None:
    """Write the model into the folder, which is made."""
    modules: list[Any] = list(model)
    for module, name in zip(modules, (_TRANSFORMER, _HEAD), strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        module.save(str(folder / name))


def load_reranker(folder: Path, device: str) -> "CrossEncoder":
    """The model in the folder.

    Raises:
        OSError: files are missing or damaged.
    """
    from llm_engineering.model.reranking.head import InteractionHead
    from llm_engineering.model.reranking.pairs import PairTransformer

    transformer = PairTransformer.load(str(folder / _TRANSFORMER), local_files_only=True)
    return _joined(transformer, InteractionHead.read(str(folder / _HEAD)), device)


def _joined(transformer: "PairTransformer", head: "InteractionHead", device: str) -> "CrossEncoder":
    from sentence_transformers import CrossEncoder

    transformer.attention_across = head.attention_across  # saved with the head
    model: CrossEncoder = CrossEncoder(modules=[transformer, head], device=device)
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
