"""Find the chunks that are nearest to a question."""

from uuid import UUID

from llm_engineering.domain.documents import Author, DataCategory
from llm_engineering.domain.errors import ModelMismatchError, UnknownAuthorError
from llm_engineering.domain.ports import DocumentStore, Embedder, VectorStore
from llm_engineering.domain.queries import Query, RetrievedChunk

# The same text can be stored twice, under two links: ask for more, so that dropping repetitions leaves enough.
OVERSAMPLING = 2


def resolve_author(full_name: str | None, store: DocumentStore) -> UUID | None:
    """The id of the author with this name, whatever its case; None where no name is given.

    Raises:
        UnknownAuthorError: nobody of this name is stored; the message lists who is.
    """
    if full_name is None:
        return None
    wanted = Author.named(full_name).id if full_name.strip() else None
    known = {author.id: author.full_name for author in store.authors()}
    if wanted not in known:
        names = ", ".join(sorted(known.values())) or "nobody yet"
        raise UnknownAuthorError(f"Nothing is stored of {full_name!r}. Known authors: {names}.")
    return wanted


def retrieve(
    query: Query, embedder: Embedder, vectors: VectorStore, author_id: UUID | None = None
) -> list[RetrievedChunk]:
    """The `query.limit` chunks nearest to the question over all categories, best first, no text twice.

    Raises:
        ModelMismatchError: a chunk found was embedded by another model, so that its score means nothing.
    """
    [vector] = embedder.embed([query.text])
    [found] = vectors.search([vector], list(DataCategory), query.limit * OVERSAMPLING, author_id)
    others = {chunk.embedding_model for chunk in found} - {embedder.model_id}
    if others:
        raise ModelMismatchError(
            f"Some texts are embedded by {', '.join(sorted(others))}, the question by {embedder.model_id}. Run the "
            "feature pipeline for every author, or set TEXT_EMBEDDING_MODEL_ID back."
        )
    by_text: dict[str, RetrievedChunk] = {}
    for chunk in found:
        by_text.setdefault(" ".join(chunk.text.split()), chunk)
    return list(by_text.values())[: query.limit]
