"""What is known of the features in the vector store: by which models they were made, and how far each document is."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import DataCategory, text_hash


class IndexSpec(BaseModel):
    """The models that make an index's vectors. Vectors of two different specs must never be compared."""

    model_config = ConfigDict(frozen=True)

    model_id: str = Field(description="The embedding model's id on the Hugging Face Hub.")
    revision: str = Field(description="Which weights: their SHA-256.")
    precision: str = Field(description="What the model computes in: 'float32', or 'int8' with the calibration's hash.")
    dimension: int = Field(gt=0, description="Length of the dense vectors.")
    sparse_encoder: str = Field(description="Name and parameters of what makes the sparse vectors.")

    @property
    def key(self) -> str:
        """12 hexadecimal digits that stand for the whole; part of the names of the index's collections."""
        parts = (self.model_id, self.revision, self.precision, str(self.dimension), self.sparse_encoder)
        return text_hash(*parts)[:12]

    def describe(self) -> str:
        """The spec in a few words."""
        return f"{self.model_id}@{self.revision[:12]} ({self.precision}, {self.dimension} dimensions)"


class FeatureState(BaseModel):
    """How far the features of one document are.

    While they are being written the hash is empty, so that a run that was killed is taken up again; `chunk_count` then
    covers the chunks of both the old and the new text, so that none is forgotten.
    """

    model_config = ConfigDict(frozen=True)

    feature_hash: str = Field(description="Hash of everything that the features depend on.")
    chunk_count: int
    category: DataCategory


class ChunkSize(BaseModel):
    """How large the chunks of one category are, in tokens of the embedding model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int | None = Field(
        default=None, ge=16, description="Context, lead and slice together; None, or more than it: the model's window."
    )
    min_tokens: int = Field(default=0, ge=0, description="A section below is joined to the next one where both fit.")
    overlap_tokens: int = Field(
        default=0, ge=0, description="How much of the slice before is repeated where a cut goes through a paragraph."
    )


class ChunkSizes(BaseModel):
    """One size a category; the table in `configs/chunking.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    articles: ChunkSize = ChunkSize(min_tokens=48, overlap_tokens=32)
    posts: ChunkSize = ChunkSize(overlap_tokens=32)
    repositories: ChunkSize = ChunkSize()

    def of(self, category: DataCategory) -> ChunkSize:
        """The size for a category."""
        size: ChunkSize = getattr(self, category.value)
        return size


class StoredChunk(BaseModel):
    """What stands in the vector store of a chunk, without its text: enough to compare the stores."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    document_id: UUID
    index: int
