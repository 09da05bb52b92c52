"""From a question to the chunks that answer it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from llm_engineering.application.authors import find_author
from llm_engineering.application.index_models import check_models
from llm_engineering.application.rag.diversity import cap_per_document, maximal_marginal_relevance
from llm_engineering.application.rag.fusion import merge_wordings, without_repetitions
from llm_engineering.application.rag.known_authors import KnownAuthors
from llm_engineering.application.rag.relaxing import relaxed
from llm_engineering.application.rag.reranking import RerankStage
from llm_engineering.application.rag.understanding import Plan, Planner
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import UnknownAuthorError
from llm_engineering.domain.features import IndexSpec
from llm_engineering.domain.ports import Embedder, LanguageModel, Reranker, SparseEncoder, VectorStore
from llm_engineering.domain.queries import Query, RetrievedChunk
from llm_engineering.domain.retrieval import (
    ChunkFilter,
    QueryVectors,
    RetrievalNotes,
    RetrievalOptions,
    Retrieved,
    SearchRequest,
)

# Repetitions are dropped and a document's share is capped: ask for more, so that enough is left.
OVERSAMPLING = 4


def utc_now() -> datetime:
    """The time that 'last year' in a question counts from."""
    return datetime.now(UTC)


class Retriever:
    """Everything between a question and its chunks. Threads may share it; models are loaded at their first use."""

    def __init__(
        self,
        embedder: Embedder,
        sparse: SparseEncoder,
        vectors: VectorStore,
        authors: Callable[[], Iterable[Author]],
        model: LanguageModel,
        rerankers: Mapping[str, Reranker],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._embedder = embedder
        self._sparse = sparse
        self._vectors = vectors
        self._authors = KnownAuthors(authors)
        self._planner = Planner(self._authors, model, now)
        self._rerank = RerankStage(rerankers)
        self._checked: IndexSpec | None = None

    def retrieve(self, query: Query, options: RetrievalOptions) -> Retrieved:
        """The `query.limit` best chunks, best first, no text twice.

        Raises:
            UnknownAuthorError: `query.author_full_name` is nobody's of whom something is stored.
            ModelMismatchError: the index was made by another embedding model.
            DependencyUnavailableError: the vector store does not answer.
        """
        started = time.perf_counter()
        self._check_index()
        explicit = self._explicit_filter(query)
        plan = self._planner.plan(query.text, options, explicit)
        timings, warnings = dict(plan.seconds), list(plan.warnings)
        with _timed(timings, "embed"):
            wordings = self._wordings(query.text, plan, options)
        with _timed(timings, "search"):
            found, chosen, words = self._search(wordings, plan, explicit, query.limit, options)
        if dropped := [word for word in plan.words if word not in words]:
            warnings.append(f"Nothing matches {', '.join(plan.words)}: searched without {', '.join(dropped)}.")
        merged = without_repetitions(merge_wordings(found, options.rrf_k))
        scored_by = _scored_by(wordings, options)
        if options.rerank != "off" and merged:
            with _timed(timings, "rerank"):
                merged, failure = self._rerank.run(query, merged, options)
            scored_by = scored_by if failure else "reranker"
            warnings.extend(failure)
        chunks = self._diversified(merged, query.limit, options)
        timings["total"] = time.perf_counter() - started
        notes = RetrievalNotes(
            variants=plan.variants,
            filter=chosen,
            filtered_by=words,
            warnings=tuple(warnings),
            scored_by=scored_by,
            timings={stage: round(seconds, 5) for stage, seconds in timings.items()},
        )
        return Retrieved(chunks=tuple(chunks), notes=notes)

    def _check_index(self) -> None:
        """Once for each index that is met: another model's vectors can have the same length."""
        spec = self._vectors.active()
        if spec != self._checked:
            check_models(spec, self._embedder, self._sparse)
            self._checked = spec

    def _explicit_filter(self, query: Query) -> ChunkFilter:
        """What the caller chose, beside the question. A name that is not known may be new: the store is asked again."""
        if query.author_full_name is None:
            return ChunkFilter()
        try:
            author = find_author(query.author_full_name, self._authors().authors)
        except UnknownAuthorError:
            author = find_author(query.author_full_name, self._authors.fresh().authors)
        return ChunkFilter(author_ids=(author.id,))

    def _wordings(self, question: str, plan: Plan, options: RetrievalOptions) -> list[QueryVectors]:
        """Vectors of the question, and of what expansion added to it."""
        by_score = options.fusion != "rrf"
        by_vectors = options.mode == "dense" or (options.mode == "hybrid" and (by_score or options.dense_weight > 0))
        by_terms = options.mode == "sparse" or (options.mode == "hybrid" and (by_score or options.dense_weight < 1))
        texts = (question, *plan.variants)
        dense: Sequence[Vector | None] = self._dense(question, plan) if by_vectors else [None] * len(texts)
        wordings = []
        for number, (text, vector) in enumerate(zip(texts, dense, strict=True)):
            # HyDE is a method of dense retrieval: by the words that a model made up, BM25 finds only those.
            by_words = by_terms and (number == 0 or vector is None or not plan.hypothetical)
            sparse = self._sparse.encode_query(text) if by_words else None
            if vector is not None or (sparse and sparse.indices):
                wordings.append(QueryVectors(dense=vector, sparse=sparse if sparse and sparse.indices else None))
        return wordings

    def _dense(self, question: str, plan: Plan) -> list[Vector]:
        if plan.hypothetical:
            return [*self._embedder.embed_queries([question]), *self._embedder.embed_passages(plan.variants)]
        return self._embedder.embed_queries([question, *plan.variants])

    def _search(
        self,
        wordings: Sequence[QueryVectors],
        plan: Plan,
        explicit: ChunkFilter,
        limit: int,
        options: RetrievalOptions,
    ) -> tuple[list[list[RetrievedChunk]], ChunkFilter, tuple[str, ...]]:
        """What each wording finds, and by which filter: a weaker one where the question's own finds nothing."""
        if not wordings:
            return [], plan.filter, plan.words
        most = max(limit * OVERSAMPLING, options.rerank_candidates if options.rerank != "off" else 1)
        request = SearchRequest(
            queries=wordings,
            limit=most,
            candidates=max(options.candidates, most),
            fusion=options.fusion,
            rrf_k=options.rrf_k,
            dense_weight=options.dense_weight,
            bm25_weight=options.bm25_weight,
            filter=plan.filter,
        )
        found = self._vectors.search(request)
        if any(found):
            return found, plan.filter, plan.words
        for weaker, words in relaxed(plan.filter, plan.words, explicit):
            found = self._vectors.search(request.model_copy(update={"filter": weaker}))
            if any(found):
                return found, weaker, words
        return found, plan.filter, plan.words

    def _diversified(
        self, chunks: Sequence[RetrievedChunk], limit: int, options: RetrievalOptions
    ) -> list[RetrievedChunk]:
        if not options.diversity:
            return cap_per_document(chunks, options.chunks_per_document, limit)
        pool = chunks[: limit * OVERSAMPLING]
        vectors: dict[UUID, Vector] = self._vectors.vectors([chunk.id for chunk in pool])
        return maximal_marginal_relevance(pool, vectors, options.diversity, limit)


def _scored_by(wordings: Sequence[QueryVectors], options: RetrievalOptions) -> str:
    """What the scores of a search are that nothing reranked."""
    if len(wordings) != 1:
        return "fused ranks" if wordings else ""
    [wording] = wordings
    if wording.dense is not None and wording.sparse is not None:
        return "fused ranks" if options.fusion == "rrf" else "cosine and BM25"
    return "BM25" if wording.dense is None else "cosine"


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - started
