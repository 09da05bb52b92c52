"""Which stored author a name means."""

from collections.abc import Iterable
from uuid import UUID

from llm_engineering.application.rag.names import KnownNames
from llm_engineering.domain.documents import Author
from llm_engineering.domain.errors import UnknownAuthorError
from llm_engineering.domain.ports import DocumentStore


def find_author(full_name: str, known: Iterable[Author]) -> Author:
    """The known author with this name, whatever its case.

    Raises:
        UnknownAuthorError: nobody of this name is known; the message lists who is, of many those with the likest names.
    """
    by_id = {author.id: author for author in known}
    wanted = Author.named(full_name).id if full_name.strip() else None
    if wanted not in by_id:
        names = KnownNames(by_id.values()).likest(full_name)
        raise UnknownAuthorError(f"Nothing is stored of {full_name!r}. Known authors: {names}.")
    return by_id[wanted]


def resolve_author(full_name: str | None, store: DocumentStore) -> UUID | None:
    """The id of the stored author with this name; None where no name is given. Raises UnknownAuthorError."""
    return None if full_name is None else find_author(full_name, store.authors()).id
