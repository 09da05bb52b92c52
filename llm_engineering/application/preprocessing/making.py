"""How features are made of a document: cleaned, cut into chunks, embedded. Nothing is read from a store or written.

The feature pipeline, the follower of changes and a job on many machines all use these functions.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.application.preprocessing.language import LanguageDetector
from llm_engineering.domain.chunks import Chunk, EmbeddedChunk
from llm_engineering.domain.documents import CleanedDocument, RawDocument, text_hash
from llm_engineering.domain.features import ChunkSizes, FeatureState, IndexSpec
from llm_engineering.domain.ports import Embedder, SparseEncoder

# Raise it when cleaning or chunking changes what it makes: every document is then done anew.
PREPROCESSING_VERSION = 2
# Short texts go in larger batches, up to so many times the embedder's batch of texts that fill the window.
LARGEST_BATCH_FACTOR = 8
# What a single document can make cleaning and chunking raise; the others go on.
DOCUMENT_FAULTS = (ValueError, TypeError, LookupError, RecursionError)


@dataclass(frozen=True)
class FeatureMakers:
    """The models and sizes that turn a document into embedded chunks.

    Without `detect_language` a document's language is what it says of itself.
    """

    embedder: Embedder
    sparse: SparseEncoder
    sizes: ChunkSizes
    detect_language: LanguageDetector | None = None

    def spec(self) -> IndexSpec:
        """What the index is made by. Loads the embedding model."""
        return IndexSpec(
            model_id=self.embedder.model_id,
            revision=self.embedder.revision,
            precision=self.embedder.precision,
            dimension=self.embedder.dimension,
            sparse_encoder=self.sparse.name,
        )


@dataclass(frozen=True)
class DocumentFeatures:
    """A document as it goes into the vector store, its chunks not embedded yet."""

    cleaned: CleanedDocument
    state: FeatureState
    chunks: list[Chunk]


def prepare_document(raw: RawDocument, makers: FeatureMakers, noise_lines: Collection[str] = ()) -> DocumentFeatures:
    """Clean and cut one document, with the model's tokenizer.

    `noise_lines` are those of the lines learned of its site that it has, see `site_noise.noise_of`.
    """
    embedder, size = makers.embedder, makers.sizes.of(raw.category)
    cleaned = clean(raw, noise_lines, makers.detect_language)
    chunks = chunk(cleaned, embedder.token_starts, embedder.max_tokens, size)
    hashed = feature_hash(raw, makers, noise_lines)
    state = FeatureState(feature_hash=hashed, chunk_count=len(chunks), category=raw.category)
    return DocumentFeatures(cleaned, state, chunks)


def feature_hash(raw: RawDocument, makers: FeatureMakers, noise_lines: Collection[str] = ()) -> str:
    """Hash of all that a document's features depend on. Loads no model.

    The text itself is hashed: the stored hash of one that was edited by hand is that of another text.
    """
    return text_hash(
        raw.actual_hash(),
        raw.link,
        raw.platform,
        raw.author_full_name,
        raw.published_at.isoformat() if raw.published_at else "",
        raw.language or "",
        str(PREPROCESSING_VERSION),
        makers.embedder.model_id,
        makers.embedder.precision,
        makers.sparse.name,
        makers.sizes.of(raw.category).model_dump_json(),
        "language detected" if makers.detect_language else "",
        *sorted(noise_lines),
    )


def embed_batches(chunks: Iterable[Chunk], makers: FeatureMakers) -> Iterator[list[EmbeddedChunk]]:
    """Embed chunks of any documents, batch by batch, longest first: a batch has little padding then."""
    for batch in _length_sorted_batches(chunks, makers.embedder):
        texts = [chunk.embedding_text for chunk in batch]
        vectors = makers.embedder.embed_passages(texts)
        yield [
            EmbeddedChunk(chunk=chunk, vector=vector, sparse=makers.sparse.encode_passage(text))
            for chunk, vector, text in zip(batch, vectors, texts, strict=True)
        ]


def _length_sorted_batches(chunks: Iterable[Chunk], embedder: Embedder) -> Iterator[list[Chunk]]:
    """Batches of about as many tokens, padding included, as `batch_size` texts that fill the window.

    Their sizes are multiples of `batch_size`: some models compute in rows of so many texts.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk.token_count, reverse=True)
    start = 0
    while start < len(ordered):
        longest = max(ordered[start].token_count, 1)
        factor = min(max(embedder.max_tokens // longest, 1), LARGEST_BATCH_FACTOR)
        size = embedder.batch_size * factor
        yield ordered[start : start + size]
        start += size
