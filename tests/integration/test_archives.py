"""ZIP archives, honest and hostile ones."""

import io
import os
import stat
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_engineering.application.crawlers.files import file_link
from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.infrastructure.files.local import LocalFiles
from llm_engineering.infrastructure.files.tree import FileLimits
from tests.integration.samples import read, write, zipped

MIB = 2**20


def built(fill: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return buffer.getvalue()


def archive_at(folder: Path, content: bytes, name: str = "my export.zip") -> Path:
    return write(folder, {name: content}) / name


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_an_archive_is_read_as_a_folder_and_links_do_not_depend_on_where_it_is_unpacked(
    tmp_path: Path, temporary: Path
) -> None:
    path = archive_at(tmp_path, zipped({"a/ä note.md": "a", "b.txt": "b", "c.png": "c", ".x/d.md": "d"}))
    source = LocalFiles(FileLimits(1000, 100), [tmp_path], tmp_path)
    with source.open(str(path)) as tree:
        assert list(temporary.iterdir())
        files = list(tree.files)
    assert list(temporary.iterdir()) == []
    assert [(file.path, file.text, file.link) for file in files] == [("a/ä note.md", "a", None), ("b.txt", "b", None)]
    assert file_link(tree.link, files[0].path) == f"{tmp_path.as_uri()}/my%20export.zip/a/%C3%A4%20note.md"
    assert tree.skipped == {"type not read: .png": 1, "hidden": 1}


def test_an_archive_given_up_on_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    path = archive_at(tmp_path, zipped({"a.md": "a", "b.md": "b"}))
    with LocalFiles(FileLimits(1000, 100), [tmp_path], tmp_path).open(str(path)) as tree:
        next(tree.files)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["../evil.md", "a/../../evil.md", "/evil.md", "..\\evil.md", "a\\..\\..\\evil.md", "C:\\evil.md", "c:evil.md",
     "\\evil.md", "//host/evil.md", "a/.."],
)  # fmt: skip
def test_an_entry_that_leads_out_of_the_archive_is_not_written(tmp_path: Path, temporary: Path, name: str) -> None:
    path = archive_at(tmp_path, zipped({name: "evil", "good.md": "good"}))
    with LocalFiles(FileLimits(1000, 100), [tmp_path], tmp_path).open(str(path)) as tree:
        assert [file.text for file in tree.files] == ["good"]
        assert [found.name for found in temporary.rglob("*") if found.is_file()] == ["good.md"]
    assert tree.failed == {name: "its path leads out of the archive"}
    assert [found.name for found in tmp_path.rglob("*")] == ["my export.zip"]


def test_a_name_with_backslashes_inside_the_archive_is_a_path(tmp_path: Path) -> None:
    [file], _ = read(archive_at(tmp_path, zipped({"a\\b.md": "text"})))
    assert file.path == "a/b.md"


