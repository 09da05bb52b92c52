"""Are the models at hand those that made an index? Vectors of two models must never be compared."""

from llm_engineering.domain.errors import ModelMismatchError
from llm_engineering.domain.features import IndexSpec
from llm_engineering.domain.ports import Embedder, SparseEncoder

REINDEX_COMMAND = "python -m tools.features --reindex"


def check_models(active: IndexSpec | None, embedder: Embedder, sparse: SparseEncoder) -> None:
    """Compare the models with what the index says of itself; none of them is loaded for that.

    Raises:
        ModelMismatchError: model, weights, precision or sparse encoder differ; the message has the remedy.
    """
    check_names(active, embedder, sparse)
    if active and active.revision != embedder.revision:
        raise ModelMismatchError(
            f"The index was made by {active.describe()}; the model at hand has other weights, of revision "
            f"{embedder.revision[:12]}. Make the features anew: {REINDEX_COMMAND}"
        )


def check_names(active: IndexSpec | None, embedder: Embedder, sparse: SparseEncoder) -> None:
    """Compare all but the weights, which may have to be downloaded for that.

    Raises:
        ModelMismatchError: model, precision or sparse encoder differ; the message has the remedy.
    """
    if active is None:
        return
    expected = (embedder.model_id, embedder.precision, sparse.name)
    if (active.model_id, active.precision, active.sparse_encoder) != expected:
        raise ModelMismatchError(
            f"The index was made by {active.describe()} with {active.sparse_encoder}; configured are "
            f"{expected[0]} ({expected[1]}) with {expected[2]}. Switch to them by {REINDEX_COMMAND}, or "
            "set TEXT_EMBEDDING_MODEL_ID, EMBEDDING_PRECISION and SPARSE_LANGUAGE back."
        )
