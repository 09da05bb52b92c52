"""Several rankings become one."""

from collections.abc import Sequence
from uuid import UUID

from llm_engineering.domain.queries import RetrievedChunk


def reciprocal_ranks(rankings: Sequence[Sequence[UUID]], weights: Sequence[float], k: int) -> dict[UUID, float]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009): the sum of weight / (k + rank), ranks from 1.

    Returns:
        The scores, highest first; of two equal ones the id that was seen first.
    """
    scores: dict[UUID, float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, id_ in enumerate(ranking, start=1):
            scores[id_] = scores.get(id_, 0.0) + weight / (k + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def merge_wordings(found: Sequence[Sequence[RetrievedChunk]], k: int) -> list[RetrievedChunk]:
    """One list from what the wordings of a question found, the question's own list first.

    The question counts as much as all other wordings together: what a language model adds may find more, and must not
    drive out what was asked. A single list stays as it is, with its scores.
    """
    if len(found) <= 1:
        return list(found[0]) if found else []
    weights = [1.0, *[1 / (len(found) - 1)] * (len(found) - 1)]
    scores = reciprocal_ranks([[chunk.id for chunk in ranking] for ranking in found], weights, k)
    chunks = {chunk.id: chunk for ranking in found for chunk in ranking}
    return [chunks[id_].model_copy(update={"score": score}) for id_, score in scores.items()]


def without_repetitions(chunks: Sequence[RetrievedChunk]) -> list[RetrievedChunk]:
    """The chunks without those that say the same as a better one: a text can be stored under two links."""
    by_text: dict[str, RetrievedChunk] = {}
    for chunk in chunks:
        by_text.setdefault(" ".join(chunk.text.split()), chunk)
    return list(by_text.values())
