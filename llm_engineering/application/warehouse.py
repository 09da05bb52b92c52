"""Back-up of the raw data, in the JSON format of the handbook's companion repository.

One file a collection, each an array. An article's `content` has `Title`, `Subtitle`, `Content` and `language`; a
post's any sections of text; a repository's the text of each file by its path. What the format has no place for
(`source`, `byline`, `published_at`, and the `file_link` and `file_source` of a repository's file where they do not
follow from the others) stands beside it. Ids are our own deterministic ones, so a dump from elsewhere
meets what was crawled here.

A dump has every text, once: of a text that stands under several links, the one it is stored under. The other links,
the history of a text and what is remembered of sources and runs are not in it; the next crawl finds the links again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_engineering.application.crawlers.files import file_link
from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import InvalidDumpError, InvalidInputError
from llm_engineering.domain.links import canonical_link, canonical_repository_link
from llm_engineering.domain.ports import DocumentStore, Progress
from llm_engineering.domain.reports import ImportReport, WriteCounts
from llm_engineering.domain.sources import MAX_DOCUMENT_BYTES

USERS = "UserDocument"
COLLECTIONS: dict[DataCategory, str] = {
    DataCategory.ARTICLES: "ArticleDocument",
    DataCategory.POSTS: "PostDocument",
    DataCategory.REPOSITORIES: "RepositoryDocument",
}
_POST_TITLE_CHARACTERS = 80


class Dump(Protocol):
    """A folder with a JSON array a collection."""

    def read(self, collection: str) -> Iterator[Any]: ...

    def write(self, collection: str, records: Iterable[Mapping[str, Any]]) -> int: ...

    def has(self, collection: str) -> bool: ...


class DumpedDocument(BaseModel):
    """A record of a document file. Unknown keys are ignored: dumps of other versions have some."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(alias="_id")
    content: dict[str, str | None]
    platform: str = "unknown"
    author_full_name: str
    link: str | None = None
    source: str | None = None
    file_link: str | None = None
    file_source: str | None = None
    name: str | None = None
    byline: str | None = None
    published_at: datetime | None = None


class DumpedUser(BaseModel):
    """A record of the users' file."""

    model_config = ConfigDict(extra="ignore")

    first_name: str
    last_name: str


def export_raw_data(store: DocumentStore, dump: Dump, progress: Progress) -> ImportReport:
    """Write every author and raw document to the dump."""
    authors = ({"_id": str(a.id), "first_name": a.first_name, "last_name": a.last_name} for a in store.authors())
    report = ImportReport(authors=dump.write(USERS, authors))
    for category, collection in COLLECTIONS.items():
        with progress.task(f"Exporting {category}", total=store.count(category)) as advance:
            written = dump.write(collection, _counted(map(to_record, store.stream(category)), advance))
        report.documents[category.value] = WriteCounts(new=written)
    return report


def import_raw_data(dump: Dump, store: DocumentStore, progress: Progress) -> ImportReport:
    """Store every record of the dump. A record that cannot be read is counted with its reason; the others go on.

    Raises:
        InvalidDumpError: the folder has none of the files, or one of them is not a JSON array.
    """
    present = [category for category, collection in COLLECTIONS.items() if dump.has(collection)]
    if not present and not dump.has(USERS):
        names = ", ".join(f"{name}.json" for name in (USERS, *COLLECTIONS.values()))
        raise InvalidDumpError(f"There is no dump in {dump}: expected at least one of {names}.")
    report = ImportReport()
    if dump.has(USERS):
        _import_users(dump, store, report)
    for category in present:
        report.documents[category.value] = WriteCounts()
        with progress.task(f"Importing {category}", total=0) as advance:
            for batch in batched(_documents(dump, category, report), BATCH_SIZE):
                for name in {document.author_full_name for document in batch}:
                    store.get_or_create_author(name)
                counts = store.upsert(batch)
                if counts.total > counts.unchanged:
                    _read_anew(store, {(document.source, document.author_id) for document in batch})
                report.documents[category.value] += counts
                advance(len(batch))
    return report


def to_record(document: RawDocument) -> dict[str, Any]:
    """A document as the handbook's JSON has it."""
    record: dict[str, Any] = {
        "_id": str(document.id),
        "content": {"Title": document.title, "Subtitle": document.subtitle, "Content": document.content},
        "platform": document.platform,
        "author_id": str(document.author_id),
        "author_full_name": document.author_full_name,
        "link": document.link,
    }
    if document.category is DataCategory.REPOSITORIES:
        name, _, path = document.title.partition("/")
        record |= {"content": {path: document.content}, "name": name, "link": document.source}
        if document.link != file_link(_root(document.source), path) or document.source != _root(document.source):
            record |= {"file_link": document.link, "file_source": document.source}
    else:
        record["content"]["language"] = document.language
        if document.source != canonical_link(document.link):
            record["source"] = document.source
        if document.byline:
            record["byline"] = document.byline
    if document.published_at:
        record["published_at"] = document.published_at.isoformat()
    return record


