"""An embedding model in int8, by OpenVINO: twice the rate of float32 where the CPU multiplies bytes."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import ConfigurationError
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from llm_engineering.infrastructure.models.openvino_form import ROWS, OpenVinoForm, ensure_built

CALIBRATION = Path(__file__).with_name("calibration.txt")
# Raise it when openvino_build.py makes other weights from the same texts: vectors of both must not meet in one index.
RECIPE = 1
# Where the evaluation of docs/benchmarks.md shows no loss; another model is used in int8 where that is asked for.
TRIED_MODELS = frozenset({"sentence-transformers/all-MiniLM-L6-v2"})
# Without these a CPU widens bytes before it multiplies, and int8 gains nothing.
_BYTE_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def is_usable(device: str, model_id: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether int8 is of use here: a model that was tried, the packages, and a CPU with instructions for it.

    Only Linux says what its CPU can do without a further package; elsewhere float32 is used unless EMBEDDING_PRECISION
    is int8.
    """
    if device != "cpu" or model_id not in TRIED_MODELS:
        return False
    return all(find_spec(package) for package in ("openvino", "nncf")) and _multiplies_bytes(cpuinfo)


def _multiplies_bytes(cpuinfo: Path) -> bool:
    if not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BYTE_PRODUCTS.isdisjoint(flags.split())


class Int8Embedder:
    """Implements `Embedder` with the int8 form of another embedder's model. Loads neither PyTorch nor that embedder.

    The form is made when it is first needed, once a machine (half a minute), and kept in `models_dir`.
    """

    def __init__(self, full: SentenceTransformerEmbedder, models_dir: Path) -> None:
        """Nothing is loaded yet.

        Raises:
            ConfigurationError: the other embedder computes on an accelerator.
        """
        if full.device != "cpu":
            raise ConfigurationError(
                f"EMBEDDING_PRECISION is int8, which computes on the CPU, and RAG_MODEL_DEVICE is {full.device}. "
                "Set EMBEDDING_PRECISION=auto, or RAG_MODEL_DEVICE=cpu."
            )
        self._full = full
        self._models_dir = models_dir
        self._loaded: OpenVinoForm | None = None
        self._lock = Lock()

    @property
    def model_id(self) -> str:
        """The id that the model has on the Hugging Face Hub."""
        return self._full.model_id

    @cached_property
    def precision(self) -> str:
        """'int8-openvino-' and 8 digits that stand for the calibration texts and the recipe."""
        digest = hashlib.sha256(f"recipe {RECIPE}\n".encode() + CALIBRATION.read_bytes())
        return f"int8-openvino-{digest.hexdigest()[:8]}"

    @property
    def revision(self) -> str:
        """Which float32 weights it was made from."""
        return self._full.revision

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._form.card.dimension

    @property
    def max_tokens(self) -> int:
        """How many tokens of a passage are read, without the special ones and the prefix."""
        form = self._form
        return form.card.window - form.special_tokens - len(form.token_starts(self._full.prefixes.passage))

    @property
    def batch_size(self) -> int:
        """How many texts to embed at once."""
        return ROWS

    def token_starts(self, text: str) -> list[int]:
        """The offset of each token's first character."""
        return self._form.token_starts(text)

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each question."""
        prefix = self._full.prefixes.query
        return self._form.embed([prefix + text for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each passage."""
        prefix = self._full.prefixes.passage
        return self._form.embed([prefix + text for text in texts])

    def load(self) -> None:
        """Load the model now rather than at the first use, and make it first where it is missing."""
        self._form.warm_up()

    @property
    def _form(self) -> OpenVinoForm:
        with self._lock:
            if self._loaded is None:
                name = self.model_id.rstrip("/").rpartition("/")[2]
                target = self._models_dir / f"{name}-{self.revision[:12]}-{self.precision}"
                ensure_built(self.model_id, self._full.folder.path, target, CALIBRATION)
                self._loaded = OpenVinoForm(target)
            return self._loaded
