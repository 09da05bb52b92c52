"""The stores of MongoDB in memory, for unit tests. That of documents links, keeps and forgets as the real one does."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from threading import RLock
from uuid import UUID

from llm_engineering.domain.documents import Author, DataCategory, RawDocument, text_hash
from llm_engineering.domain.generation import Generation
from llm_engineering.domain.links import host_of, identity
from llm_engineering.domain.reports import DocumentCount, EtlReport, WriteCounts
from llm_engineering.domain.sources import SourceState

TEXTS = (DataCategory.ARTICLES, DataCategory.POSTS)


class MemoryDocumentStore:
    """Documents in a dictionary. `aliases` has those of the same words, each with the id of the one that is stored."""

    def __init__(self, documents: Iterable[RawDocument] = ()) -> None:
        self._lock = RLock()
        self._authors: dict[UUID, Author] = {}
        self.documents: dict[UUID, RawDocument] = {}
        self.aliases: list[tuple[UUID, RawDocument]] = []
        self.states: dict[tuple[str, UUID], SourceState] = {}
        self.reports: dict[UUID, EtlReport] = {}
        self.noise: dict[str, list[str]] = {}
        for document in documents:
            self.get_or_create_author(document.author_full_name)
            self.documents[document.id] = document

    def get_or_create_author(self, full_name: str) -> Author:
        author = Author.named(full_name)
        return self._authors.setdefault(author.id, author)

    def authors(self) -> Iterator[Author]:
        yield from list(self._authors.values())

    def upsert(self, documents: Iterable[RawDocument]) -> WriteCounts:
        with self._lock:
            unique = {document.id: document for document in documents}
            counts = Counter(self._upsert(document) for document in unique.values())
        return WriteCounts(**counts)

    def stream(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> Iterator[RawDocument]:
        for document in list(self.documents.values()):
            if document.category is category and (author_ids is None or document.author_id in author_ids):
                yield document

    def ids(self, category: DataCategory) -> Iterator[UUID]:
        yield from (document.id for document in self.stream(category))

    def by_ids(self, document_ids: Sequence[UUID]) -> list[RawDocument]:
        return [self.documents[id_] for id_ in document_ids if id_ in self.documents]

    def rehash(self, document_ids: Sequence[UUID]) -> int:
        edited = [d for d in self.by_ids(document_ids) if d.content_hash != d.actual_hash()]
        self.documents |= {d.id: d.model_copy(update={"content_hash": d.actual_hash()}) for d in edited}
        return len(edited)

    def site_noise(self) -> dict[str, list[str]]:
        return dict(self.noise)

    def save_site_noise(self, noise: dict[str, list[str]]) -> None:
        self.noise = {site: lines for site, lines in {**self.noise, **noise}.items() if lines}

    def count(self, category: DataCategory, author_ids: Sequence[UUID] | None = None) -> int:
        return sum(1 for _ in self.stream(category, author_ids))

    def delete_vanished(self, source: str, author_id: UUID, present: Iterable[UUID]) -> int:
        with self._lock:
            gone = self._ids_of(source, author_id) - set(present)
            self.aliases = [(o, d) for o, d in self.aliases if d.source != source or d.id not in gone]
            counted = set(gone)
            for id_ in gone & self.documents.keys():
                if self.documents[id_].source != source:
                    counted.discard(id_)
                    continue
                elsewhere = next(((o, d) for o, d in self.aliases if (o, d.id) == (id_, id_)), None)
                if elsewhere:
                    self.documents[id_] = self.documents[id_].model_copy(update={"source": elsewhere[1].source})
                    self.aliases.remove(elsewhere)
                    counted.discard(id_)
                else:
                    self._hand_over(id_)
                    del self.documents[id_]
            return len(counted)

    def count_source(self, source: str, author_id: UUID) -> int:
        return len(self._ids_of(source, author_id))

    def source_state(self, source: str, author_id: UUID) -> SourceState | None:
        return self.states.get((source, author_id))

    def save_source_state(self, state: SourceState) -> None:
        self.states[(state.source, state.author_id)] = state

    def sources_listed_by(self, listing: str, author_id: UUID) -> list[SourceState]:
        states = list(self.states.values())
        found = [s for s in states if s.listed_by == listing and s.author_id == author_id and not s.gone]
        return sorted(found, key=lambda state: state.source)

    def save_run(self, report: EtlReport) -> None:
        self.reports[report.id] = report.model_copy(deep=True)

    def runs(self, limit: int) -> list[EtlReport]:
        return sorted(self.reports.values(), key=lambda report: report.started_at, reverse=True)[:limit]

    def statistics(self) -> list[DocumentCount]:
        counts = Counter((d.author_full_name, d.category.value, d.platform) for d in self.documents.values())
        return [
            DocumentCount(author=author, category=category, platform=platform, documents=count)
            for (author, category, platform), count in sorted(counts.items())
        ]

    def documents_of_link(self, link: str) -> dict[DataCategory, list[UUID]]:
        sources = self._sources_of(link)
        found = {
            o for o, d in [*((d.id, d) for d in self.documents.values()), *self.aliases] if _is_of(d, link, sources)
        }
        return {
            category: [id_ for id_ in found if id_ in self.documents and self.documents[id_].category is category]
            for category in DataCategory
        }

    def forget_author(self, author_id: UUID) -> dict[str, int]:
        with self._lock:
            ids = {id_ for id_, document in self.documents.items() if document.author_id == author_id}
            removed = self._erase(ids)
            states = [key for key in self.states if key[1] == author_id]
            reports = [id_ for id_, report in self.reports.items() if Author.named(report.author).id == author_id]
            for key in states:
                del self.states[key]
            for id_ in reports:
                del self.reports[id_]
            users = int(self._authors.pop(author_id, None) is not None)
            return {**removed, "sources": len(states), "etl_runs": len(reports), "users": users}

    def forget_link(self, link: str) -> dict[str, int]:
        with self._lock:
            sources = self._sources_of(link)
            ids = {id_ for found in self.documents_of_link(link).values() for id_ in found}
            removed = self._erase(ids)
            states = [key for key in self.states if identity(key[0]) in sources]
            for key in states:
                del self.states[key]
            cleared = [self._clear(report, sources) for report in self.reports.values()]
            return {**removed, "sources": len(states), "etl_runs (entries of it)": sum(cleared)}

    def ping(self) -> None:
        pass

    def _upsert(self, document: RawDocument) -> str:
        if not _is_of_web(document.source) and (owner_id := self._page_at(document.id)):
            self._add_alias(owner_id, document)
            return "unchanged"
        own, twin = self.documents.get(document.id), self._twin(document)
        owner = twin.id if twin else document.id
        was_alias = any(o == owner and d.id == document.id for o, d in self.aliases)
        self.aliases = [(o, d) for o, d in self.aliases if d.id != document.id or o == owner]
        if twin:
            if own:
                self._hand_over(own.id)
                del self.documents[own.id]
            self._add_alias(twin.id, document)
            return "linked" if own or not was_alias else "unchanged"
        if own is None:
            self.documents[document.id] = document
            return "new"
        if own.content_hash == document.content_hash:
            if own.source != document.source:
                self._add_alias(own.id, document)
            return "unchanged"
        if own.fingerprint != document.fingerprint:
            self._hand_over(own.id)
        self.documents[document.id] = document
        if own.source != document.source:
            self._add_alias(own.id, document.model_copy(update={"source": own.source}))
        self.aliases = [(o, d) for o, d in self.aliases if (d.id, d.source) != (document.id, document.source)]
        return "changed"

    def _page_at(self, id_: UUID) -> UUID | None:
        """The id of the document that has what a page of the web says at the link; None where there is no such page."""
        if (own := self.documents.get(id_)) and _is_of_web(own.source):
            return id_
        return next((owner for owner, d in self.aliases if d.id == id_ and _is_of_web(d.source)), None)

    def _twin(self, document: RawDocument) -> RawDocument | None:
        if document.category not in TEXTS:
            return None
        same = [
            other
            for other in self.documents.values()
            if other.category in TEXTS
            and (other.author_id, other.fingerprint) == (document.author_id, document.fingerprint)
            and other.id != document.id
        ]
        near = [other for other in same if other.category is document.category]
        may_give_way = document.category is DataCategory.POSTS or document.id not in self.documents
        return next(iter([*near, *(same if may_give_way else [])]), None)

    def _add_alias(self, owner: UUID, document: RawDocument) -> None:
        if not any((o, d.id, d.source) == (owner, document.id, document.source) for o, d in self.aliases):
            self.aliases.append((owner, document))

    def _hand_over(self, id_: UUID) -> None:
        """The first of the other links with the words of a document becomes one; its own aliases go."""
        old, heirs = self.documents[id_], [d for o, d in self.aliases if o == id_ and d.id != id_]
        self.aliases = [(o, d) for o, d in self.aliases if o != id_]
        if heirs:
            first, *others = heirs
            hashed = text_hash(first.category, first.title, first.subtitle or "", old.content)
            self.documents[first.id] = first.model_copy(update={"content": old.content, "content_hash": hashed})
            self.aliases += [(first.id, document) for document in others]

    def _ids_of(self, source: str, author_id: UUID) -> set[UUID]:
        aliases = [document for owner, document in self.aliases if owner in self.documents]
        documents = [*self.documents.values(), *aliases]
        return {d.id for d in documents if d.source == source and d.author_id == author_id}

    def _sources_of(self, link: str) -> set[str]:
        """The link and what it listed, as identities."""
        listed = (s.source for s in self.states.values() if s.listed_by and identity(s.listed_by) == identity(link))
        return {identity(link), *map(identity, listed)}

    def _erase(self, ids: set[UUID]) -> dict[str, int]:
        self.save_site_noise({host_of(self.documents[id_].link) or self.documents[id_].platform: [] for id_ in ids})
        removed = Counter(self.documents.pop(id_).category.value for id_ in ids)
        self.aliases = [(o, d) for o, d in self.aliases if o not in ids]
        return dict(removed)

    def _clear(self, report: EtlReport, identities: set[str]) -> bool:
        kept = [source for source in report.sources if identity(source.source or source.link) not in identities]
        cleared = len(kept) < len(report.sources)
        report.sources = kept
        return cleared


class MemoryGenerations:
    """What models have answered, in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, Generation] = {}

    def stored(self, keys: Sequence[str]) -> dict[str, Generation]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def store(self, generations: Sequence[Generation]) -> None:
        self.kept |= {generation.key: generation for generation in generations}


def _is_of(document: RawDocument, link: str, sources: set[str]) -> bool:
    return identity(document.link) == identity(link) or identity(document.source) in sources


def _is_of_web(source: str) -> bool:
    return source.startswith(("http://", "https://"))
