"""Folders and single files on a real disk."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_engineering.application.crawlers.files import to_document
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import (
    CrawlError,
    ForbiddenLinkError,
    InvalidInputError,
    MoodSwarmError,
    SourceMissingError,
)
from llm_engineering.infrastructure.files.local import LocalFiles
from llm_engineering.infrastructure.files.tree import FileLimits
from tests.fakes import ADA
from tests.integration.samples import docx, notebook, paragraph, pdf, read, write

MAX_BYTES = 1000


def limits(*exclude: str, max_files: int = 100, **more: int) -> FileLimits:
    return FileLimits(MAX_BYTES, max_files, exclude, **more)


def source(base: Path, *exclude: str) -> LocalFiles:
    return LocalFiles(limits(*exclude), [base], base)


def test_a_folder_gives_each_file_in_the_order_of_its_path_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    notes = write(
        tmp_path / "my notes",
        {
            "b.md": "# B\n\nb",
            "a/z.txt": "z",
            "a/a.rst": "a",
            "A.MARKDOWN": "upper",
            "c.mdx": "c",
            "d.html": "<h1>D</h1><p>d</p>",
            "e.ipynb": notebook(("markdown", "e")),
            "f.pdf": pdf(["f"]),
            "g.docx": docx(paragraph("g")),
            "x.png": b"\x89PNG",
            "y.PNG": b"\x89PNG",
            "z.csv": "a,b",
            "Makefile": "all:",
        },
    )
    files, tree = read(notes, limits=FileLimits(10_000, 100))
    assert [file.path for file in files] == [
        "A.MARKDOWN", "a/a.rst", "a/z.txt", "b.md", "c.mdx", "d.html", "e.ipynb", "f.pdf", "g.docx",
    ]  # fmt: skip
    assert tree.skipped == {"type not read: .png": 2, "type not read: .csv": 1, "type not read: without a suffix": 1}
    assert tree.failed == {}
    assert (tree.name, tree.link) == ("my notes", notes.as_uri())
    assert tree.bytes_read == sum((notes / file.path).stat().st_size for file in files)


def test_files_are_read_one_by_one(tmp_path: Path) -> None:
    write(tmp_path / "n", {"a.md": "a", "b.md": "b", "c.md": "c"})
    with source(tmp_path).open("n") as tree:
        first = next(tree.files)
        assert tree.bytes_read == 1
        (tmp_path / "n" / "b.md").unlink()
        rest = list(tree.files)
    assert [file.text for file in (first, *rest)] == ["a", "c"]
    assert tree.failed == {"b.md": "cannot be read: No such file or directory"}


def test_files_are_left_out_by_pattern_size_and_kind_and_counted(tmp_path: Path) -> None:
    write(tmp_path, {"outside.md": "s3cret", "outside/x.md": "s3cret"})
    notes = write(
        tmp_path / "notes",
        {
            "kept.md": "x" * MAX_BYTES,
            "drafts/a.md": "x",
            "deep/drafts/b.md": "x",
            "deep/TODO.md": "x",
            "node_modules/pkg/README.md": "x",
            "large.md": "x" * (MAX_BYTES + 1),
            "binary.md": b"a\0b",
            "blank.md": " \n",
            ".obsidian/app.md": "x",
            ".trash/old.md": "x",
            ".hidden.md": "x",
        },
    )
    (notes / "link.md").symlink_to(tmp_path / "outside.md")
    (notes / "linked").symlink_to(tmp_path / "outside")
    os.mkfifo(notes / "pipe.md")
    files, tree = read(notes, limits=limits("drafts/", "TODO.md"))
    assert [file.path for file in files] == ["kept.md"]
    assert tree.skipped == {
        "excluded by pattern": 4,
        "too large": 1,
        "binary": 1,
        "empty": 1,
        "symbolic link": 2,
        "hidden": 3,
        "not a file": 1,
    }


def test_a_pattern_with_a_slash_starts_at_the_folder(tmp_path: Path) -> None:
    notes = write(tmp_path / "n", {"drafts/a.md": "x", "deep/drafts/b.md": "x"})
    files, tree = read(notes, limits=limits("/drafts/"))
    assert [file.path for file in files] == ["deep/drafts/b.md"]
    assert tree.skipped == {"excluded by pattern": 1}


def test_a_pattern_that_is_none_is_named_in_an_error_of_ours(tmp_path: Path) -> None:
    notes = write(tmp_path / "n", {"a.md": "x"})
    with pytest.raises(MoodSwarmError, match="'!'"):
        read(notes, limits=limits("!"))


def test_files_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    notes = write(tmp_path / "n", {f"{n}.md": "x" for n in range(5)})
    files, tree = read(notes, limits=limits(max_files=3))
    assert [file.path for file in files] == ["0.md", "1.md", "2.md"]
    assert tree.skipped == {"beyond the file limit": 2}


def test_a_file_that_turns_into_more_text_than_a_document_holds_is_too_large(tmp_path: Path) -> None:
    notes = write(tmp_path / "n", {"a.md": "ä" * 50, "b.md": "ä" * 51})
    files, tree = read(notes, limits=limits(max_text_bytes=100))
    assert [file.path for file in files] == ["a.md"]
    assert tree.skipped == {"too large": 1}


def test_text_files_keep_every_character(tmp_path: Path) -> None:
    text = "# Second\r\n\r\ntext  \r\n\tcode\r\n"
    notes = write(tmp_path / "n", {"a.md": text, "b.txt": text, "c.md": b"\xef\xbb\xbf" + text.encode()})
    files, _ = read(notes)
    assert [file.text for file in files] == [text] * 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("naïve café".encode("cp1252"), "naïve café"),
        (("Grüße, " * 30).encode() + b"\xff", "Grüße, " * 30 + "\ufffd"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("\ufeffGrüße".encode("utf-16-be"), "Grüße"),
        ("Привет, как дела? Это простой русский текст о погоде.".encode("cp1251"),
         "Привет, как дела? Это простой русский текст о погоде."),
    ],
)  # fmt: skip
def test_text_of_other_encodings_is_read(tmp_path: Path, content: bytes, expected: str) -> None:
    [file], _ = read(write(tmp_path / "n", {"a.txt": content}))
    assert file.text == expected


def test_an_obsidian_vaults_templates_are_no_notes(tmp_path: Path) -> None:
    vault = write(
        tmp_path / "vault",
        {".obsidian/templates.json": '{"folder": "meta/tpl"}', "meta/tpl/daily.md": "{{date}}", "meta/a.md": "a"},
    )
    files, tree = read(vault)
    assert [file.path for file in files] == ["meta/a.md"]
    assert tree.skipped == {"hidden": 1, "Obsidian template": 1}


def test_the_same_public_link_on_two_pages_is_a_templates_and_only_the_firsts(tmp_path: Path) -> None:
    note = "---\nurl: {}\n---\ntext of {}"
    notes = write(
        tmp_path / "n",
        {"a.md": note.format("https://example.com/x", "a"), "b.md": note.format("http://www.example.com/x/", "b")},
    )
    files, _ = read(notes)
    assert [(file.text, file.link) for file in files] == [("text of a", "https://example.com/x"), ("text of b", None)]


def test_a_single_file_is_a_source_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"a note.md": "# A\n\ntext", "b.md": "other"})
    [file], tree = read(tmp_path / "a note.md")
    assert (file.path, file.text, file.link) == ("a note.md", "# A\n\ntext", (tmp_path / "a note.md").as_uri())
    assert tree.link == (tmp_path / "a note.md").as_uri()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"x", r"type not read: \.png\. What is read: .*\.docx.*\.zip"),
        ("a.pdf", b"x", "a.pdf: no PDF"),
        ("a.md", b" ", "1 empty"),
        ("a.zip", b"x", "no ZIP archive"),
    ],
)
def test_a_single_file_that_cannot_be_read_is_an_error_with_the_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    write(tmp_path, {name: content})
    with pytest.raises(CrawlError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("files", [{}, {"a.png": b"x", "deep/b.csv": b"x"}])
def test_a_folder_without_anything_to_read_is_an_error_that_says_what_is_read(
    tmp_path: Path, files: dict[str, bytes | str]
) -> None:
    (tmp_path / "n").mkdir()
    with pytest.raises(CrawlError, match=r"nothing can be read in n: .*What is read: .*\.md"):
        read(write(tmp_path / "n", files))


def test_a_folder_of_which_all_failed_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    notes = write(tmp_path / "n", {f"{n}.pdf": b"x" for n in range(5)})
    with pytest.raises(CrawlError, match=r"0\.pdf: no PDF.*2\.pdf.*and 2 more failed"):
        read(notes)


def test_whatever_has_the_form_of_a_path_is_taken_and_nothing_else(tmp_path: Path) -> None:
    files = source(tmp_path)
    taken = ("notes", "/x/y", "./a b/", "~/notes", "missing.md", "file:///x%20y", "FILE:///x")
    assert [files.handles(link) for link in taken] == [True] * len(taken)
    others = ("https://example.com/a.md", "", " ", "mailto:a@example.com", "ftp://x/y", "http://[bad")
    assert [link for link in others if files.handles(link)] == []


def test_a_misspelt_path_gets_a_message_that_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(CrawlError, match=f"there is no {tmp_path}/notez .*start at {tmp_path}"):
        read("notez", tmp_path)


@pytest.mark.parametrize("link", ["a\0b", "x" * 5000, "~nobody-of-this-name/x", "file://elsewhere/x"])
def test_a_link_that_can_be_no_path_is_an_error(tmp_path: Path, link: str) -> None:
    with pytest.raises(CrawlError, match="is no path on this machine"):
        read(link, tmp_path)
    with pytest.raises(InvalidInputError):
        source(tmp_path).source(link)


def test_a_path_outside_the_allowed_folders_is_forbidden_however_it_is_spelt(tmp_path: Path) -> None:
    write(tmp_path, {"allowed/a.md": "a", "secret/b.md": "s3cret", "allowed-not/c.md": "s3cret"})
    (tmp_path / "allowed" / "door").symlink_to(tmp_path / "secret")
    links = (
        "../secret",
        "door",
        "door/b.md",
        f"file://{tmp_path}/allowed/%2e%2e/secret",
        str(tmp_path / "secret" / "b.md"),
    )
    for link in links:
        with pytest.raises(ForbiddenLinkError) as caught:
            read(link, tmp_path / "allowed")
        assert str(caught.value).endswith(f"add to CRAWL_ALLOWED_PATHS: {tmp_path / 'secret'}")
    with pytest.raises(ForbiddenLinkError):
        read("../allowed-not", tmp_path / "allowed")
    with pytest.raises(ForbiddenLinkError), LocalFiles(limits(), [], tmp_path).open("allowed"):
        pass


def test_what_is_not_there_and_not_allowed_does_not_tell_which(tmp_path: Path) -> None:
    for link in ("/etc/passwd", "/etc/missing-file"):
        with pytest.raises(ForbiddenLinkError, match=r"add to CRAWL_ALLOWED_PATHS: /etc$"):
            read(link, tmp_path)


def test_a_folder_by_path_and_by_url_is_the_same_source(tmp_path: Path) -> None:
    notes = write(tmp_path / "my notes", {"a.md": "x"})
    files = source(tmp_path)
    links = (str(notes), notes.as_uri(), "my notes", "./my notes/", f"file://localhost{notes}".replace(" ", "%20"))
    assert {files.source(link) for link in links} == {notes.as_uri()}
    for link in links:
        with files.open(link) as tree:
            assert tree.link == notes.as_uri()


@contextmanager
def another_user() -> Iterator[None]:
    """Rights as any user has them: the superuser may enter every folder."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_that_may_not_be_entered_is_one_failure_and_the_rest_is_read(public: Path, mode: int) -> None:
    notes = write(public / "n", {"a.md": "a", "private/b.md": "b", "private/posts/c.html": "c", "z.md": "z"})
    read(notes)
    (notes / "private").chmod(mode)
    with another_user():
        files, tree = read(notes)
    (notes / "private").chmod(0o755)
    assert [file.path for file in files] == ["a.md", "z.md"]
    assert (tree.failed, tree.skipped) == ({"private/": "cannot be opened: Permission denied"}, {})


