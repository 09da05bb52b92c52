"""The int8 form of an embedding model on this machine: made once, then read in half a second, without PyTorch."""

import logging
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import DependencyUnavailableError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

BUILD_SECONDS = 900
_BUILDER = Path(__file__).with_name("openvino_build.py")
# Each new shape of the input costs 30 ms and 4 MiB of compiled code, so rows are computed by eight or alone (a fifth
# slower a row), and padded to one of a few lengths.
ROWS = 8
_USUAL_QUESTIONS = (16, 32)
_REMEDY = "Set EMBEDDING_PRECISION=float32, or mend that and try again."


class FormCard(BaseModel):
    """What the builder notes beside the model."""

    model_config = ConfigDict(frozen=True)

    dimension: int
    window: int
    padding_id: int
    openvino: str
    nncf: str


def ensure_built(name: str, source: Path, target: Path, calibration: Path) -> None:
    """Make the form in `target` unless it is there. Processes that ask at the same time wait for the first.

    Raises:
        MissingExtraError: OpenVINO or NNCF is not installed.
        DependencyUnavailableError: the model cannot be converted.
    """
    if target.is_dir():
        return
    import portalocker  # here, for it tries out the temporary folder when it is imported

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with portalocker.Lock(target.parent / f"{target.name}.lock", timeout=BUILD_SECONDS, check_interval=0.5):
            if not target.is_dir():
                _build(name, source, target, calibration)
    except portalocker.LockException as error:
        raise DependencyUnavailableError(f"Another process has been making {target} for too long. {_REMEDY}") from error


def _build(name: str, source: Path, target: Path, calibration: Path) -> None:
    _require("openvino", "nncf")
    logger.info("Making the int8 form of %s in %s, once; about 30 s on 2 cores", name, target)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as temporary:
        made = Path(temporary) / "form"
        # -P: the folder of the program must not hide packages of the same names.
        command = [sys.executable, "-P", str(_BUILDER), str(source), str(made), str(calibration)]
        _run(command, name)
        made.rename(target)
    logger.info("Made it in %.0f s", time.monotonic() - started)


def _run(command: list[str], name: str) -> None:
    try:
        result = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, errors="replace", timeout=BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DependencyUnavailableError(
            f"The int8 form of {name} was not ready after {BUILD_SECONDS} s. {_REMEDY}"
        ) from error
    if result.returncode != 0:
        lines = re.split(r"[\r\n]+", result.stderr.strip())
        raise DependencyUnavailableError(
            f"The int8 form of {name} cannot be made (status {result.returncode}): {lines[-1][:300]}. {_REMEDY}"
        )


def _require(*packages: str) -> None:
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, "local", "EMBEDDING_PRECISION=int8")


class OpenVinoForm:
    """A form that was made, loaded. Safe in threads; one inference at a time."""

    def __init__(self, folder: Path) -> None:
        """Read the tokenizer and compile the model for this CPU.

        Raises:
            MissingExtraError: OpenVINO is not installed.
            DependencyUnavailableError: the files are damaged.
        """
        _require("openvino")
        import openvino
        from tokenizers import Tokenizer

        self._folder = folder
        self._lock = Lock()
        try:
            self.card = FormCard.model_validate_json((folder / "form.json").read_text(encoding="utf-8"))
            self._reader: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            compiled = openvino.Core().compile_model(str(folder / "model.xml"), "CPU", hints)
        except (OSError, RuntimeError, ValidationError) as error:
            raise DependencyUnavailableError(
                f"{folder} cannot be read ({type(error).__name__}). Delete it: it is made anew."
            ) from error
        self._request: Any = compiled.create_infer_request()

    @cached_property
    def special_tokens(self) -> int:
        """How many tokens the model puts around a text."""
        return int(self._reader.num_special_tokens_to_add(False))

    @cached_property
    def _counter(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        counter: Tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        counter.no_truncation()
        return counter

    def token_starts(self, text: str) -> list[int]:
        """The offset of each token's first character, of the whole text."""
        return [start for start, _ in self._counter.encode(text, add_special_tokens=False).offsets]

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A unit vector for each text; texts of like length are computed together."""
        encoded = [encoding.ids for encoding in self._reader.encode_batch(list(texts))]
        order = sorted(range(len(encoded)), key=lambda position: len(encoded[position]))
        vectors: list[Vector] = [[] for _ in encoded]
        full = len(order) - len(order) % ROWS
        batches = [order[start : start + ROWS] for start in range(0, full, ROWS)] + [[last] for last in order[full:]]
        for batch in batches:
            for position, vector in zip(batch, self._infer([encoded[one] for one in batch]), strict=True):
                vectors[position] = vector.tolist()
        return vectors

    def warm_up(self) -> None:
        """Compile the shapes that most questions have, so that the first one need not wait for it."""
        for length in _USUAL_QUESTIONS:
            self._infer([[self.card.padding_id] * length])

    def _infer(self, rows: list[list[int]]) -> "np.ndarray[Any, Any]":
        import numpy as np

        longest = max(len(row) for row in rows)
        width = min(_padded(longest), self.card.window)
        ids = np.full((len(rows), width), self.card.padding_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        with self._lock:
            return np.array(self._request.infer([ids, mask])[0])


def _padded(length: int) -> int:
    """The next of the lengths that are computed; they lie closer together where texts are short."""
    step = 16 if length <= 32 else 32 if length <= 256 else 128
    return -(-length // step) * step
