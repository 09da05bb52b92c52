"""The folder that a model's files stand in: a package's, one of this machine, or a snapshot of the Hugging Face Hub."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.errors import DependencyUnavailableError

# What loading needs; other forms of the same weights (ONNX, TensorFlow) stay where they are.
_FILES = ["*.json", "*.txt", "*.model", "*.py", "*.safetensors"]
_OTHER_FORMS = ["onnx/*", "openvino/*"]
_OLD_WEIGHTS = "pytorch_model*.bin"


@dataclass(frozen=True)
class ModelFolder:
    """Where a model's files are, and which weights they are: their SHA-256."""

    path: Path
    revision: str


def find_model(model_id: str, packaged: Path | None, token: str | None) -> ModelFolder:
    """The model's files: `packaged`, else a local folder of this name, else a snapshot, downloaded where it is missing.

    Raises:
        DependencyUnavailableError: they cannot be had.
    """
    local = packaged or Path(model_id)
    if local.is_dir():
        return ModelFolder(local, weights_hash(local))
    snapshot = _download(model_id, token)
    # Not the commit: a new description of the model on the Hub is a commit, too, and its vectors are the same.
    return ModelFolder(snapshot, weights_hash(snapshot))


def weights_hash(folder: Path) -> str:
    """The SHA-256 of the weights file; of several, the hash of their hashes.

    Raises:
        DependencyUnavailableError: the folder has no weights.
    """
    files = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob(_OLD_WEIGHTS))
    if not files:
        raise DependencyUnavailableError(f"{folder} has no weights: neither *.safetensors nor {_OLD_WEIGHTS}.")
    hashes = [_file_hash(file) for file in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _file_hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _download(model_id: str, token: str | None) -> Path:
    try:
        return download(model_id, token)
    except (OSError, ValueError) as error:
        raise DependencyUnavailableError(
            f"The embedding model {model_id} cannot be had from the Hugging Face Hub: {type(error).__name__}. "
            "Check TEXT_EMBEDDING_MODEL_ID, HUGGINGFACE_ACCESS_TOKEN and the network."
        ) from error


def download(model_id: str, token: str | None) -> Path:
    """The folder of a snapshot of the Hub. Without a network it is the last one, or an error at once.

    Raises:
        OSError: the Hub cannot be reached, or does not give it.
        ValueError: this is no name of a model.
    """
    import httpx
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(model_id, token=token, allow_patterns=_FILES, ignore_patterns=_OTHER_FORMS))
        if not any(path.rglob("*.safetensors")):
            snapshot_download(model_id, token=token, allow_patterns=[_OLD_WEIGHTS, f"*/{_OLD_WEIGHTS}"])
    except httpx.HTTPError as error:
        raise ConnectionError(str(error)) from error
    return path
