"""Folders of Markdown files on a real disk."""

from pathlib import Path

import pytest

from llm_engineering.application.crawlers.files import MarkdownFolderCrawler
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import CrawlError, MoodSwarmError
from llm_engineering.infrastructure.web.files import FileLimits, MarkdownFolders
from tests.fakes import ADA

MAX_BYTES = 1000


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def folders(base: Path, *exclude: str, max_files: int = 100) -> MarkdownFolders:
    return MarkdownFolders(FileLimits(MAX_BYTES, max_files, exclude), base)


def crawl(folder: Path, *exclude: str) -> tuple[list[RawDocument], dict[str, int]]:
    with MarkdownFolderCrawler(folders(folder, *exclude)).crawl(str(folder), ADA) as crawl:
        documents = list(crawl.documents)
    assert crawl.source == folder.as_uri()
    return documents, crawl.skipped


def title(tmp_path: Path, content: bytes) -> str:
    write(tmp_path, {"a note.md": content})
    [[document], _] = crawl(tmp_path)
    return document.title


def test_every_markdown_file_of_nested_folders_is_an_article(tmp_path: Path) -> None:
    notes = tmp_path / "my notes"
    write(
        notes,
        {
            "first.md": b"# First\n\ntext",
            "deep/er/second.MARKDOWN": b"# Second\r\n\r\ntext\r\n",
            "deep/third one.mdx": b"text alone",
        },
    )
    documents, skipped = crawl(notes)
    assert skipped == {}
    assert {document.link: (document.title, document.content) for document in documents} == {
        f"{notes.as_uri()}/first.md": ("First", "# First\n\ntext"),
        f"{notes.as_uri()}/deep/er/second.MARKDOWN": ("Second", "# Second\r\n\r\ntext\r\n"),
        f"{notes.as_uri()}/deep/third%20one.mdx": ("third one", "text alone"),
    }
    for document in documents:
        assert document.source == notes.as_uri()
        assert (document.category, document.platform) == (DataCategory.ARTICLES, "folder")
        assert document.author_id == ADA.id


def test_what_is_no_markdown_is_not_even_counted(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": b"x", "b.txt": b"x", "md": b"x", "c.md.bak": b"x", "d.html": b"x"})
    (tmp_path / "folder.md").mkdir()
    documents, skipped = crawl(tmp_path)
    assert [document.title for document in documents] == ["a"]
    assert skipped == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"# The title\n\n# Not this one\n", "The title"),
        (b"An introduction.\n\n# The title #\n", "The title"),
        ("\ufeff# The title\r\ntext".encode(), "The title"),
        (b"   # The title  \n", "The title"),
        (b"# Learning C#\n", "Learning C#"),
        (b"```sh\n# a comment\n```\n\n# The title\n", "The title"),
        (b"~~~\n# a comment\n```\n# another\n~~~\n# The title\n", "The title"),
        (b"```sh\n# a comment\n```\n", "a note"),
        (b"#hashtag\n", "a note"),
        (b"#\n\nAn introduction.\n", "a note"),
        (b"    # code by its indent\n", "a note"),
        (b"No heading at all.\n", "a note"),
    ],
)
def test_the_title_is_the_first_heading_or_else_the_files_name(tmp_path: Path, content: bytes, expected: str) -> None:
    assert title(tmp_path, content) == expected


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "\ufefftext".encode()})
    [[document], _] = crawl(tmp_path)
    assert document.content == "text"


def test_files_are_left_out_by_pattern_size_and_kind_and_counted(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    write(tmp_path, {"outside.md": b"s3cret"})
    write(
        notes,
        {
            "kept.md": b"x" * MAX_BYTES,
            "drafts/a.md": b"x",
            "deep/drafts/b.md": b"x",
            "deep/TODO.md": b"x",
            "node_modules/pkg/README.md": b"x",
            "large.md": b"x" * (MAX_BYTES + 1),
            "binary.md": b"a\0b",
            "latin.md": b"caf\xe9",
            "blank.md": b" \n",
        },
    )
    (notes / "link.md").symlink_to(tmp_path / "outside.md")
    documents, skipped = crawl(notes, "drafts/", "TODO.md")
    assert [document.title for document in documents] == ["kept"]
    assert skipped == {"excluded by pattern": 4, "too large": 1, "binary": 2, "empty": 1, "symbolic link": 1}


def test_a_pattern_with_a_slash_starts_at_the_folder(tmp_path: Path) -> None:
    write(tmp_path, {"drafts/a.md": b"x", "deep/drafts/b.md": b"x"})
    documents, skipped = crawl(tmp_path, "/drafts/")
    assert [document.title for document in documents] == ["b"]
    assert skipped == {"excluded by pattern": 1}


def test_a_pattern_that_is_none_is_named_in_an_error_of_ours(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": b"x"})
    with pytest.raises(MoodSwarmError, match="'!'"):
        crawl(tmp_path, "!")


def test_a_folder_reached_by_a_symbolic_link_inside_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"notes/a.md": b"x", "outside/secret.md": b"s3cret"})
    (tmp_path / "notes" / "more").symlink_to(tmp_path / "outside")
    documents, _ = crawl(tmp_path / "notes")
    assert [document.content for document in documents] == ["x"]


def test_files_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    write(tmp_path, {f"{n}.md": b"x" for n in range(5)})
    with folders(tmp_path, max_files=3).open(str(tmp_path)) as tree:
        assert [file.path for file in tree.files] == ["0.md", "1.md", "2.md"]
    assert tree.skipped == {"beyond the file limit": 2}


@pytest.mark.parametrize("files", [{}, {"a.txt": b"x", "deep/b.rst": b"x"}])
def test_a_folder_without_markdown_is_an_error_that_says_what_was_looked_for(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    write(tmp_path, files)
    with pytest.raises(CrawlError, match=r"no Markdown file .*\.md.* in ") as caught:
        crawl(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": b"x"})
    for link in ("a.md", "missing", "https://example.com/"):
        with pytest.raises(CrawlError, match="is not a folder"), folders(tmp_path).open(link):
            pass


def test_a_file_that_goes_away_while_the_folder_is_read_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": b"a", "b.md": b"b", "c.md": b"c"})
    with folders(tmp_path).open(str(tmp_path)) as tree:
        first = next(tree.files)
        (tmp_path / "b.md").unlink()
        rest = list(tree.files)
    assert [file.text for file in (first, *rest)] == ["a", "c"]


def test_a_folder_is_known_by_path_or_url_and_nothing_else_is_one(tmp_path: Path) -> None:
    notes = tmp_path / "my notes"
    write(notes, {"a.md": b"x"})
    taken = folders(tmp_path)
    assert [taken.handles(link) for link in (str(notes), notes.as_uri(), "my notes", "./my notes/")] == [True] * 4
    others = ("my notes/a.md", "missing", "https://example.com/my notes", "", "~nobody-of-this-name", "x" * 5000)
    assert [link for link in others if taken.handles(link)] == []


def test_a_folder_by_path_and_by_url_gives_the_same_documents(tmp_path: Path) -> None:
    notes = tmp_path / "my notes"
    write(notes, {"a.md": b"x"})
    crawler = MarkdownFolderCrawler(folders(tmp_path))
    ids = set()
    for link in (str(notes), notes.as_uri(), "my notes", "my notes/"):
        with crawler.crawl(link, ADA) as crawl:
            ids |= {document.id for document in crawl.documents}
    assert len(ids) == 1
