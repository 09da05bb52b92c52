"""Between the models of qdrant_client and those of the embedded engine; only what the vector store uses.

What it does not use is refused, as a server refuses what it does not know: nothing of a request is silently left out.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import models

from llm_engineering.infrastructure.db.qdrant_protocol import EngineError

# A shard needs a vector configuration even when no point has a vector; an unused sparse one costs the least.
NO_VECTOR = "none"

# A segment that is merged has at most so many vectors: merging takes 2 to 3 kB a vector, as long as it lasts.
SEGMENT_VECTORS = 10_000
# A smaller segment is not sealed.
SEALED_VECTORS = 1_000
# In segments this small a graph saves a search at most a third of its time, and building the graphs of 100,000 vectors
# takes more than a minute, in which the process stands still.
_NO_GRAPH = edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000)

# Cached: in files that are mapped, and read ahead. The default would keep the indexes in the process.
_IndexParams = edge.KeywordIndexParams | edge.DatetimeIndexParams
_SCHEMAS: dict[models.PayloadSchemaType, _IndexParams] = {
    models.PayloadSchemaType.KEYWORD: edge.KeywordIndexParams(memory=edge.Memory.Cached),
    models.PayloadSchemaType.DATETIME: edge.DatetimeIndexParams(memory=edge.Memory.Cached),
}


def unknown(what: str) -> EngineError:
    """What to raise for a part of a request that the vector store does not use, and that is not translated."""
    return EngineError(f"the embedded engine is not asked for {what}", 400)


def shard_config(
    vectors: dict[str, models.VectorParams],
    sparse: dict[str, models.SparseVectorParams],
    quantization: models.ScalarQuantization | models.BinaryQuantization | None,
) -> edge.EdgeConfig:
    """How a shard is laid out. All vectors are compared: there is no graph."""
    return edge.EdgeConfig(
        vectors={name: _dense_params(params) for name, params in vectors.items()} or None,
        sparse_vectors={name: _sparse_params(params) for name, params in sparse.items()}
        or ({} if vectors else {NO_VECTOR: edge.EdgeSparseVectorParams()}),
        quantization_config=_quantization(quantization),
        hnsw_config=_NO_GRAPH,
        optimizers=_optimizers(max((params.size for params in vectors.values()), default=1)),
        id_tracker_memory=edge.Memory.Cached,
    )


def _optimizers(dimension: int) -> edge.EdgeOptimizersConfig:
    """The engine counts in KB of float32 vectors."""
    sealed, largest = (max(1, count * dimension * 4 // 1024) for count in (SEALED_VECTORS, SEGMENT_VECTORS))
    return edge.EdgeOptimizersConfig(indexing_threshold=sealed, max_segment_size=largest)


def _dense_params(params: models.VectorParams) -> edge.EdgeVectorParams:
    if params.distance is not models.Distance.COSINE:
        raise unknown(f"distance {params.distance}")
    memory = edge.Memory.Cold if params.on_disk else edge.Memory.Cached
    return edge.EdgeVectorParams(params.size, edge.Distance.Cosine, memory=memory)


def _sparse_params(params: models.SparseVectorParams) -> edge.EdgeSparseVectorParams:
    modifier = edge.Modifier.Idf if params.modifier is models.Modifier.IDF else None
    memory = edge.Memory.Cold if params.index and params.index.on_disk else edge.Memory.Cached
    return edge.EdgeSparseVectorParams(modifier=modifier, memory=memory)


def _quantization(
    wanted: models.ScalarQuantization | models.BinaryQuantization | None,
) -> edge.ScalarQuantizationConfig | edge.BinaryQuantizationConfig | None:
    if isinstance(wanted, models.ScalarQuantization):
        quantile = wanted.scalar.quantile
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile, memory=edge.Memory.Pinned)
    if isinstance(wanted, models.BinaryQuantization):
        return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
    return None


def schema(wanted: models.PayloadSchemaType) -> _IndexParams:
    """The type of a payload index."""
    return _SCHEMAS[wanted]


def point(struct: models.PointStruct) -> edge.Point:
    """A point to write."""
    vectors: dict[str, Any] = struct.vector if isinstance(struct.vector, dict) else {}
    named = {name: _vector(value) for name, value in vectors.items()}
    return edge.Point(struct.id, named, struct.payload)


def _vector(vector: Any) -> Any:
    if isinstance(vector, models.SparseVector):
        return edge.SparseVector(vector.indices, vector.values)
    return vector


def condition(wanted: models.Filter | None) -> edge.Filter | None:
    """A filter whose conditions must all be met."""
    if wanted is None:
        return None
    if wanted.should or wanted.must_not or wanted.min_should or not isinstance(wanted.must, list):
        raise unknown("a filter of something else than must-conditions")
    return edge.Filter(must=[_condition(item) for item in wanted.must])


def _condition(wanted: models.Condition) -> Any:
    if isinstance(wanted, models.HasIdCondition):
        return edge.HasIdCondition(set(wanted.has_id))
    if isinstance(wanted, models.FieldCondition):
        if isinstance(wanted.match, models.MatchAny):
            return edge.FieldCondition(wanted.key, match=edge.MatchAny([str(value) for value in wanted.match.any]))
        if isinstance(wanted.range, models.DatetimeRange):
            return edge.FieldCondition(wanted.key, range=_dates(wanted.range))
        if isinstance(wanted.range, models.Range):
            limits = wanted.range
            numbers = edge.RangeFloat(gte=limits.gte, gt=limits.gt, lte=limits.lte, lt=limits.lt)
            return edge.FieldCondition(wanted.key, range=numbers)
    raise unknown(f"the condition {wanted!r}")


def _dates(wanted: models.DatetimeRange) -> edge.RangeDateTime:
    return edge.RangeDateTime(gte=_time(wanted.gte), gt=_time(wanted.gt), lte=_time(wanted.lte), lt=_time(wanted.lt))


def _time(moment: date | None) -> str | None:
    return moment.isoformat() if moment else None


def query_request(wanted: models.QueryRequest) -> edge.QueryRequest:
    """A query of one vector, or of prefetched candidates that are fused."""
    return edge.QueryRequest(
        wanted.limit or 10,
        query=_query(wanted.query, wanted.using),
        prefetches=_prefetches(wanted.prefetch),
        filter=condition(wanted.filter),
        with_payload=bool(wanted.with_payload),
    )


def _prefetches(wanted: Any) -> list[edge.Prefetch]:
    """Candidates; those of a prefetch that has its own are scored anew by its query."""
    return [
        edge.Prefetch(
            item.limit or 10,
            query=_query(item.query, item.using),
            prefetches=_prefetches(item.prefetch),
            filter=condition(item.filter),
        )
        for item in (wanted if isinstance(wanted, list) else [])
    ]


def _query(wanted: Any, using: str | None) -> Any:
    if isinstance(wanted, models.RrfQuery):
        return edge.Fusion.Rrf(wanted.rrf.k or 2, wanted.rrf.weights)
    if isinstance(wanted, models.FormulaQuery):
        return edge.Formula(_expression(wanted.formula), wanted.defaults)
    if isinstance(wanted, (list, models.SparseVector)):
        return edge.Query.Nearest(_vector(wanted), using=using)
    raise unknown(f"a query by {type(wanted).__name__}")


def _expression(wanted: Any) -> edge.Expression:
    """Sums and products of numbers and of the branches' scores."""
    if isinstance(wanted, models.SumExpression):
        return edge.Expression.Sum([_expression(item) for item in wanted.sum])
    if isinstance(wanted, models.MultExpression):
        return edge.Expression.Mult([_expression(item) for item in wanted.mult])
    if isinstance(wanted, str):
        return edge.Expression.Variable(wanted)
    if isinstance(wanted, float):
        return edge.Expression.Constant(wanted)
    raise unknown(f"an expression by {type(wanted).__name__}")


def scored(found: edge.ScoredPoint) -> models.ScoredPoint:
    """A point with its score."""
    return models.ScoredPoint(id=_id(found.id), version=found.version, score=found.score, payload=found.payload)


def record(found: edge.Record) -> models.Record:
    """A point without a score; of its vectors, the dense ones."""
    vectors: Any = found.vector
    return models.Record(id=_id(found.id), payload=found.payload, vector=dict(vectors) if vectors else None)


def _id(id_: int | str | UUID) -> int | str:
    return str(id_) if isinstance(id_, UUID) else id_


def ids(wanted: Sequence[models.ExtendedPointId]) -> list[int | str | UUID]:
    """Ids as the engine takes them."""
    return list(wanted)