def test_links_devices_and_names_that_are_no_text_are_counted_and_not_written(tmp_path: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        for name, kind in (("link.md", stat.S_IFLNK), ("pipe.md", stat.S_IFIFO)):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (kind | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
        archive.writestr("a\nb.md", "x")
        archive.writestr("good.md", "good")

    files, tree = read(archive_at(tmp_path, built(fill)))
    assert [file.text for file in files] == ["good"]
    assert tree.skipped == {"symbolic link": 1, "not a file": 1, "name is not text": 1}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_second_of_two_entries_with_one_name_fails(tmp_path: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        for text in ("first", "second"):
            archive.writestr("a.md", text)
        archive.writestr("a.md/b.md", "a file as a folder")

    files, tree = read(archive_at(tmp_path, built(fill)))
    assert [file.text for file in files] == ["first"]
    assert set(tree.failed) == {"a.md", "a.md/b.md"}


def test_an_encrypted_entry_fails_alone(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.md": "a", "b.md": "b"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    files, tree = read(archive_at(tmp_path, bytes(content)))
    assert [file.text for file in files] == ["b"]
    assert tree.failed == {"a.md": "encrypted"}


def test_a_name_in_utf_8_that_does_not_say_so_and_one_in_code_page_437_are_both_read(tmp_path: Path) -> None:
    content = zipped({"XX.md": "utf-8", "Y.md": "437"})
    content = content.replace(b"XX.md", "é.md".encode()).replace(b"Y.md", "é.md".encode("cp437"))
    files, tree = read(archive_at(tmp_path, content))
    assert [file.path for file in files] == ["é.md"]
    assert tree.failed == {"é.md": "the archive has this name twice"}


def test_an_archive_with_too_many_entries_is_refused(tmp_path: Path) -> None:
    path = archive_at(tmp_path, zipped({f"{n}.png": "x" for n in range(11)}))
    with pytest.raises(CrawlError, match="more than 10 entries"):
        read(path, limits=FileLimits(1000, 100, max_archive_entries=10))


def test_a_bomb_is_refused_by_its_ratio_and_by_its_size(tmp_path: Path, temporary: Path) -> None:
    path = archive_at(tmp_path, zipped({"a.md": b"0" * (20 * MIB)}))
    with pytest.raises(CrawlError, match="packed more than 200 times: it looks like a ZIP bomb"):
        read(path)
    many = archive_at(tmp_path, zipped({f"{n}.md": bytes(range(256)) * 4000 for n in range(8)}))
    with pytest.raises(CrawlError, match="unpacks to more than 4 MiB"):
        read(many, limits=FileLimits(1000, 100, max_archive_bytes=4 * MIB))
    assert list(temporary.iterdir()) == []


def test_an_archive_that_lies_about_a_size_does_not_get_more_written_than_it_says(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.md": b"0" * (4 * MIB), "b.md": "good"}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        assert struct.unpack_from("<I", content, at)[0] == 4 * MIB
        struct.pack_into("<I", content, at, 10)
    files, tree = read(archive_at(tmp_path, bytes(content)))
    assert [file.text for file in files] == ["good"]
    assert tree.failed == {"a.md": "cannot be unpacked: BadZipFile"}


def test_an_endless_table_of_contents_is_not_read(tmp_path: Path) -> None:
    size = 64 * MIB
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, size, 0, 0)
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(end)
    with pytest.raises(CrawlError, match="table of contents"):
        read(path)


@pytest.mark.parametrize("cut", [10, 60, 100])
def test_a_broken_archive_is_an_error(tmp_path: Path, cut: int) -> None:
    with pytest.raises(CrawlError, match="no ZIP archive that can be read"):
        read(archive_at(tmp_path, zipped({"a.md": "text", "b.md": "text"})[:cut]))


def test_an_entry_whose_bytes_are_broken_fails_alone(tmp_path: Path) -> None:
    content = zipped({"a.md": "some words that are packed " * 9, "b.md": "b"})
    at = content.index(b"a.md") + 8
    files, tree = read(archive_at(tmp_path, content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :]))
    assert [file.text for file in files] == ["b"]
    assert list(tree.failed) == ["a.md"]


def test_the_parts_of_a_notion_export_are_read_as_one_archive_and_no_deeper(tmp_path: Path) -> None:
    page = "0123456789abcdef" * 2
    part = zipped({f"Home {page}.md": "# Home\n\ntext", "db.csv": "x", "Export-3.zip": zipped({"deep.md": "x"})})
    other = zipped({f"Home/Sub {page}.md": f"[up](../Home%20{page}.md)"})
    path = archive_at(
        tmp_path, zipped({"Export-1a2b-Part-1.zip": part, "ExportBlock-1a2b-Part-2.zip": other, "x.zip": part})
    )
    files, tree = read(path)
    assert [(file.path, file.title, file.text) for file in files] == [
        (f"Home/Sub {page}.md", "Sub", "[up](../Home.md)"),
        (f"Home {page}.md", "Home", "# Home\n\ntext"),
    ]
    assert tree.skipped == {
        "type not read: .csv": 1,
        "type not read: .zip (a ZIP has to be named as a link of its own)": 2,
    }


def test_a_bomb_in_a_part_counts_with_the_whole(tmp_path: Path) -> None:
    part = zipped({"a.md": b"0" * (20 * MIB)})
    with pytest.raises(CrawlError, match="ZIP bomb"):
        read(archive_at(tmp_path, zipped({"Export-1.zip": part})))


def test_an_archive_with_nothing_to_read_any_more_is_missing_and_one_of_which_all_failed_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="nothing can be read"):
        read(archive_at(tmp_path, zipped({"a.png": "x"}), "empty.zip"))
    with pytest.raises(CrawlError) as caught:
        read(archive_at(tmp_path, zipped({"a.pdf": "x"}), "broken.zip"))
    assert not isinstance(caught.value, SourceMissingError)


def test_an_archives_files_beyond_a_limit_are_named(tmp_path: Path) -> None:
    archive = archive_at(tmp_path, zipped({"a.md": "x", "b/c.md": "x" * 2049}))
    _, tree = read(archive, limits=FileLimits(2048, 100))
    assert tree.over_limit == {"b/c.md": "too large (MAX_FILE_KIB=2)"}


def test_names_with_joiners_and_unusual_blanks_are_unpacked(tmp_path: Path) -> None:
    names = ["\U0001f469\u200d\U0001f4bb Work.md", "a\u00a0b.md", "c\u3000d.md"]
    files, tree = read(archive_at(tmp_path, zipped({**dict.fromkeys(names, "x"), "e\nf.md": "x"})))
    assert {file.path for file in files} == set(names)
    assert tree.skipped == {"name is not text": 1}


def test_what_a_killed_process_left_of_an_archive_a_day_ago_is_removed_and_nothing_else(
    tmp_path: Path, temporary: Path
) -> None:
    for name in ("moodswarm-zip-old", "moodswarm-zip-new", "other-old"):
        write(temporary / name, {"a.md": "x"})
    (temporary / "moodswarm-zip-link").symlink_to(temporary / "other-old")
    for name in ("moodswarm-zip-old", "other-old"):
        os.utime(temporary / name, (time.time() - 25 * 3600,) * 2)
    read(archive_at(tmp_path, zipped({"a.md": "a"})))
    left = {path.name for path in temporary.iterdir()}
    assert left == {"moodswarm-zip-new", "moodswarm-zip-link", "other-old"}
    assert (temporary / "other-old" / "a.md").exists()
