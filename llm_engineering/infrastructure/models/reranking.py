"""Cross-encoders, by sentence-transformers (Nogueira and Cho, 2019, "Passage Re-ranking with BERT")."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.models.model_folder import download

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

logger = logging.getLogger(__name__)

# Pairs of question and passage at once; the library sorts them by length.
CPU_BATCH_SIZE = 8
ACCELERATOR_BATCH_SIZE = 64
# A model that cannot be loaded is let be for a while: finding that out can take as long as a network's time limits.
RETRY_SECONDS = 300.0
TRAINED = "trained"
# The training writes the promoted model here, below its folder.
CURRENT = "current"


class CrossEncoderReranker:
    """Implements `Reranker`. The model is loaded when it is first used. One call at a time, as for embedding."""

    def __init__(self, model_id: str, device: str, load: Callable[[], "CrossEncoder"], remedy: str) -> None:
        self._model_id = model_id
        self._device = device
        self._load_model = load
        self._remedy = remedy
        self._loaded: CrossEncoder | None = None
        self._failed: tuple[float, DependencyUnavailableError] | None = None
        self._lock = Lock()

    @classmethod
    def trained(cls, folder: Path, device: str, read: Callable[[Path, str], "CrossEncoder"] | None = None) -> Self:
        """The model in `folder/current`, which was trained on this machine's corpus.

        `read` loads it onto the device where it is not in the library's own form.
        """
        current = folder / CURRENT
        remedy = "Train another one: python -m tools.run --run-train-reranker"

        def load() -> "CrossEncoder":
            if not current.is_dir():
                raise DependencyUnavailableError(
                    "no reranker has been trained: python -m tools.run --run-train-reranker"
                )
            if read is not None:
                return read(current, device)
            from sentence_transformers import CrossEncoder

            model: CrossEncoder = CrossEncoder(str(current), device=device, local_files_only=True)
            return model

        return cls(TRAINED, device, load, remedy)

    @classmethod
    def from_hub(cls, model_id: str, device: str, token: str | None) -> Self:
        """A model of the Hugging Face Hub, or of a folder."""

        def load() -> "CrossEncoder":
            # Downloaded first: without a network the library would try file by file, for a minute.
            folder = Path(model_id) if Path(model_id).is_dir() else download(model_id, token)
            from sentence_transformers import CrossEncoder

            model: CrossEncoder = CrossEncoder(str(folder), device=device, local_files_only=True)
            return model

        remedy = (
            "Check RERANKING_CROSS_ENCODER_MODEL_ID, HUGGINGFACE_ACCESS_TOKEN and the network, "
            "or choose another 'rerank' in configs/retrieval.yaml."
        )
        return cls(model_id, device, load, remedy)

    @property
    def model_id(self) -> str:
        """The id on the Hub, or 'trained'."""
        return self._model_id

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage fits the question, higher is better; a pair beyond the model's window is cut.

        Raises:
            DependencyUnavailableError: the model cannot be loaded.
        """
        if not passages:
            return []
        model = self._model
        from torch.nn import Identity

        size = CPU_BATCH_SIZE if self._device == "cpu" else ACCELERATOR_BATCH_SIZE
        with self._lock:
            # Raw logits: behind a sigmoid, those of very good passages become equal.
            scores = model.predict(
                [(question, passage) for passage in passages],
                batch_size=size,
                activation_fn=Identity(),
                show_progress_bar=False,
            )
        return [float(score) for score in scores]

    def load(self) -> None:
        """Load the model now rather than at the first use."""
        _ = self._model

    @property
    def _model(self) -> "CrossEncoder":
        with self._lock:
            if self._loaded is None:
                if self._failed and time.monotonic() < self._failed[0]:
                    raise self._failed[1]
                try:
                    self._loaded = self._load()
                except DependencyUnavailableError as error:
                    self._failed = (time.monotonic() + RETRY_SECONDS, error)
                    raise
            return self._loaded

    def _load(self) -> "CrossEncoder":
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]
        logger.info("Loading the reranker %s on %s", self._model_id, self._device)
        try:
            model = self._load_model()
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            raise DependencyUnavailableError(
                f"The reranker {self._model_id} cannot be loaded on {self._device}: {type(error).__name__}. "
                f"{self._remedy}"
            ) from error
        if model.num_labels != 1:
            raise DependencyUnavailableError(
                f"{self._model_id} gives {model.num_labels} scores a passage; a reranker gives one. {self._remedy}"
            )
        return model
