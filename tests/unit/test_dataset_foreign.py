"""Datasets of others, read as ours."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.application.dataset.foreign import NO_DOCUMENT, read_dataset
from llm_engineering.application.dataset.layout import write_layout
from llm_engineering.domain.datasets import DatasetKind, Sample
from llm_engineering.domain.errors import InvalidDatasetError, MissingExtraError
from tests.sample_datasets import dataset, published


def lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def texts(samples: list[Sample]) -> list[tuple[str, str, str | None]]:
    return [(sample.instruction, sample.answer, sample.rejected) for sample in samples]


def test_a_folder_of_ours_is_read_with_its_report(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path, "card")
    assert read_dataset(tmp_path) == published(dataset())


def test_a_file_of_ours_alone_has_the_same_samples(tmp_path: Path) -> None:
    made = dataset(DatasetKind.PREFERENCE)
    write_layout(made, tmp_path, "card")
    read = read_dataset(tmp_path / "data" / "train.jsonl")
    assert (read.kind, read.train, read.test) == (made.kind, made.train, [])


def test_a_dataset_exported_as_json_has_the_same_samples(tmp_path: Path) -> None:
    made = dataset()
    path = tmp_path / "export.json"
    path.write_text(made.model_dump_json())
    read = read_dataset(path)
    assert [sample.id for sample in read.train] == [sample.id for sample in made.train]
    assert (texts(read.train), texts(read.test)) == (texts(made.train), texts(made.test))
    assert [s.source.document_id for s in read.test] == [s.source.document_id for s in made.test]


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Why?", "output": "So."},
        {"instruction": "Why?", "answer": "So."},
        {"prompt": "Why?", "response": "So."},
        {"question": "Why?", "completion": "So.", "input": None},
        {"prompt": [{"role": "user", "content": "Why?"}], "response": [{"role": "assistant", "content": "So."}]},
    ],
)
def test_instructions_are_known_by_the_usual_names(tmp_path: Path, row: dict[str, Any]) -> None:
    read = read_dataset(lines(tmp_path / "data.jsonl", row))
    assert (read.kind, texts(read.train)) == (DatasetKind.INSTRUCT, [("Why?", "So.", None)])


def test_preferences_are_known_by_their_rejected_answer_also_of_whole_conversations(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Why?"}]
    rows = (
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
        {
            "prompt": "Why?",
            "chosen": [*said, {"role": "assistant", "content": "So."}],
            "rejected": [*said, {"role": "assistant", "content": "No."}],
        },
    )
    read = read_dataset(lines(tmp_path / "data.jsonl", *rows))
    assert (read.kind, texts(read.train)) == (DatasetKind.PREFERENCE, [("Why?", "So.", "No.")] * 2)


def test_an_input_belongs_to_its_instruction(tmp_path: Path) -> None:
    read = read_dataset(lines(tmp_path / "a.jsonl", {"instruction": "Add.", "input": "1, 2", "output": "3"}))
    assert read.train[0].instruction == "Add.\n\n1, 2"


def test_the_split_follows_from_names_of_files_and_folders_below_the_one_given(tmp_path: Path) -> None:
    folder = tmp_path / "test of something"
    for name in ("train.jsonl", "latest.jsonl", "test.jsonl", "validation/part-0.jsonl"):
        lines(folder / name, {"instruction": name, "output": "x"})
    lines(folder / "dropped.jsonl", {"instruction": "dropped", "output": "x"})
    read = read_dataset(folder)
    assert {sample.instruction for sample in read.train} == {"train.jsonl", "latest.jsonl"}
    assert {sample.instruction for sample in read.test} == {"test.jsonl", "validation/part-0.jsonl"}


def test_rows_nested_in_json_are_found_and_keys_name_the_split(tmp_path: Path) -> None:
    # The form of the handbook's exports.
    def part(word: str) -> dict[str, Any]:
        return {"articles": {"category": "articles", "samples": [{"instruction": word, "answer": "x"}]}}

    path = tmp_path / "instruct_datasets.json"
    path.write_text(json.dumps({"artifact_data": {"train": part("one"), "test": part("two"), "test_split_size": 0.1}}))
    read = read_dataset(path)
    assert (texts(read.train), texts(read.test)) == ([("one", "x", None)], [("two", "x", None)])


def test_parquet_is_read_as_it_is_published(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"prompt": ["Why?", "How?"], "chosen": ["So.", "Thus."], "rejected": ["No.", "Never."]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "train-00000-of-00001.parquet")
    read = read_dataset(tmp_path)
    assert texts(read.train) == [("Why?", "So.", "No."), ("How?", "Thus.", "Never.")]
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    with pytest.raises(InvalidDatasetError, match="cannot be read as Parquet"):
        read_dataset(broken)


def test_parquet_without_its_library_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"'pyarrow'.*training"):
        read_dataset(tmp_path / "a.parquet")


def test_what_a_row_does_not_tell_of_its_origin_is_not_invented(tmp_path: Path) -> None:
    rows = ({"instruction": "a", "output": "x"}, {"instruction": "b", "output": "y", "url": "https://e.com/1"})
    read = read_dataset(lines(tmp_path / "data.jsonl", *rows))
    nameless, named = read.train
    assert (nameless.source.document_id, nameless.source.link, nameless.model_id) == (NO_DOCUMENT, "", "unknown")
    assert (named.source.link, named.source.document_id != NO_DOCUMENT) == ("https://e.com/1", True)
    assert read.report.warnings == ["1 of 2 samples in data.jsonl name no document that they come from."]
    assert not read.report.passed


def rejects(path: Path, told: str, kind: DatasetKind | None = None) -> None:
    with pytest.raises(InvalidDatasetError, match=told):
        read_dataset(path, kind)


def test_what_is_neither_kind_of_data_is_refused_with_where_it_stands(tmp_path: Path) -> None:
    path, good = tmp_path / "data.jsonl", {"instruction": "a", "output": "x"}
    rejects(
        lines(path, good, {"text": "x"}), r"data.jsonl:2: expected one of the columns 'instruction' or .* got 'text'"
    )
    rejects(lines(path, good, {"instruction": "x"}), "data.jsonl:2: expected one of the columns 'output' or")
    rejects(lines(path, good, 3), "data.jsonl:2: expected an object")
    rejects(lines(path, good, {"prompt": "a", "chosen": "b", "rejected": "c"}), "data.jsonl:2 has a 'rejected'")
    rejects(lines(path, good), "has no 'rejected', and preference data is read", DatasetKind.PREFERENCE)
    path.write_text('{"instruction": "a"\n')
    rejects(path, "line 1 is not valid JSON")
    rejects(lines(path), "has no row")
    rejects(tmp_path / "nothing", "is no file or folder with a dataset")
    (tmp_path / "a.json").write_text("[" * 5)
    rejects(tmp_path / "a.json", "cannot be read as JSON")
