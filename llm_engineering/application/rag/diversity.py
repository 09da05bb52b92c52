"""Keep the results from being the same paragraph several times."""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import mul
from uuid import UUID

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.queries import RetrievedChunk


def cap_per_document(chunks: Sequence[RetrievedChunk], most: int, limit: int) -> list[RetrievedChunk]:
    """The first `limit` chunks with at most `most` of one document (0: any number).

    Where that leaves fewer than `limit`, the best of those that were passed over follow: more of one document is better
    than nothing.
    """
    if not most:
        return list(chunks[:limit])
    seen: Counter[UUID] = Counter()
    kept: list[RetrievedChunk] = []
    passed_over: list[RetrievedChunk] = []
    for chunk in chunks:
        seen[chunk.document_id] += 1
        (kept if seen[chunk.document_id] <= most else passed_over).append(chunk)
    return (kept + passed_over)[:limit]


def maximal_marginal_relevance(
    chunks: Sequence[RetrievedChunk], vectors: Mapping[UUID, Vector], novelty: float, limit: int
) -> list[RetrievedChunk]:
    """The `limit` chunks chosen one by one, each for its relevance and against its likeness to those chosen before.

    MMR (Carbonell and Goldstein, 1998). Relevance is the score, stretched to 0 to 1 over the chunks, for scores of
    fused ranks are no cosines; likeness is the cosine of the unit vectors, 0 where a vector is missing.

    Args:
        chunks: Best first.
        vectors: Unit vectors by chunk.
        novelty: Weight of the likeness, 0 to 1; relevance has the rest.
        limit: How many to choose.
    """
    relevance = _stretched([chunk.score for chunk in chunks])
    likeness = [0.0] * len(chunks)
    left = list(range(len(chunks)))
    chosen: list[int] = []
    while left and len(chosen) < limit:
        best = max(left, key=lambda i: (1 - novelty) * relevance[i] - novelty * likeness[i])
        left.remove(best)
        chosen.append(best)
        for i in left:
            cosine = _dot(vectors.get(chunks[i].id), vectors.get(chunks[best].id))
            likeness[i] = cosine if len(chosen) == 1 else max(likeness[i], cosine)
    return [chunks[i] for i in chosen]


def _stretched(scores: Sequence[float]) -> list[float]:
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]


def _dot(one: Vector | None, other: Vector | None) -> float:
    return sum(map(mul, one, other)) if one is not None and other is not None else 0.0
