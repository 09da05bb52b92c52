"""Makes the int8 form of an embedding model. A program of its own: python openvino_build.py SOURCE TARGET CALIBRATION.

It needs 1.5 GB that the caller is spared, and what PyTorch, NNCF and OpenVINO log or patch stays in here. The method is
post-training quantisation of weights and activations (NNCF): ranges from the calibration texts, SmoothQuant (Xiao et
al., 2023), bias correction.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

# Of 100 short passages some are joined, so that the ranges are also those of a full window.
JOINED = 5
TRACED_SHAPE = (2, 16)
# The figures of models that quantise well are .99 and more; one that does not is better off in float32.
LEAST_COSINE = 0.98
CHECKED = 16
SEPARATOR = "\n%%\n"


def main() -> None:
    """Read the arguments and build."""
    source, target, calibration = (Path(argument) for argument in sys.argv[1:])
    # NNCF and OpenVINO report usage to Intel unless this package is missing.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    # What the libraries deprecate among themselves, and that tracing keeps one path of the code.
    warnings.simplefilter("ignore")
    texts = calibration.read_text(encoding="utf-8").strip().split(SEPARATOR)
    samples = texts + ["\n".join(texts[start : start + JOINED]) for start in range(0, len(texts), JOINED)]
    build(source, target, samples)


def build(source: Path, target: Path, samples: list[str]) -> None:
    """Write model.xml, model.bin, tokenizer.json and form.json into `target`."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    window = int(model.max_seq_length or 512)
    tokenizer = _tokenizer(model, window)
    encoded = [tokenizer.encode(sample).ids for sample in samples]
    quantised = _quantise(model, encoded)
    _check(model, quantised, samples, encoded)
    _save(model, quantised, target, window)


def _tokenizer(model: Any, window: int) -> Any:
    """The fast tokenizer, without the padding that the model's last call has left switched on."""
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(window)
    return tokenizer


def _quantise(model: Any, encoded: list[list[int]]) -> Any:
    import nncf
    import openvino
    import torch

    nncf.set_log_level(40)

    class Pooled(torch.nn.Module):
        """All modules in one, from token ids to unit vectors."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = model.eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            vectors = self.inner({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, p=2, dim=1)

    ids = torch.ones(TRACED_SHAPE, dtype=torch.int64)
    shape = openvino.PartialShape([-1, -1])
    converted = openvino.convert_model(
        Pooled(),
        example_input={"input_ids": ids, "attention_mask": ids},
        input=[("input_ids", shape, openvino.Type.i64), ("attention_mask", shape, openvino.Type.i64)],
    )
    data = nncf.Dataset([_inputs(ids) for ids in encoded])
    return nncf.quantize(converted, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(encoded))


def _check(model: Any, quantised: Any, samples: list[str], encoded: list[list[int]]) -> None:
    import numpy
    import openvino

    compiled = openvino.Core().compile_model(quantised, "CPU")
    expected = model.encode(samples[:CHECKED], prompt="", normalize_embeddings=True, show_progress_bar=False)
    got = numpy.concatenate([compiled(_inputs(ids))[0] for ids in encoded[:CHECKED]])
    least = float((expected * got).sum(axis=1).min())
    if not least >= LEAST_COSINE:
        raise ValueError(f"its vectors are too far from those of float32 (cosine {least:.3f})")


def _save(model: Any, quantised: Any, target: Path, window: int) -> None:
    import nncf
    import openvino

    target.mkdir(parents=True, exist_ok=True)
    openvino.save_model(quantised, str(target / "model.xml"))
    _tokenizer(model, window).save(str(target / "tokenizer.json"))
    form = {
        "dimension": model.get_embedding_dimension(),
        "window": window,
        "padding_id": model.tokenizer.pad_token_id or 0,
        "openvino": openvino.__version__,
        "nncf": nncf.__version__,
    }
    (target / "form.json").write_text(json.dumps(form, indent=2), encoding="utf-8")


def _inputs(ids: list[int]) -> Any:
    import numpy

    row = numpy.array([ids], dtype=numpy.int64)
    return {"input_ids": row, "attention_mask": numpy.ones_like(row)}


if __name__ == "__main__":
    main()
