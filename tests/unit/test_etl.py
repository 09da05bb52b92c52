"""Crawling: one link's failure is one link's, and what a source lists is what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llm_engineering.application.crawlers.base import Crawl, crawler_for
from llm_engineering.application.etl import crawl_links
from llm_engineering.domain.documents import Author, RawDocument
from llm_engineering.domain.errors import CrawlError, DependencyUnavailableError, UnsupportedLinkError
from llm_engineering.domain.reports import EtlReport
from tests.fakes import ADA, MemoryDocumentStore, SilentProgress, article


class SiteCrawler:
    """Reads `site:` links from a dictionary; a text of None is a failure in the middle of the source."""

    name = "site"
    reads = "sites"

    def __init__(self, pages: dict[str, dict[str, str | None]]) -> None:
        self.pages = pages

    def matches(self, link: str) -> bool:
        return link.startswith("site:")

    @contextmanager
    def crawl(self, link: str, author: Author) -> Iterator[Crawl]:
        if link not in self.pages:
            raise CrawlError("the server answered 404")
        yield Crawl(link, self._documents(link, author), {"too large": 2})

    def _documents(self, link: str, author: Author) -> Iterator[RawDocument]:
        for path, text in self.pages[link].items():
            if text is None:
                raise CrawlError("broken half way")
            yield article(text, f"https://e.com/{path}", author=author).model_copy(update={"source": link})


def crawl(links: list[str], crawler: SiteCrawler, store: MemoryDocumentStore) -> EtlReport:
    return crawl_links(links, ADA, [crawler], store, SilentProgress())


def test_new_changed_unchanged_and_removed_are_told_apart() -> None:
    store, crawler = MemoryDocumentStore(), SiteCrawler({"site:a": {"1": "one", "2": "two", "3": "three"}})
    first = crawl(["site:a"], crawler, store)
    crawler.pages["site:a"] = {"1": "one", "2": "TWO", "4": "four"}
    second = crawl(["site:a"], crawler, store)
    assert first.documents.model_dump() == {"new": 3, "changed": 0, "unchanged": 0}
    assert second.documents.model_dump() == {"new": 1, "changed": 1, "unchanged": 1}
    assert second.sources[0].removed == 1
    assert sorted(document.content for document in store.documents.values()) == ["TWO", "four", "one"]


def test_a_link_that_fails_does_not_stop_the_others() -> None:
    store = MemoryDocumentStore()
    report = crawl(["site:missing", "ftp://x", "site:a"], SiteCrawler({"site:a": {"1": "one"}}), store)
    assert report.documents.new == len(store.documents) == 1
    assert report.failures.keys() == {"site:missing", "ftp://x"}
    assert report.failures["site:missing"] == "the server answered 404"
    assert not report.everything_failed


def test_a_source_that_breaks_half_way_keeps_what_it_gave_and_removes_nothing() -> None:
    store, crawler = MemoryDocumentStore(), SiteCrawler({"site:a": {str(i): f"text {i}" for i in range(150)}})
    crawl(["site:a"], crawler, store)
    crawler.pages["site:a"] = {**{str(i): f"new {i}" for i in range(120)}, "x": None}
    report = crawl(["site:a"], crawler, store)
    assert report.failures == {"site:a": "broken half way"}
    assert report.documents.changed == 100
    assert report.sources[0].removed == 0
    assert len(store.documents) == 150


def test_a_link_that_stands_twice_is_crawled_once() -> None:
    report = crawl(["site:a", "site:a"], SiteCrawler({"site:a": {"1": "one"}}), MemoryDocumentStore())
    assert len(report.sources) == 1


def test_everything_failed_only_when_no_link_could_be_read() -> None:
    crawler = SiteCrawler({})
    assert crawl(["site:x", "site:y"], crawler, MemoryDocumentStore()).everything_failed
    assert not crawl([], crawler, MemoryDocumentStore()).everything_failed


def test_an_unreachable_store_ends_the_run() -> None:
    class DeadStore(MemoryDocumentStore):
        def delete_vanished(self, *args: object) -> int:
            raise DependencyUnavailableError("MongoDB does not answer")

    with pytest.raises(DependencyUnavailableError):
        crawl(["site:a"], SiteCrawler({"site:a": {"1": "one"}}), DeadStore())


def test_the_metadata_counts_links_documents_and_files_left_out_and_names_the_failures() -> None:
    report = crawl(["site:a", "site:b"], SiteCrawler({"site:a": {"1": "one"}}), MemoryDocumentStore())
    assert report.metadata() == {
        "author": "Ada Lovelace",
        "links": {"attempted": 2, "failed": 1},
        "documents": {"new": 1, "changed": 0, "unchanged": 0, "removed": 0},
        "sources": {
            "site:a": "1 new, 0 changed, 0 unchanged, 0 removed, 2 files left out",
            "site:b": "failed: the server answered 404",
        },
        "skipped_files": {"too large": 2},
        "failures": {"site:b": "the server answered 404"},
    }


def test_an_unsupported_link_is_told_what_can_be_read() -> None:
    with pytest.raises(UnsupportedLinkError, match=r"'ftp://x'.*sites"):
        crawler_for("ftp://x", [SiteCrawler({})])
