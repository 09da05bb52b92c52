"""Fine-tuning: each question's right passage against its hard negatives, by a softmax over the group.

A compact loop: the trainer of sentence-transformers needs packages that only the extra `training` brings.
"""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.batching import batched
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.reranking import Epoch
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.model.reranking.corpus import hash_of
from llm_engineering.model.reranking.mining import Group

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
# Gives the MRR on the development questions.
Measure = Callable[["CrossEncoder"], float]
_MAX_GRADIENT = 1.0


class Trainer:
    """One training, which a killed run's successor takes up after the last whole epoch."""

    def __init__(
        self, model: "CrossEncoder", groups: Sequence[Group], config: RerankerConfig, folder: Path, progress: Progress
    ) -> None:
        import torch

        self._model, self._groups, self._config, self._progress = model, groups, config, progress
        self._path = folder / CHECKPOINT
        self._key = _key(groups, config)
        self._steps = -(-len(groups) // config.batch_size)
        _freeze(model, config.frozen_share)
        self._optimizer = torch.optim.AdamW(_parameters(model, config), weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self._epochs: list[Epoch] = []
        self._best: dict[str, torch.Tensor] = {}

    def train(self, measure: Measure) -> tuple[list[Epoch], int]:
        """Train, leave the model as it was after the best epoch by `measure`, and say which one that is.

        Epoch 0 is the model untrained; it stays where training does not help. Of equal epochs the last one is kept.
        """
        if not self._take_up():
            self._finish(Epoch(number=0, loss=None, development_mrr=measure(self._model)))
        first = self._epochs[-1].number + 1
        left = self._config.epochs - first + 1
        with self._progress.task("Training the reranker", total=max(left, 0) * self._steps) as advance:
            for number in range(first, self._config.epochs + 1):
                loss = self._epoch(number, lambda: advance(1))
                self._finish(Epoch(number=number, loss=round(loss, 4), development_mrr=measure(self._model)))
        self._model.load_state_dict(self._best)
        self._path.unlink()
        return self._epochs, best_epoch(self._epochs)

    def _epoch(self, number: int, advance: Callable[[], None]) -> float:
        """One pass over the groups; returns its mean loss. The order depends on seed and number alone."""
        import torch
        from torch.nn.functional import cross_entropy

        from llm_engineering.model.reranking.head import scores_of

        draw = random.Random(f"{self._config.seed}:{number}")  # noqa: S311 - no secret
        torch.manual_seed(self._config.seed + number)
        self._model.train()
        total = 0.0
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        for batch in batched(draw.sample(self._groups, len(self._groups)), self._config.batch_size):
            scores = scores_of(self._model, list(_pairs(batch, self._config.negatives, draw)))
            # Each group's right passage comes first.
            targets = torch.zeros(len(batch), dtype=torch.long, device=scores.device)
            loss = cross_entropy(scores.view(len(batch), -1), targets)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, _MAX_GRADIENT)
            self._optimizer.step()
            self._schedule.step()
            total += loss.item() * len(batch)
            advance()
        self._model.eval()
        return total / len(self._groups)

    def _rate(self, step: int) -> float:
        """The learning rate's factor: up in a straight line, then down to 0 at the end."""
        steps = self._steps * self._config.epochs
        warm_up = max(1, round(self._config.warm_up * steps))
        return min((step + 1) / warm_up, max(0.0, (steps - step) / max(1, steps - warm_up)))

    def _finish(self, epoch: Epoch) -> None:
        """Note the epoch, keep its weights if it is the best so far, and write the checkpoint."""
        import torch

        logger.info("Epoch %d: loss %s, MRR %.3f on development", epoch.number, epoch.loss, epoch.development_mrr)
        self._epochs.append(epoch)
        state = {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}
        if best_epoch(self._epochs) == epoch.number:
            self._best = state
        content = {
            "key": self._key,
            "epochs": [epoch.model_dump() for epoch in self._epochs],
            "best": self._best,
            "model": state,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        torch.save(content, partial)
        partial.replace(self._path)

    def _take_up(self) -> bool:
        """Go on where a run with the same data and parameters was stopped; False where there is none."""
        import torch

        if not self._path.is_file():
            return False
        content: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
        if content["key"] != self._key:
            return False
        self._epochs = [Epoch(**epoch) for epoch in content["epochs"]]
        self._best = content["best"]
        self._model.load_state_dict(content["model"])
        self._optimizer.load_state_dict(content["optimizer"])
        self._schedule.load_state_dict(content["schedule"])
        logger.info("Going on after epoch %d of an earlier run", self._epochs[-1].number)
        return True


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """The number of the epoch with the highest MRR on development; of equal ones the last."""
    return max(epochs, key=lambda epoch: (epoch.development_mrr, epoch.number)).number


def _pairs(batch: Iterable[Group], negatives: int, draw: random.Random) -> Iterator[tuple[str, str]]:
    for group in batch:
        for passage in (group.positive, *draw.sample(group.negatives, negatives)):
            yield group.question, passage


def _freeze(model: "CrossEncoder", share: float) -> None:
    """Keep the embeddings and the lowest layers as they are: few questions would spoil them, and it saves time."""
    transformer: Any = model[0].model
    layers = transformer.encoder.layer
    for part in (transformer.embeddings, *layers[: round(len(layers) * share)]):
        part.requires_grad_(False)


def _parameters(model: "CrossEncoder", config: RerankerConfig) -> list[dict[str, Any]]:
    modules: list[Any] = list(model)
    transformer, head = modules
    scales = [head.max_sim_scale, head.exact_scale, head.attention_across]
    body = [parameter for parameter in transformer.model.parameters() if parameter.requires_grad]
    return [
        {"params": [*body, *head.correction.parameters()], "lr": config.learning_rate},
        {"params": scales, "lr": config.head_learning_rate, "weight_decay": 0.0},
    ]


def _key(groups: Sequence[Group], config: RerankerConfig) -> str:
    texts = (text for group in groups for text in (group.question, group.positive, *group.negatives))
    return hash_of((config.model_dump_json(), *texts))
