"""The embedding model, by sentence-transformers (Reimers and Gurevych, 2019)."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.heap import return_free_memory
from llm_engineering.infrastructure.models.model_folder import ModelFolder, find_model
from llm_engineering.infrastructure.models.prefixes import Prefixes, prefixes_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

DEFAULT_WINDOW = 512
# On 2 cores the rate hardly depends on the batch, and memory grows with it (docs/benchmarks.md).
CPU_BATCH_SIZE = 8
ACCELERATOR_BATCH_SIZE = 128
# Batches of ever other lengths leave holes in the heap: without this, twice the corpus had a peak 10 % higher.
TRIM_EVERY_BATCHES = 32


class SentenceTransformerEmbedder:
    """Implements `Embedder`. The model is loaded when it is first used: a run that finds nothing changed needs none.

    One call at a time: three at once on a CPU take longer than the same three in a row.
    """

    def __init__(
        self, model_id: str, device: str, find_weights: Callable[[str], Path | None], token: str | None = None
    ) -> None:
        self._model_id = model_id
        self._device = device
        self._find_weights = find_weights
        self._token = token
        self._loaded: SentenceTransformer | None = None
        self._batches = 0
        self._lock = Lock()

    @property
    def model_id(self) -> str:
        """The id that the model has on the Hugging Face Hub."""
        return self._model_id

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._device

    @property
    def precision(self) -> str:
        """What the weights are published in, on every device."""
        return "float32"

    @property
    def revision(self) -> str:
        """The SHA-256 of the weights. Does not load the model."""
        return self.folder.revision

    @cached_property
    def folder(self) -> ModelFolder:
        """The model's files, downloaded where they are missing."""
        return find_model(self._model_id, self._find_weights(self._model_id), self._token)

    @cached_property
    def prefixes(self) -> Prefixes:
        """What is put before questions and passages. Does not load the model."""
        return prefixes_of(self._model_id, self.folder.path)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise DependencyUnavailableError(f"{self._model_id} does not say how long its vectors are.")
        return int(dimension)

    @property
    def max_tokens(self) -> int:
        """How many tokens of a passage are read, without the special ones and the prefix."""
        special = int(self._model.tokenizer.num_special_tokens_to_add(pair=False))
        return self.window - special - len(self.token_starts(self.prefixes.passage))

    @property
    def window(self) -> int:
        """How many tokens the model reads, special ones included."""
        return int(self._model.max_seq_length or DEFAULT_WINDOW)

    @property
    def batch_size(self) -> int:
        """How many texts to embed at once on this device."""
        return CPU_BATCH_SIZE if self._device == "cpu" else ACCELERATOR_BATCH_SIZE

    def token_starts(self, text: str) -> list[int]:
        """The offset of each token's first character."""
        encoded = self._model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [start for start, _ in encoded["offset_mapping"]]

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each question, in one batch."""
        return self._embed(texts, self.prefixes.query, "query")

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each passage, in one batch."""
        return self._embed(texts, self.prefixes.passage, "document")

    def load(self) -> None:
        """Load the model now rather than at the first use."""
        _ = self._model

    def _embed(self, texts: Sequence[str], prefix: str, task: str) -> list[Vector]:
        model = self._model
        # Some models have a part of their own for each of the two; only these functions choose it.
        encode = model.encode_query if task == "query" else model.encode_document
        with self._lock:
            vectors = encode(
                list(texts),
                prompt=prefix,
                batch_size=max(1, len(texts)),
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            self._batches += 1
            if self._batches % TRIM_EVERY_BATCHES == 0:
                return_free_memory()
        return [vector.tolist() for vector in vectors]

    @property
    def _model(self) -> "SentenceTransformer":
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> "SentenceTransformer":
        folder = self.folder.path
        # Imported here: it takes 4 to 12 s.
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]
        logger.info("Loading the embedding model %s on %s", self._model_id, self._device)
        try:
            return SentenceTransformer(str(folder), device=self._device, local_files_only=True)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            raise DependencyUnavailableError(
                f"The embedding model {self._model_id} cannot be loaded from {folder} on {self._device}: "
                f"{type(error).__name__}. Check TEXT_EMBEDDING_MODEL_ID and RAG_MODEL_DEVICE."
            ) from error
