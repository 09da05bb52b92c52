"""How a search is asked for, and what it found on which way."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_engineering.domain.chunks import SparseVector, Vector
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.queries import RetrievedChunk

Fusion = Literal["rrf", "linear", "adaptive"]


class ChunkFilter(BaseModel):
    """Which chunks to search; an empty condition lets everything pass, several are all met."""

    model_config = ConfigDict(frozen=True)

    author_ids: tuple[UUID, ...] = ()
    categories: tuple[DataCategory, ...] = ()
    platforms: tuple[str, ...] = ()
    languages: tuple[str, ...] = Field(default=(), description="ISO 639-1 codes.")
    published_from: datetime | None = Field(default=None, description="The first moment that counts.")
    published_before: datetime | None = Field(default=None, description="The first moment that counts no more.")


class QueryVectors(BaseModel):
    """One wording of a question; a branch that is None is not searched."""

    model_config = ConfigDict(frozen=True)

    dense: Vector | None = Field(default=None, repr=False)
    sparse: SparseVector | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _has_a_branch(self) -> Self:
        if self.dense is None and self.sparse is None:
            raise ValueError("a dense or a sparse vector")
        return self


class SearchRequest(BaseModel):
    """Several wordings searched in one batched call.

    Both branches of a wording bring `candidates` chunks each, and the vector store fuses them:

    rrf: by reciprocal rank (Cormack, Clarke and Buettcher, 2009), weighted as Qdrant does it: a chunk scores the sum of
    1 / (rrf_k + rank / (2 * weight)) over the branches that found it, ranks counted from 1. A branch of weight 0 is not
    searched where there is the other one.

    linear: by a sum of the scores (Bruch, Gai and Ingber, 2023): cosine + bm25_weight * BM25.

    adaptive: the same with the square of BM25 a term of the question: cosine + bm25_weight * (BM25 / terms) ** 2. Where
    a chunk has most of the terms, rare ones among them, the words decide; where the best have few, the meaning does.

    Both take the cosine of every candidate, whichever branch brought it; a chunk that the sparse branch did not bring
    has no points of BM25.
    """

    model_config = ConfigDict(frozen=True)

    queries: Sequence[QueryVectors]
    limit: int = Field(ge=1)
    candidates: int = Field(default=50, ge=1)
    fusion: Fusion = "rrf"
    rrf_k: int = Field(default=60, ge=1)
    dense_weight: float = Field(default=0.5, ge=0, le=1, description="The sparse branch has the rest of 1.")
    bm25_weight: float = Field(default=0.05, gt=0, description="linear, adaptive: what a point is worth in cosine.")
    filter: ChunkFilter = ChunkFilter()


class RetrievalOptions(BaseModel):
    """How to retrieve; the defaults stand in `configs/retrieval.yaml`, with the evaluation that chose them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["dense", "sparse", "hybrid"] = "hybrid"
    fusion: Fusion = Field(
        default="rrf", description="By ranks, by scores, or by scores with BM25 set to the question."
    )
    dense_weight: float = Field(
        default=0.5, ge=0, le=1, description="rrf: the dense branch's; the sparse has the rest."
    )
    rrf_k: int = Field(default=60, ge=1, description="rrf: the larger, the less the first ranks stand out.")
    bm25_weight: float = Field(default=0.05, gt=0, description="linear, adaptive: what a point is worth in cosine.")
    candidates: int = Field(default=50, ge=1, le=1000)
    self_query: Literal["off", "rules", "llm"] = "rules"
    expansion: Literal["off", "rules", "llm", "hyde"] = "off"
    variants: int = Field(default=3, ge=1, le=10, description="Wordings that expansion makes beside the question.")
    rerank: Literal["off", "trained", "cross-encoder"] = "off"
    rerank_candidates: int = Field(default=20, ge=1, le=200)
    chunks_per_document: int = Field(
        default=2, ge=0, description="At most so many of the results, more only to fill them up; 0: any number."
    )
    diversity: float = Field(
        default=0.0, ge=0, le=1, description="Weight of novelty in MMR (Carbonell and Goldstein, 1998); 0: off."
    )
    stage_seconds: float = Field(
        default=5.0, gt=0, description="Longest a stage with a language model or a reranker may take."
    )
    context_tokens: int = Field(default=2048, ge=64, description="How much of the texts the language model is given.")
    neighbours: int = Field(default=1, ge=0, le=5, description="Chunks before and after a hit that may be added.")


class RetrievalNotes(BaseModel):
    """What happened on the way; part of the answer's metadata."""

    model_config = ConfigDict(frozen=True)

    variants: tuple[str, ...] = Field(default=(), description="Wordings that were searched beside the question.")
    filter: ChunkFilter = ChunkFilter()
    filtered_by: tuple[str, ...] = Field(default=(), description="In words, what the question was understood to ask.")
    warnings: tuple[str, ...] = Field(default=(), description="Stages that failed or were too slow, and unknown names.")
    scored_by: str = Field(default="", description="What the scores are: cosine, BM25, fused ranks, or the reranker's.")
    timings: dict[str, float] = Field(default_factory=dict, description="Seconds by stage.")


class Retrieved(BaseModel):
    """The chunks for a question, best first, and how they were found."""

    model_config = ConfigDict(frozen=True)

    chunks: tuple[RetrievedChunk, ...]
    notes: RetrievalNotes = RetrievalNotes()


class Passage(BaseModel):
    """A stretch of one document as the language model reads it: a hit, perhaps with its neighbours."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=1, description="What it is cited by.")
    chunk: RetrievedChunk = Field(description="The best hit in it.")
    text: str
