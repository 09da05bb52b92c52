"""Files of a tree as documents: links, titles, and which of them a damaged tree does not lose."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.crawlers.files import FileCrawler, FolderCrawler, RepositoryCrawler
from llm_engineering.domain.documents import DataCategory, RawDocument, document_id
from llm_engineering.domain.sources import FileTree, SourceFile, SourceState
from tests.fakes import ADA


class OneTree:
    """Implements `FileSource` with one tree."""

    def __init__(self, *files: SourceFile, link: str = "file:///notes", name: str = "notes") -> None:
        self.tree = FileTree(name, link, iter(files), bytes_read=7)

    def handles(self, link: str) -> bool:
        return True

    def source(self, link: str) -> str:
        return self.tree.link

    @contextmanager
    def open(self, link: str, known: SourceState | None = None) -> Iterator[FileTree]:
        yield self.tree


def crawl(crawler: FileCrawler) -> tuple[Crawl, list[RawDocument]]:
    with crawler.crawl("x", ADA, None) as found:
        return found, list(found.documents)


@pytest.mark.parametrize(
    ("root", "link"),
    [
        ("https://github.com/ada/engine", "https://github.com/ada/engine/blob/HEAD/src/a%20b.py"),
        ("https://gitlab.com/ada/engine", "https://gitlab.com/ada/engine/-/blob/HEAD/src/a%20b.py"),
        ("https://codeberg.org/ada/engine", "https://codeberg.org/ada/engine/src/branch/HEAD/src/a%20b.py"),
        ("https://git.example.com/engine", "https://git.example.com/engine/src/a%20b.py"),
        ("file:///home/ada/engine", "file:///home/ada/engine/src/a%20b.py"),
    ],
)
def test_a_file_of_a_repository_has_the_link_that_its_host_shows_it_under(root: str, link: str) -> None:
    tree = OneTree(SourceFile("src/a b.py", "x = 1"), link=root, name="engine")
    found, [document] = crawl(RepositoryCrawler(tree))
    assert document.link == link
    assert (document.title, document.source, document.category) == (
        "engine/src/a b.py",
        root,
        DataCategory.REPOSITORIES,
    )
    assert found.bytes_read == 7


def test_what_a_file_says_of_itself_counts_more_than_its_name_and_text() -> None:
    said = SourceFile(
        "a.md",
        "# In the text",
        title="Said",
        link="https://ada.example/a",
        category=DataCategory.POSTS,
        platform="medium",
    )
    _, documents = crawl(FolderCrawler(OneTree(said, SourceFile("b.md", "# In the text"), SourceFile("c.md", "text"))))
    assert [document.title for document in documents] == ["Said", "In the text", "c"]
    assert [document.platform for document in documents] == ["medium", "folder", "folder"]
    assert [document.category for document in documents] == [DataCategory.POSTS] + [DataCategory.ARTICLES] * 2
    assert documents[0].link == "https://ada.example/a"


def test_documents_of_files_that_failed_or_are_over_a_limit_are_spared() -> None:
    tree = OneTree(SourceFile("a.md", "text"))
    tree.tree.failed["b.pdf"] = "encrypted"
    tree.tree.over_limit["c.md"] = "too large"
    found, _ = crawl(FolderCrawler(tree))
    assert found.complete
    assert found.spared == [document_id(f"file:///notes/{path}", ADA.id) for path in ("b.pdf", "c.md")]


@pytest.mark.parametrize(
    ("failed", "link", "complete"),
    [("b.pdf", "https://ada.example/a", False), ("private/", None, False), ("b.pdf", None, True)],
)
def test_where_a_failure_hides_which_documents_are_meant_nothing_vanishes(
    failed: str, link: str | None, complete: bool
) -> None:
    tree = OneTree(SourceFile("a.md", "text", link=link))
    tree.tree.failed[failed] = "damaged"
    assert crawl(FolderCrawler(tree))[0].complete is complete
