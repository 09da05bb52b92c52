"""One run over an author's links: what is read when, what is stored, and what is remembered of each source.

A link is read by the first crawler that takes it. What lists others (a feed, a sitemap, a user of GitHub) leads to a
task for each; many hosts are read at once, few requests a host. Every document is one write, and what is remembered of
a source is written after its documents: a run that was killed is taken up again by the next one, with nothing twice.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from llm_engineering.application.crawlers.base import Crawl, Crawler, crawler_for
from llm_engineering.application.crawlers.listings import of_the_same_site, select
from llm_engineering.application.crawlers.schedule import HostSchedule
from llm_engineering.domain.batching import BATCH_SIZE, batched
from llm_engineering.domain.documents import Author, RawDocument
from llm_engineering.domain.errors import CrawlError, InvalidInputError, MoodSwarmError, SourceMissingError
from llm_engineering.domain.links import host_of, identity, shown_link, without_credentials
from llm_engineering.domain.ports import Advance, DocumentStore
from llm_engineering.domain.reports import EtlReport, SourceReport, describe
from llm_engineering.domain.sources import MAX_DOCUMENT_BYTES, MISSING_RUNS_UNTIL_GONE, Listing, SourceState

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CrawlOptions:
    """How much at once, and how much of what is listed."""

    concurrency: int = 16
    requests_per_host: int = 2
    limit: int = 100
    since: date | None = None


@dataclass
class _Task:
    """A link to read, for the report of the configured link that led to it."""

    link: str
    source: str
    crawler: Crawler
    report: SourceReport
    listed_by: str | None = None


@dataclass
class _Result:
    """What reading a task gave: counts, and what it listed."""

    part: SourceReport
    listing: Listing | None = None
    rechecks: list[SourceState] = field(default_factory=list)


class CrawlRun:
    """One run over an author's links. Use `crawl_links`."""

    def __init__(
        self, author: Author, crawlers: Sequence[Crawler], store: DocumentStore, options: CrawlOptions, advance: Advance
    ) -> None:
        self._author = author
        self._crawlers = crawlers
        self._store = store
        self._options = options
        self._advance = advance
        self._schedule: HostSchedule[_Task] = HostSchedule(options.concurrency, options.requests_per_host)
        self._seen: set[str] = set()

    def run(self, links: Sequence[str], report: EtlReport) -> None:
        """Crawl every link and what it lists, and complete the report."""
        for link in links:
            self._begin(link, report)
        for task, result in self._schedule.run(self._read):
            self._take(task, result)

    def _begin(self, link: str, report: EtlReport) -> None:
        """Let a configured link wait for its turn; the same page under another spelling is read once."""
        source_report = SourceReport(link=without_credentials(link))
        try:
            crawler = crawler_for(link, self._crawlers)
            source_report.crawler = crawler.name
            task = _Task(link, crawler.source(link), crawler, source_report)
            source_report.source = without_credentials(task.source)
        except (InvalidInputError, CrawlError) as error:
            source_report.fail(source_report.link, without_credentials(str(error)))
            report.sources.append(source_report)
            self._advance(1)
            return
        report.sources.append(source_report)
        if not self._wait(task):
            source_report.skip("given more than once")
            self._advance(1)

    def _wait(self, task: _Task) -> bool:
        """Put the task into the schedule, unless its source is in it already."""
        key = identity(task.source)
        if key in self._seen:
            return False
        self._seen.add(key)
        self._schedule.add(host_of(task.link), task)
        return True

    def _take(self, task: _Task, result: _Result) -> None:
        """Count what was read, and go on to what it lists."""
        part = result.part
        task.report.absorb(part)
        level = logging.WARNING if part.failed else logging.INFO
        logger.log(level, "%s: %s", without_credentials(task.link), describe(part))
        if result.listing:
            self._expand(task, result.listing, result.rechecks)
        self._advance(1)

    def _expand(self, task: _Task, listing: Listing, rechecks: Sequence[SourceState]) -> None:
        """Let the links of a listing wait for their turn, and with them whatever it has led to before.

        A feed only holds its latest entries: that one is not in it any more does not say that the article is gone.
        """
        if task.listed_by:
            task.report.skip("a list within a list")
            return
        task.report.crawler = listing.kind
        own, skipped = of_the_same_site(listing, task.link)
        chosen, _ = select(own, self._options.since, self._options.limit)
        taken = {identity(item.link) for item in chosen}
        known = {identity(state.link): state.link for state in rechecks if identity(state.link) not in taken}
        new = [item for item in own if identity(item.link) not in known]
        _, left_out = select(new, self._options.since, self._options.limit)
        for reason, count in {**skipped, **left_out}.items():
            task.report.skip(reason, count)
        if not own and not known:
            task.report.fail(without_credentials(task.link), "it lists nothing of its own that can be read")
        for link in [*(item.link for item in chosen), *known.values()]:
            self._begin_listed(link, task)

    def _begin_listed(self, link: str, listing: _Task) -> None:
        """Let a listed link wait for its turn."""
        try:
            # A page may lead to pages, but not have repositories cloned or files of this machine read.
            crawlers = [crawler for crawler in self._crawlers if crawler.is_page or not listing.crawler.is_page]
            crawler = crawler_for(link, crawlers)
            task = _Task(link, crawler.source(link), crawler, listing.report, listed_by=listing.source)
        except (InvalidInputError, CrawlError) as error:
            listing.report.fail(without_credentials(link), without_credentials(str(error)))
            return
        if self._wait(task):
            self._advance(0, found=1)
        else:
            task.report.skip("listed more than once")

    def _read(self, task: _Task) -> _Result:
        """Read one source and store what it holds. Runs in a thread of its own."""
        result = _Result(SourceReport(link=task.link))
        started = time.monotonic()
        state = self._store.source_state(task.source, self._author.id) or SourceState(
            source=task.source, author_id=self._author.id, link=shown_link(task.link)
        )
        try:
            self._crawl(task, state, result)
        except SourceMissingError as error:
            self._missing(task, state, error, result.part)
        except (CrawlError, InvalidInputError, OSError) as error:
            result.part.fail(without_credentials(task.link), without_credentials(str(error)))
        except MoodSwarmError:
            raise
        except Exception as error:  # a defect that one source brings to light must not cost the others
            logger.exception("%s", without_credentials(task.link))
            reason = f"unexpected {type(error).__name__}: {error}. The log has more; please report it"
            result.part.fail(without_credentials(task.link), without_credentials(reason))
        result.part.seconds = round(time.monotonic() - started, 3)
        return result

    def _crawl(self, task: _Task, state: SourceState, result: _Result) -> None:
        stored = self._store.count_source(task.source, self._author.id)
        # Where a document was deleted by hand, that the source has not moved must not keep it away.
        known = state if stored and stored >= state.documents else None
        with task.crawler.crawl(task.link, self._author, known) as crawl:
            if crawl.unchanged:
                result.part.documents.unchanged += stored
            else:
                # An article that answers with a list is somebody's mistake; what is stored of it stays.
                may_vanish = stored > 0 and crawl.listing is None
                self._store_documents(task.source, crawl, result.part, may_vanish)
            result.part.bytes_read += crawl.bytes_read
        if crawl.listing:
            result.listing = crawl.listing
            result.rechecks = self._store.sources_listed_by(task.source, self._author.id)
        # A part that failed has to be read again, even if the source does not move.
        whole = not crawl.failed
        self._store.save_source_state(
            SourceState(
                source=task.source,
                author_id=self._author.id,
                link=shown_link(task.link),
                etag=crawl.etag if whole else None,
                last_modified=crawl.last_modified if whole else None,
                revision=crawl.revision if whole else None,
                listed_by=task.listed_by or state.listed_by,
                documents=self._store.count_source(task.source, self._author.id),
                crawled_at=datetime.now(UTC),
            )
        )

    def _store_documents(self, source: str, crawl: Crawl, part: SourceReport, may_vanish: bool) -> None:
        """Store what a source holds; what it held before and holds no more is deleted."""
        present: list[UUID] = []
        for batch in batched(_storable(crawl), BATCH_SIZE):
            part.documents += self._store.upsert(batch)
            present.extend(document.id for document in batch)
        part.skipped, part.over_limit = dict(crawl.skipped), dict(crawl.over_limit)
        for path, reason in crawl.failed.items():
            part.fail(path, reason)
        if may_vanish and crawl.complete:
            part.removed = self._store.delete_vanished(source, self._author.id, [*present, *crawl.spared])

    def _missing(self, task: _Task, state: SourceState, error: SourceMissingError, part: SourceReport) -> None:
        """Remember that the source is not there; when it is gone for good, remove its documents.

        What never was there is a wrong link, however often it is tried.
        """
        missing_runs = state.missing_runs + 1
        was_there = state.gone or self._store.count_source(task.source, self._author.id) > 0
        gone = was_there and (error.permanent or missing_runs >= MISSING_RUNS_UNTIL_GONE)
        if gone:
            part.removed = self._store.delete_vanished(task.source, self._author.id, [])
            part.skip("gone for good")
        else:
            part.fail(without_credentials(task.link), str(error))
        self._store.save_source_state(
            state.model_copy(
                update={
                    "missing_runs": missing_runs,
                    "gone": gone,
                    "listed_by": task.listed_by or state.listed_by,
                    "crawled_at": datetime.now(UTC),
                }
            )
        )


def _storable(crawl: Crawl) -> Iterator[RawDocument]:
    """The documents but those that are too large for the store, which are failed parts."""
    for document in crawl.documents:
        size = len(document.content.encode())
        if size <= MAX_DOCUMENT_BYTES:
            yield document
        else:
            crawl.failed[document.link] = f"its text has {size:,} bytes, of {MAX_DOCUMENT_BYTES:,} that can be stored"
            crawl.spared.append(document.id)
