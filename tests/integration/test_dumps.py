"""JSON dumps on a real disk."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.domain.errors import InvalidDumpError
from llm_engineering.infrastructure.dumps import JsonDump, TextFiles
from tests.fakes import Killed

RECORDS: list[dict[str, Any]] = [
    {"_id": "1", "content": {"Title": "Ünï — \u2028 \U0001f98a", "Subtitle": None}, "score": 0.25, "count": 3},
    {"_id": "2", "content": {"src/a b.py": 'print("\\t")\r\n'}, "flag": True},
    {},
]


def records_that_fail(error: BaseException) -> Iterator[dict[str, Any]]:
    yield {"_id": "new"}
    raise error


def invalid(folder: Path, content: bytes) -> str:
    """The message about a file with this content."""
    (folder / "C.json").write_bytes(content)
    with pytest.raises(InvalidDumpError) as caught:
        list(JsonDump(folder).read("C"))
    message = str(caught.value)
    assert "C.json" in message
    assert "\n" not in message
    return message


def test_what_is_written_is_read_again_and_any_json_reader_takes_it(tmp_path: Path) -> None:
    dump = JsonDump(tmp_path / "not" / "there" / "yet")
    assert dump.write("ArticleDocument", RECORDS) == 3
    assert list(dump.read("ArticleDocument")) == RECORDS
    path = tmp_path / "not" / "there" / "yet" / "ArticleDocument.json"
    assert json.loads(path.read_text(encoding="utf-8")) == RECORDS


def test_the_types_of_numbers_survive(tmp_path: Path) -> None:
    dump = JsonDump(tmp_path)
    dump.write("C", [{"a": 1, "b": 1.0, "c": True}])
    [record] = dump.read("C")
    assert {key: type(value) for key, value in record.items()} == {"a": int, "b": float, "c": bool}


def test_the_file_of_another_tool_is_read(tmp_path: Path) -> None:
    (tmp_path / "C.json").write_bytes(b' \n[\r\n {"a":"\\u00fc"} ,{"b":[1,{"c":null}]}\n]  \n')
    assert list(JsonDump(tmp_path).read("C")) == [{"a": "ü"}, {"b": [1, {"c": None}]}]


@pytest.mark.parametrize("records", [[], iter(())])
def test_no_records_make_an_empty_array(tmp_path: Path, records: Any) -> None:
    dump = JsonDump(tmp_path)
    assert dump.write("C", records) == 0
    assert json.loads((tmp_path / "C.json").read_bytes()) == []
    assert dump.has("C")
    assert list(dump.read("C")) == []


def test_a_dump_has_the_collections_whose_files_are_there(tmp_path: Path) -> None:
    dump = JsonDump(tmp_path / "dump")
    assert not dump.has("C")
    dump.write("C", RECORDS)
    (tmp_path / "dump" / "D.json").mkdir()
    assert dump.has("C")
    assert not dump.has("D")
    assert not dump.has("E")
    assert str(dump) == str(tmp_path / "dump")


@pytest.mark.parametrize("error", [Killed(), RuntimeError("the store went away")])
def test_a_write_that_ends_in_the_middle_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    dump = JsonDump(tmp_path)
    dump.write("C", RECORDS)
    before = (tmp_path / "C.json").read_bytes()
    with pytest.raises(type(error)):
        dump.write("C", records_that_fail(error))
    assert (tmp_path / "C.json").read_bytes() == before
    assert dump.write("C", [{"_id": "newer"}]) == 1
    assert list(dump.read("C")) == [{"_id": "newer"}]


def test_a_first_write_that_ends_in_the_middle_is_no_dump(tmp_path: Path) -> None:
    dump = JsonDump(tmp_path)
    with pytest.raises(Killed):
        dump.write("C", records_that_fail(Killed()))
    assert not dump.has("C")


def test_a_record_that_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    dump = JsonDump(tmp_path)
    dump.write("C", RECORDS)
    with pytest.raises(TypeError):
        dump.write("C", [{"_id": "1", "when": object()}])
    assert list(dump.read("C")) == RECORDS


@pytest.mark.parametrize("content", [b"", b"   \n", b"{}", b'{"a": []}', b'"text"', b"null", b"plain text"])
def test_a_file_that_is_no_array_is_called_so(tmp_path: Path, content: bytes) -> None:
    assert "is not a JSON array" in invalid(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [b"[", b'[{"a": 1}', b'[{"a": 1},', b'[{"a": 1', b'[{"a": 1}] x', b'[{"a": 1} {"b": 2}]', b"[NaN]", b'["\xff"]'],
)
def test_a_file_that_is_broken_is_called_so_in_one_line(tmp_path: Path, content: bytes) -> None:
    assert "is not valid JSON" in invalid(tmp_path, content)


def test_what_stands_before_the_break_is_given_before_the_error(tmp_path: Path) -> None:
    (tmp_path / "C.json").write_bytes(b'[{"a": 1}, {"a": 2}, {"a"')
    records = JsonDump(tmp_path).read("C")
    assert [next(records), next(records)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(InvalidDumpError):
        next(records)


def write_text(folder: Path, records: Iterator[dict[str, Any]]) -> None:
    TextFiles(folder).write("C.json", map(json.dumps, records))


def write_dump(folder: Path, records: Iterator[dict[str, Any]]) -> None:
    JsonDump(folder).write("C", records)


@pytest.mark.parametrize("write", [write_text, write_dump])
def test_of_two_exports_at_once_the_last_one_is_whole(
    tmp_path: Path, write: Callable[[Path, Iterator[dict[str, Any]]], None]
) -> None:
    def slow() -> Iterator[dict[str, Any]]:
        yield {"from": "slow"}
        write(tmp_path, iter([{"from": "quick"}]))
        assert "quick" in (tmp_path / "C.json").read_text()
        yield {"from": "slow, too"}

    write(tmp_path, slow())
    [file] = tmp_path.iterdir()
    assert file.read_text().count("slow") == 2
    assert "quick" not in file.read_text()
