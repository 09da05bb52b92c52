"""What the chunks of the documents are like: how long, how many, samples, and the ones worth a look."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import DataCategory

BINS = 16
_EXCERPT_CHARACTERS = 1500


class Spread(BaseModel):
    """How numbers are spread; all 0 where there are none. Percentiles are the nearest of the numbers."""

    count: int = 0
    minimum: int = 0
    p5: int = 0
    median: int = 0
    p95: int = 0
    maximum: int = 0
    mean: float = 0.0

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> "Spread":
        """The spread of numbers of which it is known how often each of them occurs."""
        total = sum(counts.values())
        if not total:
            return cls()
        return cls(
            count=total,
            minimum=min(counts),
            p5=_percentile(counts, total, 0.05),
            median=_percentile(counts, total, 0.5),
            p95=_percentile(counts, total, 0.95),
            maximum=max(counts),
            mean=sum(value * count for value, count in counts.items()) / total,
        )


class Bin(BaseModel):
    """How many chunks have from `start` to `end` tokens, both included."""

    start: int
    end: int
    count: int


class ChunkView(BaseModel):
    """A chunk for a person to look at."""

    title: str
    link: str
    index: int
    token_count: int
    context: str
    lead: str
    text: str = Field(description="At most the first 1,500 characters.")
    note: str = Field(default="", description="What is unusual about it.")

    @classmethod
    def of(cls, chunk: Chunk, note: str = "") -> "ChunkView":
        """The view of a chunk."""
        text = chunk.text if len(chunk.text) <= _EXCERPT_CHARACTERS else f"{chunk.text[:_EXCERPT_CHARACTERS]} […]"
        return cls(
            title=chunk.document.title,
            link=chunk.document.link,
            index=chunk.index,
            token_count=chunk.token_count,
            context=chunk.context,
            lead=chunk.lead,
            text=text,
            note=note,
        )


class DocumentView(BaseModel):
    """A document and how many chunks it has."""

    title: str
    link: str
    chunks: int


class CategoryInspection(BaseModel):
    """The chunks of one category."""

    category: DataCategory
    window: int = Field(description="The most tokens that a chunk may have.")
    documents: int
    empty: int = Field(description="Documents without a word after cleaning.")
    languages: dict[str, int] = Field(description="Documents by language, most frequent first; '' is unknown.")
    tokens: Spread
    chunks_of_document: Spread
    full: int = Field(description="Chunks that fill nine tenths of the window or more.")
    with_lead: int
    histogram: list[Bin]
    shortest: list[ChunkView]
    longest: list[ChunkView]
    unusual: list[ChunkView]
    largest_documents: list[DocumentView]
    samples: list[ChunkView]

    @property
    def full_share(self) -> float:
        """Which share of the chunks fills the window."""
        return self.full / self.tokens.count if self.tokens.count else 0.0


class ChunkInspection(BaseModel):
    """All categories that were looked at."""

    model_id: str
    categories: list[CategoryInspection]


def histogram(counts: Mapping[int, int], window: int) -> list[Bin]:
    """Chunks by length, in bins of the same width from 1 to the window; the last one may be narrower."""
    width = -(-window // BINS)
    bins = [Bin(start=start, end=min(start + width - 1, window), count=0) for start in range(1, window + 1, width)]
    for tokens, count in counts.items():
        bins[min(max(tokens - 1, 0) // width, len(bins) - 1)].count += count
    return bins


def _percentile(counts: Mapping[int, int], total: int, share: float) -> int:
    """The least number that at least this share of all is not above (nearest rank)."""
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= share * total:
            return value
    return max(counts)
