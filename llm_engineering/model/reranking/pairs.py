"""How the reranker reads a pair. Imports PyTorch: import this module inside functions only.

Read as one text, question and passage disturb each other: an embedding model has never seen a pair, and its outputs
lose what they know. So each is read as the embedding model reads it, with its own first token and positions, and
attention across the two is held back by one number that is trained. It begins nearly closed: the reranker starts with
the knowledge that the embeddings have, and looks across as far as that helps.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# A question is cut here; the passage has the model's whole window for itself.
QUESTION_TOKENS = 64


class PairTransformer(nn.Module):
    """The transformer of a BERT-like embedding model; reads (question, passage) pairs. First module of a CrossEncoder.

    `attention_across` is the head's: it is saved with that.
    """

    def __init__(self, model: Any, tokenizer: Any, max_seq_length: int, attention_across: nn.Parameter) -> None:
        super().__init__()
        self.model, self.tokenizer, self.max_seq_length = model, tokenizer, max_seq_length
        self.attention_across = attention_across

    def preprocess(self, inputs: Sequence[Any], *_: Any, **__: Any) -> dict[str, Any]:
        """Token ids, (pairs, tokens): [CLS] question [SEP] [CLS] passage [SEP]; `token_type_ids` are 1 in passages."""
        tokenizer = self.tokenizer
        questions, passages = (list(texts) for texts in zip(*inputs, strict=True))
        asked = tokenizer(questions, truncation=True, max_length=QUESTION_TOKENS)["input_ids"]
        read = tokenizer(passages, truncation=True, max_length=self.max_seq_length)["input_ids"]
        rows = [torch.tensor([*first, *second]) for first, second in zip(asked, read, strict=True)]
        types = [torch.tensor([0] * len(one) + [1] * len(two)) for one, two in zip(asked, read, strict=True)]
        pad = nn.utils.rnn.pad_sequence
        return {
            "input_ids": pad(rows, batch_first=True, padding_value=tokenizer.pad_token_id),
            "token_type_ids": pad(types, batch_first=True),
            "attention_mask": pad([torch.ones_like(row) for row in rows], batch_first=True),
        }

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add `token_embeddings`, (pairs, tokens, width)."""
        in_passage, present = features["token_type_ids"].bool(), features["attention_mask"].bool()
        outputs = self.model(
            input_ids=features["input_ids"],
            attention_mask=self._mask(in_passage, present),
            token_type_ids=torch.zeros_like(features["token_type_ids"]),
            position_ids=_positions(in_passage),
        )
        return {**features, "token_embeddings": outputs.last_hidden_state}

    def _mask(self, in_passage: Tensor, present: Tensor) -> Tensor:
        """What is added to the attention's logits, (pairs, 1, tokens, tokens)."""
        across = in_passage[:, :, None] != in_passage[:, None, :]
        mask = torch.where(across, self.attention_across, torch.zeros_like(self.attention_across))
        return mask.masked_fill(~present[:, None, :], torch.finfo(mask.dtype).min)[:, None]


def _positions(in_passage: Tensor) -> Tensor:
    """Each text's positions count from 0."""
    places = torch.arange(in_passage.shape[1], device=in_passage.device).expand_as(in_passage)
    question_lengths = in_passage.int().argmax(1, keepdim=True)
    # Padding has the question's type; where it stands does not matter, as long as there is such a position.
    return torch.where(places >= question_lengths, places - question_lengths, places)
