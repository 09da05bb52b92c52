"""Forget a person or a link: every trace in the document store and in the vector store.

The vector store goes first and the document store last. What was forgotten is found by what the document store knows,
so that after a kill in between the same command finds the rest.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

from llm_engineering.application.preprocessing.site_noise import noise_of, site_of
from llm_engineering.application.rag.names import KnownNames
from llm_engineering.domain.documents import Author, DataCategory, document_id, encodable
from llm_engineering.domain.errors import InvalidInputError, UnknownAuthorError
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.ports import DocumentStore, VectorStore
from llm_engineering.domain.reports import ForgetReport


def forget(what: str, documents: DocumentStore, vectors: VectorStore, local_root: Path | None = None) -> ForgetReport:
    """Erase an author by name, or a link: its page, repository, folder, export, or all that a feed or user led to.

    A path is taken relative to `local_root`, too. A document with other links that have the same words is erased with
    them. What stands in the vector store alone is erased as well.

    Raises:
        UnknownAuthorError: nothing is stored under this name; the message lists who is known.
        InvalidInputError: nothing is stored of this link, or `what` is empty.
    """
    what = encodable(what.strip())
    if not what:
        raise InvalidInputError("Say what to forget: an author's full name, or a link.")
    known = {author.id: author.full_name for author in documents.authors()}
    noise = documents.site_noise()
    removed: Counter[str] = Counter()
    for author_id in _ids_of_name(what, known):
        if author_id in known:
            removed += _forget_author(author_id, documents, vectors)
    for link in {} if removed else _spellings(what, local_root):
        removed += _forget_link(link, list(known), documents, vectors)
    for author_id in [] if removed else _ids_of_name(what, known):
        removed += _forget_author(author_id, documents, vectors)
    if not removed:
        raise _nothing_stored(what, documents.authors())
    _keep_lines_of_others(noise, documents)
    return ForgetReport(what=without_credentials(what), removed=dict(sorted(removed.items())))


def _forget_author(author_id: UUID, documents: DocumentStore, vectors: VectorStore) -> Counter[str]:
    removed = Counter(vectors.forget(author_id=author_id))
    removed.update(documents.forget_author(author_id))
    return +removed


def _forget_link(link: str, author_ids: list[UUID], documents: DocumentStore, vectors: VectorStore) -> Counter[str]:
    stored = [id_ for ids in documents.documents_of_link(link).values() for id_ in ids]
    # The vector store may still have what the document store has no more.
    possible = [document_id(link, author_id) for author_id in author_ids]
    removed = Counter(vectors.forget(document_ids=list(dict.fromkeys([*stored, *possible]))))
    removed.update(documents.forget_link(link))
    return +removed


def _keep_lines_of_others(noise: dict[str, list[str]], documents: DocumentStore) -> None:
    """Of the lines learned of a site, which went with its document, keep those that other documents still have.

    So the features of the others stay as they are. After a kill before this, the next feature pipeline learns anew.
    """
    gone = {site: lines for site, lines in noise.items() if site not in documents.site_noise()}
    kept: dict[str, set[str]] = {}
    for raw in documents.stream(DataCategory.ARTICLES) if gone else ():
        if lines := noise_of(raw, gone):
            kept.setdefault(site_of(raw), set()).update(lines)
    documents.save_site_noise({site: sorted(lines) for site, lines in kept.items()})


def _ids_of_name(what: str, known: dict[UUID, str]) -> list[UUID]:
    """The ids that belong to the name: its own, and those under which older versions stored another form of it."""
    try:
        wanted = Author.named(what).id
    except InvalidInputError:
        return []
    others = (id_ for id_, name in known.items() if id_ != wanted and Author.named(name).id == wanted)
    return [wanted, *others]


def _spellings(what: str, local_root: Path | None) -> dict[str, None]:
    """The link as it is, and as the address of a local file, each once."""
    is_file = what.lower().startswith("file://")
    if local_root is None or ("://" in what and not is_file):
        return {what: None}
    path = Path(unquote(urlsplit(what).path) if is_file else what)
    with suppress(RuntimeError):  # `~NAME` of nobody on this machine
        path = path.expanduser()
    return {what: None, (local_root / path).resolve().as_uri(): None}


def _nothing_stored(what: str, authors: Iterable[Author]) -> InvalidInputError:
    known = f"Known authors: {KnownNames(authors).likest(without_credentials(what))}."
    if "://" in what:
        return InvalidInputError(f"Nothing is stored of the link {without_credentials(what)!r}. {known}")
    return UnknownAuthorError(f"Nothing is stored of {what!r}, neither as an author nor as a link. {known}")