def test_a_link_to_what_may_not_be_opened_says_so_and_the_allowed_folders_come_first(public: Path) -> None:
    notes = write(public / "n", {"private/b.md": "b"})
    (notes / "private").chmod(0)
    with another_user():
        for link in ("private", "private/b.md", "private/deep/er"):
            with pytest.raises(CrawlError, match="cannot be opened: Permission denied") as caught:
                read(link, notes)
            assert not isinstance(caught.value, SourceMissingError)
            with pytest.raises(ForbiddenLinkError, match="CRAWL_ALLOWED_PATHS"):
                read(notes / link, public / "elsewhere")
    (notes / "private").chmod(0o755)


def test_what_a_limit_leaves_out_is_named_with_the_setting(tmp_path: Path) -> None:
    notes = write(tmp_path / "n", {"a.md": "x", "b.md": "x" * 1025, "c.pdf": b"x" * 3000, "d.md": "x", "e.png": b"x"})
    _, tree = read(notes, limits=FileLimits(1024, 1, max_large_bytes=2000))
    assert tree.over_limit == {
        "b.md": "too large (MAX_FILE_KIB=1)",
        "c.pdf": "too large (more than 2000 bytes)",
        "d.md": "beyond the file limit (MAX_REPOSITORY_FILES=1)",
    }
    assert tree.skipped == {"too large": 2, "beyond the file limit": 1, "type not read: .png": 1}


