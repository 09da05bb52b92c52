"""What the vector store will not take of a document must not hold up the other documents."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.making import DocumentFeatures
from llm_engineering.domain.errors import RefusedWriteError
from llm_engineering.domain.features import FeatureState


def write_acceptable(
    writer: FeatureWriter,
    items: Sequence[DocumentFeatures],
    stored: Mapping[UUID, FeatureState],
    advance: Callable[[float], None] | None = None,
) -> dict[UUID, str]:
    """Write the documents together; where the store refuses that, one by one.

    Returns:
        The reason by document, of those that the store refuses. They stay as they were, or marked as unfinished.
    """
    try:
        writer.write(items, stored, advance)
    except RefusedWriteError:
        refused: dict[UUID, str] = {}
        for item in items:
            try:
                writer.write([item], stored)
            except RefusedWriteError as error:
                refused[item.cleaned.id] = f"{type(error).__name__}: {error}"
        return refused
    return {}
