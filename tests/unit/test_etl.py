"""Crawling: one link's failure is one link's, and what a source lists is what is stored."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from llm_engineering.application.crawlers.base import Crawl, crawler_for
from llm_engineering.application.crawlers.run import CrawlOptions
from llm_engineering.application.etl import check_success_rate, crawl_links
from llm_engineering.domain.documents import Author, RawDocument, document_id
from llm_engineering.domain.errors import (
    CrawlError,
    DependencyUnavailableError,
    InvalidInputError,
    LowSuccessRateError,
    SourceMissingError,
    UnsupportedLinkError,
)
from llm_engineering.domain.links import canonical_link
from llm_engineering.domain.reports import EtlReport, SourceReport, WriteCounts
from llm_engineering.domain.sources import ListedLink, Listing, SourceState
from tests.fakes import ADA, MemoryDocumentStore, SilentProgress, article


@dataclass
class FakeWeb:
    """Implements `Crawler`: sites of pages, lists of links, and errors, by link.

    A page of None breaks the site in the middle. A site is unchanged when its revision is the known one.
    """

    pages: dict[str, dict[str, str | None]] = field(default_factory=dict)
    lists: dict[str, list[ListedLink]] = field(default_factory=dict)
    errors: dict[str, CrawlError] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    broken_files: dict[str, str] = field(default_factory=dict)
    known: dict[str, SourceState | None] = field(default_factory=dict)
    crawled: list[str] = field(default_factory=list)
    vouches: bool = False
    complete: bool = True
    is_page: bool = True
    name: str = "web"
    reads: str = "pages"

    def matches(self, link: str) -> bool:
        return link.startswith("https://")

    def source(self, link: str) -> str:
        return canonical_link(link)

    @contextmanager
    def crawl(self, link: str, author: Author, known: SourceState | None) -> Iterator[Crawl]:
        self.crawled.append(link)
        self.known[link] = known
        if link in self.errors:
            raise self.errors[link]
        if link in self.lists:
            yield Crawl(listing=Listing("feed", self.lists[link], vouched=self.vouches))
            return
        if link not in self.pages:
            raise CrawlError("the server answered 500")
        revision = self.revisions.get(link)
        if known and known.revision and known.revision == revision:
            yield Crawl(unchanged=True, revision=revision)
            return
        yield Crawl(
            self._documents(link, author),
            skipped={"too large": 2},
            failed=self.broken_files,
            spared=[document_id(f"{link}/{path}", author.id) for path in self.broken_files],
            complete=self.complete,
            revision=revision,
            bytes_read=100,
        )

    def _documents(self, link: str, author: Author) -> Iterator[RawDocument]:
        for path, text in self.pages[link].items():
            if text is None:
                raise CrawlError("broken half way")
            yield article(text, f"{link}/{path}" if path else link, author=author).model_copy(
                update={"source": self.source(link)}
            )


A, B, FEED = "https://a.com", "https://b.com", "https://f.com/feed"


def crawl(
    links: Sequence[str], web: FakeWeb, store: MemoryDocumentStore, options: CrawlOptions | None = None
) -> EtlReport:
    return crawl_links(links, ADA, [web], store, SilentProgress(), options)


def contents(store: MemoryDocumentStore) -> list[str]:
    return sorted(document.content for document in store.documents.values())


def test_new_changed_unchanged_and_removed_are_told_apart() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two", "3": "three"}})
    first = crawl([A], web, store)
    web.pages[A] = {"1": "one", "2": "TWO!", "4": "four"}
    second = crawl([A], web, store)
    assert first.documents == WriteCounts(new=3)
    assert second.documents == WriteCounts(new=1, changed=1, unchanged=1)
    assert second.sources[0].removed == 1
    assert contents(store) == ["TWO!", "four", "one"]


def test_a_link_that_fails_does_not_stop_the_others() -> None:
    store = MemoryDocumentStore()
    report = crawl(["https://missing.com", "ftp://x", A], FakeWeb({A: {"1": "one"}}), store)
    assert report.documents.new == len(store.documents) == 1
    assert report.failures.keys() == {"https://missing.com", "ftp://x"}
    assert report.failures["https://missing.com"] == "the server answered 500"
    assert report.success_rate == pytest.approx(1 / 3)


def test_a_source_that_breaks_half_way_keeps_what_it_gave_and_removes_nothing() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {str(i): f"text {i}" for i in range(150)}})
    crawl([A], web, store)
    web.pages[A] = {**{str(i): f"new {i}" for i in range(120)}, "x": None}
    report = crawl([A], web, store)
    assert report.failures == {A: "broken half way"}
    assert report.documents.changed == 100
    assert report.sources[0].removed == 0
    assert len(store.documents) == 150


def test_a_file_that_cannot_be_read_does_not_remove_what_is_stored_of_it() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two"}}, revisions={A: "r1"})
    crawl([A], web, store)
    web.pages[A], web.broken_files, web.revisions[A] = {"1": "one"}, {"2": "damaged"}, "r2"
    report = crawl([A], web, store)
    assert contents(store) == ["one", "two"]
    assert report.failures == {"2": "damaged"}
    assert report.sources[0].removed == 0
    crawl([A], web, store)
    state = web.known[A]
    assert state is not None
    assert state.revision is None, "a source with a part that failed has to be read again"


def test_a_file_that_vanished_goes_though_another_cannot_be_read() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two", "3": "three"}})
    crawl([A], web, store)
    web.pages[A], web.broken_files = {"1": "one"}, {"2": "damaged"}
    assert crawl([A], web, store).sources[0].removed == 1
    assert contents(store) == ["one", "two"]


def test_where_it_cannot_be_told_what_vanished_nothing_goes() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two", "3": "three"}})
    crawl([A], web, store)
    web.pages[A], web.broken_files, web.complete = {"1": "one"}, {"folder/": "may not be entered"}, False
    crawl([A], web, store)
    assert contents(store) == ["one", "three", "two"]


def test_a_link_that_stands_twice_however_it_is_spelt_is_crawled_once_and_said_so() -> None:
    web = FakeWeb({A: {"1": "one"}})
    report = crawl([A, A, "https://www.A.com/?utm_source=x"], web, MemoryDocumentStore())
    assert web.crawled == [A]
    assert [source.skipped for source in report.sources[1:]] == [{"given more than once": 1}] * 2
    assert report.success_rate == 1.0


def test_no_links_at_all_is_an_input_error() -> None:
    with pytest.raises(InvalidInputError, match="name at least one under `links`"):
        crawl([], FakeWeb(), MemoryDocumentStore())


def test_an_unreachable_store_ends_the_run_and_leaves_it_without_an_end() -> None:
    class DeadStore(MemoryDocumentStore):
        def upsert(self, *args: object) -> WriteCounts:
            raise DependencyUnavailableError("MongoDB does not answer")

    store = DeadStore()
    with pytest.raises(DependencyUnavailableError):
        crawl([A], FakeWeb({A: {"1": "one"}}), store)
    [run] = store.runs(10)
    assert run.finished_at is None


def test_a_source_that_has_not_moved_counts_what_is_stored_of_it() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two"}}, revisions={A: "r1"})
    crawl([A], web, store)
    report = crawl([A], web, store)
    assert report.documents == WriteCounts(unchanged=2)
    assert contents(store) == ["one", "two"]


def test_a_source_whose_documents_are_not_stored_any_more_is_read_as_if_it_were_new() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one"}}, revisions={A: "r1"})
    crawl([A], web, store)
    store.documents.clear()
    assert crawl([A], web, store).documents == WriteCounts(new=1)
    assert web.known[A] is None


def test_a_document_that_was_deleted_by_hand_is_read_again_though_its_source_has_not_moved() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two"}}, revisions={A: "r1"})
    crawl([A], web, store)
    del store.documents[document_id(f"{A}/1", ADA.id)]
    assert crawl([A], web, store).documents == WriteCounts(new=1, unchanged=1)
    assert contents(store) == ["one", "two"]
    crawl([A], web, store)
    assert web.known[A] is not None, "what is whole again need not be read again"


def test_documents_that_are_linked_to_those_of_another_source_do_not_make_a_source_be_read_again() -> None:
    words = "the same words in both places"
    web = FakeWeb({A: {"1": words, "2": "two"}, B: {"1": words}}, revisions={A: "r1", B: "r2"})
    store = MemoryDocumentStore()
    assert crawl([A, B], web, store).documents == WriteCounts(new=2, linked=1)
    crawl([A, B], web, store)
    assert None not in web.known.values()
    shared = next(document for document in store.documents.values() if document.content == words)
    del store.documents[shared.id]
    store.aliases.clear()  # they stand in the record
    crawl([A, B], web, store)
    assert web.known == {A: None, B: None}
    assert contents(store) == [words, "two"]


def test_a_feed_leads_to_its_articles_and_its_report_has_them() -> None:
    web = FakeWeb({"https://f.com/1": {"": "one"}, "https://f.com/2": {"": "two"}})
    web.lists[FEED] = [ListedLink(f"https://f.com/{n}") for n in (1, 2, 3)]
    store = MemoryDocumentStore()
    report = crawl([FEED], web, store)
    [source] = report.sources
    assert (source.link, source.crawler) == (FEED, "feed")
    assert source.documents == WriteCounts(new=2)
    assert source.failures == {"https://f.com/3": "the server answered 500"}
    assert source.bytes_read == 200
    assert source.success_rate == pytest.approx(2 / 3)
    assert contents(store) == ["one", "two"]


def test_of_a_feed_the_newest_are_read_and_none_older_than_asked_for() -> None:
    days = {n: datetime(2024, 1, n, tzinfo=UTC) for n in (1, 2, 3, 4)}
    web = FakeWeb({f"https://f.com/{n}": {"": f"day {n}"} for n in days})
    web.lists[FEED] = [ListedLink(f"https://f.com/{n}", day) for n, day in days.items()]
    store = MemoryDocumentStore()
    report = crawl([FEED], web, store, CrawlOptions(limit=2, since=date(2024, 1, 2)))
    assert contents(store) == ["day 3", "day 4"]
    assert sum(report.sources[0].skipped.values()) == 2 + 2 * 2  # each page also leaves two files out


def test_an_article_that_is_stored_is_asked_for_again_even_beyond_the_limit() -> None:
    web = FakeWeb({f"https://f.com/{n}": {"": f"text {n}"} for n in range(4)})
    web.lists[FEED] = [ListedLink(f"https://f.com/{n}", datetime(2024, 1, 9 - n, tzinfo=UTC)) for n in range(4)]
    store = MemoryDocumentStore()
    crawl([FEED], web, store, CrawlOptions(limit=3))
    web.errors["https://f.com/2"] = SourceMissingError("the server answered 410", permanent=True)
    report = crawl([FEED], web, store, CrawlOptions(limit=1))
    assert report.documents == WriteCounts(unchanged=2)
    assert report.sources[0].removed == 1
    assert report.sources[0].skipped == {"beyond the limit of 1": 1, "gone for good": 1, "too large": 4}
    assert contents(store) == ["text 0", "text 1"]


def test_what_a_feed_lists_of_other_sites_or_of_this_machine_is_left_alone() -> None:
    web = FakeWeb({"https://blog.f.com/1": {"": "one"}})
    links = ["https://blog.f.com/1", "https://else.com/2", "file:///etc/passwd", "https://notf.com/3"]
    web.lists[FEED] = [ListedLink(link) for link in links]
    report = crawl([FEED], web, MemoryDocumentStore())
    assert web.crawled == [FEED, "https://blog.f.com/1"]
    assert report.sources[0].skipped["on another site"] == 3


def test_a_list_that_is_known_to_be_the_authors_own_leads_to_other_sites_but_never_to_this_machine() -> None:
    web = FakeWeb({"https://publication.com/1": {"": "one"}})
    web.lists[FEED] = [ListedLink("https://publication.com/1"), ListedLink("file:///etc/passwd")]
    web.vouches = True
    report = crawl([FEED], web, MemoryDocumentStore())
    assert web.crawled == [FEED, "https://publication.com/1"]
    assert report.sources[0].skipped["on another site"] == 1


def test_a_feed_that_lists_feeds_does_not_go_on_for_ever() -> None:
    web = FakeWeb()
    web.lists[FEED] = [ListedLink("https://f.com/other"), ListedLink(FEED)]
    web.lists["https://f.com/other"] = [ListedLink("https://f.com/third")]
    report = crawl([FEED], web, MemoryDocumentStore())
    assert web.crawled == [FEED, "https://f.com/other"]
    assert report.sources[0].skipped == {"listed more than once": 1, "a list within a list": 1}


def test_an_article_that_left_the_feed_stays_until_it_is_gone_itself() -> None:
    web = FakeWeb({f"https://f.com/{n}": {"": f"text {n}"} for n in (1, 2)})
    web.lists[FEED] = [ListedLink("https://f.com/1"), ListedLink("https://f.com/2")]
    store = MemoryDocumentStore()
    crawl([FEED], web, store)
    web.lists[FEED] = [ListedLink("https://f.com/2")]
    assert crawl([FEED], web, store).documents == WriteCounts(unchanged=2)
    web.errors["https://f.com/1"] = SourceMissingError("the server answered 410", permanent=True)
    report = crawl([FEED], web, store)
    assert report.sources[0].removed == 1
    assert contents(store) == ["text 2"]
    web.crawled.clear()
    crawl([FEED], web, store)
    assert web.crawled == [FEED, "https://f.com/2"]


def test_an_article_that_answers_with_a_list_keeps_what_is_stored_of_it() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"": "one"}})
    crawl([A], web, store)
    web.lists[A] = []
    report = crawl([A], web, store)
    assert contents(store) == ["one"]
    assert report.sources[0].removed == 0
    assert report.failures == {A: "it lists nothing of its own that can be read"}


def test_what_a_page_lists_is_read_by_crawlers_of_pages_only() -> None:
    class Repositories(FakeWeb):
        def matches(self, link: str) -> bool:
            return link.endswith(".git")

    web, repositories = FakeWeb(), Repositories(is_page=False)
    web.lists[FEED] = [ListedLink("https://f.com/x.git")]
    crawl_links([FEED], ADA, [repositories, web], MemoryDocumentStore(), SilentProgress())
    assert repositories.crawled == []
    assert web.crawled == [FEED, "https://f.com/x.git"]


def test_a_text_that_is_too_large_to_be_stored_fails_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_engineering.application.crawlers.run.MAX_DOCUMENT_BYTES", 10)
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "ten bytes!", "2": "zehn Bytes – und mehr"}})
    report = crawl([A], web, store)
    assert contents(store) == ["ten bytes!"]
    assert report.failures == {f"{A}/2": "its text has 23 bytes, of 10 that can be stored"}


def test_an_unexpected_error_is_one_source_s_failure_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Defective(FakeWeb):
        def _documents(self, link: str, author: Author) -> Iterator[RawDocument]:
            if link == A:
                raise ZeroDivisionError("division by zero")
            yield from super()._documents(link, author)

    store = MemoryDocumentStore()
    report = crawl([A, B], Defective({A: {"1": "one"}, B: {"1": "two"}}), store)
    assert contents(store) == ["two"]
    assert "unexpected ZeroDivisionError: division by zero" in report.failures[A]
    assert any(record.exc_info for record in caplog.records)


def test_a_source_that_is_missing_once_or_twice_may_come_back() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one"}})
    crawl([A], web, store)
    for _ in range(3):
        web.errors[A] = SourceMissingError("the server answered 404")
        for _ in range(2):
            report = crawl([A], web, store)
            assert report.failures == {A: "the server answered 404"}
            assert contents(store) == ["one"]
        del web.errors[A]
        crawl([A], web, store)
    assert contents(store) == ["one"]


def test_a_source_that_is_missing_in_three_runs_is_removed_and_comes_back_if_it_does() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one", "2": "two"}})
    crawl([A], web, store)
    web.errors[A] = SourceMissingError("the server answered 404")
    reports = [crawl([A], web, store) for _ in range(3)]
    assert [report.sources[0].removed for report in reports] == [0, 0, 2]
    assert reports[2].sources[0].skipped == {"gone for good": 1}
    assert reports[2].success_rate == 1.0
    state = store.source_state(canonical_link(A), ADA.id)
    assert state is not None
    assert state.gone
    del web.errors[A]
    assert crawl([A], web, store).documents == WriteCounts(new=2)
    state = store.source_state(canonical_link(A), ADA.id)
    assert state is not None
    assert not state.gone


def test_a_link_that_never_led_anywhere_stays_a_failure() -> None:
    store, web = MemoryDocumentStore(), FakeWeb(errors={A: SourceMissingError("the server answered 404")})
    reports = [crawl([A], web, store) for _ in range(4)]
    assert [report.success_rate for report in reports] == [0, 0, 0, 0]


def test_a_file_system_that_fails_is_one_source_s_failure() -> None:
    class Unreadable(FakeWeb):
        def _documents(self, link: str, author: Author) -> Iterator[RawDocument]:
            if link == A:
                raise PermissionError(13, "Permission denied", "/secret")
            yield from super()._documents(link, author)

    store = MemoryDocumentStore()
    report = crawl([A, B], Unreadable({A: {"1": "one"}, B: {"1": "two"}}), store)
    assert contents(store) == ["two"]
    assert list(report.failures) == [A]


def test_another_failure_than_not_found_never_removes() -> None:
    store, web = MemoryDocumentStore(), FakeWeb({A: {"1": "one"}})
    crawl([A], web, store)
    del web.pages[A]
    for _ in range(5):
        crawl([A], web, store)
    assert contents(store) == ["one"]


def test_a_run_is_recorded_with_its_report() -> None:
    store = MemoryDocumentStore()
    report = crawl([A], FakeWeb({A: {"1": "one"}}), store)
    [run] = store.runs(10)
    assert run == report
    assert run.finished_at is not None


def test_the_metadata_counts_documents_reasons_and_bytes() -> None:
    report = crawl([A, B], FakeWeb({A: {"1": "one"}}), MemoryDocumentStore())
    metadata = report.metadata()
    assert metadata["documents"] == {
        "new": 1, "changed": 0, "unchanged": 0, "linked": 0, "removed": 0, "failed": 1, "skipped": 2,
    }  # fmt: skip
    assert metadata["sources"] == {A: "1 new, 0 unchanged, 2 left out", B: "failed: the server answered 500"}
    assert metadata["skipped"] == {"too large": 2}
    assert metadata["failed"] == {"the server answered 500": 1}
    assert metadata["failures"] == {B: "the server answered 500"}
    assert metadata["success_rate"] == 0.5
    assert metadata["bytes_read"] == 100


def test_a_secret_in_a_link_is_not_reported() -> None:
    report = crawl(["https://ada:pa55@a.com/x?token=s3cret"], FakeWeb(), MemoryDocumentStore())
    assert "pa55" not in report.model_dump_json()
    assert "s3cret" not in report.model_dump_json()


def test_progress_adds_up_to_all_that_was_found() -> None:
    web, progress = FakeWeb({A: {"1": "one"}}), SilentProgress()
    web.lists[FEED] = [ListedLink("https://f.com/1"), ListedLink("https://f.com/2")]
    crawl_links([A, FEED, "ftp://x"], ADA, [web], MemoryDocumentStore(), progress)
    assert progress.done == {"Crawling": 5}


def test_an_unsupported_link_is_told_what_can_be_read() -> None:
    with pytest.raises(UnsupportedLinkError, match=r"'ftp://x'.*pages"):
        crawler_for("ftp://x", [FakeWeb()])


def test_a_link_that_is_no_url_is_told_so() -> None:
    with pytest.raises(InvalidInputError, match=r"'https?://\[' is not a valid link"):
        crawler_for("http://[", [FakeWeb()])


def test_the_success_rate_is_the_mean_of_the_sources_so_that_a_large_one_hides_no_other() -> None:
    large, small = SourceReport(link="a", documents=WriteCounts(new=999)), SourceReport(link="b")
    small.fail("b", "no answer")
    large.fail("a/x", "damaged")
    report = EtlReport(author="Ada", sources=[large, small])
    assert report.success_rate == pytest.approx((0.999 + 0) / 2)


def test_a_source_in_which_there_was_nothing_to_read_does_not_raise_the_rate() -> None:
    dead, twice = SourceReport(link="a"), SourceReport(link="a/")
    dead.fail("a", "no answer")
    twice.skip("given more than once")
    assert EtlReport(author="Ada", sources=[dead, twice]).success_rate == 0
    assert EtlReport(author="Ada", sources=[twice]).success_rate == 1


@pytest.mark.parametrize(
    ("read", "minimum", "passes"), [(1, 0.5, True), (1, 0.51, False), (2, 1.0, True), (0, 0.0, False)]
)
def test_a_run_is_held_to_its_minimum_success_rate(read: int, minimum: float, passes: bool) -> None:
    sources = [SourceReport(link=str(n), documents=WriteCounts(new=int(n < read))) for n in range(2)]
    for source in sources:
        if not source.documents.new:
            source.fail(source.link, "no answer")
    report = EtlReport(author="Ada", sources=sources)
    if passes:
        check_success_rate(report, minimum)
    else:
        with pytest.raises(LowSuccessRateError, match="min_success_rate"):
            check_success_rate(report, minimum)


def test_a_run_that_reached_nothing_is_told_of_the_back_up() -> None:
    source = SourceReport(link="a")
    source.fail("a", "no answer")
    with pytest.raises(LowSuccessRateError, match="--import-raw-data"):
        check_success_rate(EtlReport(author="Ada", sources=[source]), 0.5)


def test_of_ten_thousand_failures_the_reasons_are_counted_and_the_first_are_named() -> None:
    source = SourceReport(link="a")
    for n in range(10_000):
        source.fail(f"page {n}", "no answer")
    assert source.failed == {"no answer": 10_000}
    assert len(source.failures) == 50