def from_record(category: DataCategory, record: Any) -> list[RawDocument]:
    """The documents of a record: one, or of a repository one a file.

    Raises:
        InvalidDumpError: the record lacks what a document needs; the message says what.
    """
    try:
        dumped = DumpedDocument.model_validate(record)
        author = Author.named(dumped.author_full_name)
        if category is DataCategory.REPOSITORIES:
            return _repository_files(dumped, author)
        return [_text_document(category, dumped, author)]
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'record'}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise InvalidDumpError(problems) from error
    except InvalidInputError as error:
        raise InvalidDumpError(str(error)) from error


def _text_document(category: DataCategory, dumped: DumpedDocument, author: Author) -> RawDocument:
    sections = {key.casefold(): text for key, text in dumped.content.items() if text}
    title, subtitle, language = (sections.pop(key, None) for key in ("title", "subtitle", "language"))
    text = sections.pop("content", None) or "\n\n".join(sections.values())
    if not text.strip():
        raise InvalidDumpError("the content has no text")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_DOCUMENT_BYTES:
        raise InvalidDumpError(f"the content is larger than the {MAX_DOCUMENT_BYTES:,} bytes that are stored of a text")
    link = dumped.link or f"urn:uuid:{dumped.id}"
    return RawDocument.create(
        category=category,
        platform=dumped.platform,
        link=link,
        source=dumped.source,
        author=author,
        title=title or text.strip().splitlines()[0][:_POST_TITLE_CHARACTERS],
        byline=dumped.byline,
        subtitle=subtitle,
        content=text,
        language=language,
        published_at=dumped.published_at,
    )


def _repository_files(dumped: DumpedDocument, author: Author) -> list[RawDocument]:
    if not dumped.link:
        raise InvalidDumpError("link: a repository needs one")
    root = _root(dumped.link)
    texts = {path: text for path, text in dumped.content.items() if text}
    own_link = dumped.file_link if len(texts) == 1 else None
    # The title is NAME/PATH, so the name itself has no slash.
    name = (dumped.name or root).rstrip("/").rsplit("/", 1)[-1]
    files = [
        RawDocument.create(
            category=DataCategory.REPOSITORIES,
            platform=dumped.platform,
            link=own_link or file_link(root, path),
            source=dumped.file_source or root,
            author=author,
            title=f"{name}/{path}",
            content=text,
        )
        for path, text in texts.items()
    ]
    if not files:
        raise InvalidDumpError("the content has no text")
    return files


def _root(link: str) -> str:
    """The canonical link of a repository. On a disk, `x.git` and `x` are two."""
    is_of_web = link.lower().startswith(("http://", "https://"))
    return canonical_repository_link(link) if is_of_web else canonical_link(link)


def _read_anew(store: DocumentStore, sources: set[tuple[str, UUID]]) -> None:
    """Forget how far the sources were read: else the next crawl would take what was imported for what is there."""
    states = [store.source_state(*source) for source in sources]
    listings = {(state.listed_by, state.author_id) for state in states if state and state.listed_by}
    for state in [*states, *(store.source_state(*listing) for listing in listings - sources)]:
        if state and (state.etag or state.last_modified or state.revision):
            store.save_source_state(state.model_copy(update=dict.fromkeys(("etag", "last_modified", "revision"))))


def _documents(dump: Dump, category: DataCategory, report: ImportReport) -> Iterator[RawDocument]:
    collection = COLLECTIONS[category]
    for position, record in enumerate(dump.read(collection)):
        try:
            yield from from_record(category, record)
        except InvalidDumpError as error:
            report.rejected[f"{collection}.json, record {position}"] = str(error)


def _import_users(dump: Dump, store: DocumentStore, report: ImportReport) -> None:
    for position, record in enumerate(dump.read(USERS)):
        try:
            user = DumpedUser.model_validate(record)
            names = dict.fromkeys((user.first_name.strip(), user.last_name.strip()))
            store.get_or_create_author(" ".join(names))
            report.authors += 1
        except (ValidationError, InvalidInputError):
            report.rejected[f"{USERS}.json, record {position}"] = "a user needs first_name and last_name"


def _counted(records: Iterable[Mapping[str, Any]], advance: Callable[[float], None]) -> Iterator[Mapping[str, Any]]:
    for record in records:
        yield record
        advance(1)
