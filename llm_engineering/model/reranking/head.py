"""The head of the reranker. Imports PyTorch: import this module inside functions only.

A classifier on top of an embedding model begins at random, and a few hundred questions of one corpus do not teach it
what relevance is. This head begins with what the model knows already. Each token of the question looks for the token
of the passage that is most like it, in the space in which the model's embeddings are compared (MaxSim, of late
interaction: Khattab and Zaharia, 2020, "ColBERT"), and for the very same token (counted as BM25 counts it: Robertson
and Zaragoza, 2009); both are weighted by how rare the question's token is in the corpus (IDF). How much each signal
counts, and a correction from the question's first token, which begins at 0, are trained with the transformer.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Where BM25 puts the weight of a second occurrence.
_SATURATION = 1.2
# They make a softmax over a few passages neither flat nor certain; their ratio was tried on real questions.
_MAX_SIM_SCALE = 12.0
_EXACT_SCALE = 4.8
# Added to the attention's logits across the two texts (`pairs.py`): a weight of e^-6 beside one inside a text.
_NEARLY_CLOSED = -6.0


class InteractionHead(nn.Module):
    """Scores a pair by its tokens' outputs. In: `token_embeddings` of (pairs, tokens, width), and the tokenizer's."""

    def __init__(self, width: int, vocabulary: int, special_ids: Sequence[int]) -> None:
        super().__init__()
        self.idf: Tensor
        self.register_buffer("idf", torch.ones(vocabulary))
        self.special_ids: Tensor
        self.register_buffer("special_ids", torch.tensor(special_ids))
        self.max_sim_scale = nn.Parameter(torch.tensor(_MAX_SIM_SCALE))
        self.exact_scale = nn.Parameter(torch.tensor(_EXACT_SCALE))
        self.attention_across = nn.Parameter(torch.tensor(_NEARLY_CLOSED))
        self.correction = nn.Linear(width, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def learn_rarity(self, passages_with: Mapping[int, int], passages: int) -> None:
        """Set IDF, BM25's: of how many passages of the corpus each token is in, by its id."""
        for token in range(len(self.idf)):
            found = passages_with.get(token, 0)
            self.idf[token] = math.log(1 + (passages - found + 0.5) / (found + 0.5))

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add `scores`, (pairs, 1)."""
        ids, outputs = features["input_ids"], features["token_embeddings"]
        words = features["attention_mask"].bool() & ~torch.isin(ids, self.special_ids)
        in_passage = features["token_type_ids"].bool()
        question, passage = words & ~in_passage, (words & in_passage)[:, None]
        weights = self.idf[ids] * question
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        unit = nn.functional.normalize(outputs, dim=-1)
        alike = (unit @ unit.transpose(1, 2)).masked_fill(~passage, -1.0).amax(-1)
        times = ((ids[:, :, None] == ids[:, None, :]) & passage).sum(-1)
        exact = times * (1 + _SATURATION) / (times + _SATURATION)
        scores = self.max_sim_scale * (weights * alike).sum(1) + self.exact_scale * (weights * exact).sum(1)
        return {**features, "scores": scores[:, None] + self.correction(outputs[:, 0])}


def scores_of(model: Any, pairs: Sequence[tuple[str, str]]) -> Tensor:
    """The scores of (question, passage) pairs, (pairs,), on the model's device, with gradients where they are on."""
    from sentence_transformers.util import batch_to_device

    features = batch_to_device(model.preprocess(list(pairs)), model.device)
    scores: Tensor = model(features)["scores"]
    return scores[:, 0]
