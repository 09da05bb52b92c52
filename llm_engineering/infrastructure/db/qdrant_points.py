"""Between the domain's objects and Qdrant's points, filters and queries."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from qdrant_client import models

from llm_engineering.domain.chunks import EmbeddedChunk, SparseVector
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import ChunkFilter, QueryVectors, SearchRequest

DENSE, SPARSE = "dense", "bm25"


def document_point(document: CleanedDocument, state: FeatureState) -> models.PointStruct:
    """A cleaned document with the state of its features; it has no vector."""
    payload = {**document.model_dump(mode="json", exclude={"id"}), **state.model_dump(mode="json")}
    return models.PointStruct(id=str(document.id), vector={}, payload=payload)


def chunk_point(item: EmbeddedChunk) -> models.PointStruct:
    """A chunk with both vectors, and its document's fields beside its own."""
    chunk = item.chunk
    payload = {
        **chunk.document.model_dump(mode="json", exclude={"id", "text"}),
        "document_id": str(chunk.document.id),
        "index": chunk.index,
        "text": chunk.text,
        "context": chunk.context,
        "lead": chunk.lead,
    }
    vectors: dict[str, Any] = {DENSE: item.vector, SPARSE: _sparse(item.sparse)}
    return models.PointStruct(id=str(chunk.id), vector=vectors, payload=payload)


def retrieved(point: models.ScoredPoint | models.Record) -> RetrievedChunk:
    """A chunk as it was found; without a search the score is 0."""
    score = point.score if isinstance(point, models.ScoredPoint) else 0.0
    return RetrievedChunk.model_validate({**(point.payload or {}), "id": point.id, "score": score})


def matches(key: str, values: Sequence[UUID | str]) -> models.FieldCondition:
    """The field has one of the values."""
    return models.FieldCondition(key=key, match=models.MatchAny(any=[str(value) for value in values]))


def condition(wanted: ChunkFilter) -> models.Filter | None:
    """All conditions at once; None where there is none."""
    chosen: dict[str, Sequence[UUID | str]] = {
        "author_id": wanted.author_ids,
        "category": [category.value for category in wanted.categories],
        "platform": wanted.platforms,
        "language": wanted.languages,
    }
    must: list[models.Condition] = [matches(key, values) for key, values in chosen.items() if values]
    if wanted.published_from or wanted.published_before:
        dates = models.DatetimeRange(gte=wanted.published_from, lt=wanted.published_before)
        must.append(models.FieldCondition(key="published_at", range=dates))
    return models.Filter(must=must) if must else None


def query(vectors: QueryVectors, request: SearchRequest) -> models.QueryRequest | None:
    """One wording's query; None where it has no term that could be found.

    Both branches are fused by the engine.
    """
    by_rank = request.fusion == "rrf"
    weights = {DENSE: request.dense_weight, SPARSE: 1 - request.dense_weight} if by_rank else {DENSE: 1.0, SPARSE: 1.0}
    branches: dict[str, Any] = {}
    if vectors.dense is not None and (vectors.sparse is None or weights[DENSE]):
        branches[DENSE] = vectors.dense
    if vectors.sparse is not None and (vectors.dense is None or weights[SPARSE]):
        branches[SPARSE] = _sparse(vectors.sparse)
    has_ranks = by_rank and len(branches) > 1
    if vectors.sparse is not None and not vectors.sparse.indices:
        branches.pop(SPARSE, None)
    if not branches:
        return None
    chosen = condition(request.filter)
    if len(branches) == 1 and not has_ranks:
        [(using, vector)] = branches.items()
        return models.QueryRequest(query=vector, using=using, filter=chosen, limit=request.limit, with_payload=True)
    prefetch = [
        models.Prefetch(query=vector, using=using, filter=chosen, limit=request.candidates)
        for using, vector in branches.items()
    ]
    if by_rank:
        fusion: models.Query = _rrf(request.rrf_k, branches, weights)
    else:
        prefetch, fusion = _with_all_cosines(prefetch), _sum_of_scores(len(branches[SPARSE].indices), request)
    return models.QueryRequest(prefetch=prefetch, query=fusion, limit=request.limit, with_payload=True)


def _rrf(k: int, branches: Iterable[str], weights: dict[str, float]) -> models.RrfQuery:
    """Qdrant counts ranks from 1 and scores 1 / (rank / weight + k - 1)."""
    return models.RrfQuery(rrf=models.Rrf(k=k + 1, weights=[2 * weights[using] for using in branches]))


def _with_all_cosines(prefetch: Sequence[models.Prefetch]) -> list[models.Prefetch]:
    """First what either branch brings, scored by cosine, then the sparse branch."""
    by_meaning, by_words = prefetch
    limit = 2 * (by_meaning.limit or 0)
    everything = models.Prefetch(prefetch=list(prefetch), query=by_meaning.query, using=DENSE, limit=limit)
    return [everything, by_words]


def _sum_of_scores(terms: int, request: SearchRequest) -> models.FormulaQuery:
    """`$score[N]` is the score in prefetch N: the cosine of every candidate, and BM25 where there is any."""
    cosine, bm25 = "$score[0]", "$score[1]"
    product: list[Any] = [request.bm25_weight, bm25]
    if request.fusion == "adaptive":
        product = [request.bm25_weight / terms**2, bm25, bm25]
    formula = models.SumExpression(sum=[cosine, models.MultExpression(mult=product)])
    return models.FormulaQuery(formula=formula, defaults={cosine: 0.0, bm25: 0.0})


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)
