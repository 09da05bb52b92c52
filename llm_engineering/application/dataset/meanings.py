"""Compares texts by the vectors of an embedding model."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llm_engineering.application.dataset.similarity import Pair
from llm_engineering.domain.batching import batched
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Rows that are compared with all others at once: 512 by 20,000 cosines are 40 MB.
_BLOCK = 512


class Meanings:
    """Embeds every text once, as a question."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vector] = {}

    def close_pairs(self, texts: Sequence[str], threshold: float) -> Iterator[Pair]:
        """The pairs, by their places, whose cosine is at least `threshold`."""
        vectors = self._matrix(texts)
        for start, cosines in _blocks(vectors, vectors):
            for row, column in zip(*(cosines >= threshold).nonzero(), strict=True):
                here, there = start + int(row), int(column)
                if here < there:
                    yield here, there

    def closest(self, texts: Sequence[str], others: Sequence[str]) -> list[tuple[int, float]]:
        """For each text the place of the closest of the others, and its cosine. There must be others."""
        found: list[tuple[int, float]] = []
        for _, cosines in _blocks(self._matrix(texts), self._matrix(others)):
            found += [(int(place), float(row[place])) for row, place in zip(cosines, cosines.argmax(1), strict=True)]
        return found

    def _matrix(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        # In the same batches whatever the order of the texts: a vector may depend on its neighbours in the last digit.
        unknown = sorted({*texts} - self._vectors.keys(), key=lambda text: (len(text), text))
        for batch in batched(unknown, self._embedder.batch_size):
            self._vectors.update(zip(batch, self._embedder.embed_queries(batch), strict=True))
        rows = [self._vectors[text] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self._embedder.dimension)


def _blocks(
    vectors: "NDArray[np.float32]", others: "NDArray[np.float32]"
) -> Iterator[tuple[int, "NDArray[np.float32]"]]:
    """The cosines of some vectors with all of the others, and the place of the first of them."""
    for start in range(0, len(vectors), _BLOCK):
        yield start, vectors[start : start + _BLOCK] @ others.T