def test_what_is_not_there_any_more_is_missing_and_what_cannot_be_read_is_not(tmp_path: Path) -> None:
    write(tmp_path, {"file.md": "x", "emptied/a.png": b"x", "broken/a.pdf": b"x", "large/a.md": "x" * 2000})
    for link in ("gone", "gone.zip", "file.md/below", "emptied"):
        with pytest.raises(SourceMissingError) as caught:
            read(link, tmp_path)
        assert not caught.value.permanent
    for link in ("broken", "large"):
        with pytest.raises(CrawlError) as failed:
            read(link, tmp_path, FileLimits(1000, 100))
        assert not isinstance(failed.value, SourceMissingError)


def test_names_with_joiners_and_unusual_blanks_are_names(tmp_path: Path) -> None:
    names = ["\U0001f469\u200d\U0001f4bb Work", "a\u00a0b", "c\u3000d", "e\u200cf", "g\u00adh"]
    notes = write(tmp_path / "n", {f"{name}.md": b"x" for name in [*names, "i\u2028j", "k\nl"]})
    with source(tmp_path).open("n") as tree:
        documents = {file.path: to_document(tree, file, ADA, DataCategory.ARTICLES) for file in tree.files}
    assert set(documents) == {f"{name}.md" for name in names}
    for name in names:
        document = documents[f"{name}.md"]
        assert (document.title, document.link) == (name, (notes / f"{name}.md").as_uri())
    assert tree.skipped == {"name is not text": 2}


def test_an_archive_in_a_folder_is_left_out_with_the_advice_to_name_it(tmp_path: Path) -> None:
    _, tree = read(write(tmp_path / "n", {"a.md": "a", "b.zip": b"x"}))
    assert tree.skipped == {"type not read: .zip (a ZIP has to be named as a link of its own)": 1}


def test_a_very_deep_folder_is_walked(tmp_path: Path) -> None:
    folder = tmp_path / "n"
    (folder / ("d/" * 400)).mkdir(parents=True)
    write(folder / ("d/" * 400), {"a.md": "x"})
    [file], _ = read(folder)
    assert file.path == "d/" * 400 + "a.md"
