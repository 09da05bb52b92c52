"""The published folder and its card: what is in it, that it reads back, and what never leaves the machine."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_engineering.application.dataset.card import render_card, size_category
from llm_engineering.application.dataset.layout import public_link, publishable, read_layout, write_layout
from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.dataset_reports import GateCheck
from llm_engineering.domain.datasets import DatasetKind, DroppedSample, Scores, TrainTestSplit
from llm_engineering.domain.errors import InvalidDatasetError, StorageFullError
from llm_engineering.domain.generation import GenerationReport
from tests.sample_datasets import MODEL, dataset, published, report, sample

PUBLISH = PublishOptions(dataset_id="ada/twin", license="cc-by-4.0")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def front_matter(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    parsed: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return parsed


def test_instructions_are_written_in_the_columns_of_the_handbook_with_where_they_come_from(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path, "card")
    first = dataset().train[0]
    assert rows(tmp_path / "data" / "train.jsonl")[0] == {
        "instruction": "What does the engine weave?",
        "output": "It weaves algebraic patterns.",
        "id": first.id,
        "document_id": str(first.source.document_id),
        "link": "https://example.com/engine",
        "title": "The engine",
        "category": "articles",
        "author_id": str(first.source.author_id),
        "author": "Ada Lovelace",
        "language": "en",
        "method": "back-translated",
        "model": "google/gemma-3-270m",
        "accuracy": None,
        "style": None,
    }


def test_preferences_are_written_as_prompt_chosen_and_rejected(tmp_path: Path) -> None:
    write_layout(dataset(DatasetKind.PREFERENCE), tmp_path, "card")
    row = rows(tmp_path / "data" / "train.jsonl")[0]
    assert list(row)[:3] == ["prompt", "chosen", "rejected"]
    assert [row["prompt"], row["chosen"], row["rejected"]] == [
        "What does the engine weave?",
        "It weaves algebraic patterns.",
        "It weaves nothing.",
    ]


def test_the_folder_has_these_files_and_nothing_of_what_was_dropped(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path / "new" / "folder", "the card")
    folder = tmp_path / "new" / "folder"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"README.md", "report.json", "data/train.jsonl", "data/test.jsonl"}
    assert (folder / "README.md").read_text() == "the card"
    assert b"Short." not in b"".join((folder / name).read_bytes() for name in names)


@pytest.mark.parametrize("kind", DatasetKind)
def test_a_folder_reads_back_as_the_dataset_without_what_was_dropped(tmp_path: Path, kind: DatasetKind) -> None:
    made = dataset(kind)
    made.train[0] = made.train[0].model_copy(update={"scores": Scores(accuracy=3, style=2)})
    write_layout(made, tmp_path, "card")
    back = read_layout(tmp_path, kind)
    assert back == published(made)
    assert back.version == made.version


def test_each_row_is_a_line_for_every_reader_also_for_those_that_take_unicodes_line_ends(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path, "card")
    text = (tmp_path / "data" / "train.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(rows(tmp_path / "data" / "train.jsonl")) == 2


def test_another_run_that_found_its_answers_stored_is_published_as_the_same_files(tmp_path: Path) -> None:
    again = GenerationReport(model_id=MODEL, tasks=5, reused=5, cost_usd=0.0, seconds=2.0)
    first, second = dataset(), dataset().model_copy(update={"report": report(generation=again)})
    for name, made in (("first", first), ("second", second)):
        write_layout(publishable(made), tmp_path / name, render_card(publishable(made), PUBLISH))
    files = [path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file()]
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_the_card_says_how_it_is_loaded_from_where_it_lies() -> None:
    pushed = PUBLISH.model_copy(update={"push_to_huggingface": True})
    assert f'load_dataset("{PUBLISH.dataset_id}")' in render_card(dataset(), pushed)
    assert 'load_dataset("PATH")' in render_card(dataset(), PUBLISH)


def test_how_many_tasks_gave_nothing_is_published(tmp_path: Path) -> None:
    asked = GenerationReport(model_id=MODEL, tasks=9, malformed=2, refused=1, failed=3, asked=8, cost_usd=0.5)
    write_layout(dataset().model_copy(update={"report": report(generation=asked)}), tmp_path, "card")
    told = read_layout(tmp_path).report.generation
    assert told == GenerationReport(model_id=MODEL, tasks=9, malformed=2, refused=1, failed=3)


def test_the_version_follows_from_the_samples_and_their_splits_alone() -> None:
    made = dataset()
    assert len(made.version) == 40
    assert dataset().version == made.version
    assert made.model_copy(update={"dropped": [], "report": report(seed="other")}).version == made.version
    moved = TrainTestSplit(kind=made.kind, train=made.train[1:], test=[*made.train[:1], *made.test], report=made.report)
    assert moved.version != made.version
    assert dataset(DatasetKind.PREFERENCE).version != made.version


def local_dataset() -> TrainTestSplit:
    link, folder = "file:///home/ada/My%20notes/engine%20one.md", "file:///home/ada/My%20notes/"
    local = sample(
        "What is it?", f"See [it]({folder}b.md) or {folder}c.md.", link=link, model_id="/home/ada/gemma.gguf"
    )
    asked = GenerationReport(model_id="/home/ada/gemma.gguf", problems=["http://10.0.0.7:8080/v1 said no"])
    told = report(model_id="/home/ada/gemma.gguf", generation=asked, warnings=[f"{link} has a table, see {folder}x.md"])
    with_key = sample("Who?", "Ada did.", link="https://ada:pw1@example.com/a?token=pw2")
    dropped = DroppedSample(sample=local, stage="rules", reason="odd", detail=folder)
    return TrainTestSplit(kind=DatasetKind.INSTRUCT, train=[local], test=[with_key], dropped=[dropped], report=told)


def test_no_folder_of_this_machine_and_no_secret_is_published_and_the_version_stays(tmp_path: Path) -> None:
    made = local_dataset()
    write_layout(made, tmp_path, render_card(made, PUBLISH))
    text = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert [word for word in ("home", "ada/", "My", "notes", "pw1", "pw2", "10.0.0.7") if word in text] == []
    row = rows(tmp_path / "data" / "train.jsonl")[0]
    assert (row["link"], row["model"], row["output"]) == ("engine one.md", "gemma.gguf", "See [it](b.md) or c.md.")
    assert read_layout(tmp_path).version == made.version
    assert read_layout(tmp_path).report.warnings == ["engine%20one.md has a table, see x.md"]


@pytest.mark.parametrize(
    ("link", "public"),
    [
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("https://ada:pw@example.com/a", "https://example.com/a"),
        ("file:///home/ada/a.md", "a.md"),
        ("file://localhost/home/ada/a%2Fb.md", "b.md"),
        ("FILE:///C:/Users/ada/a.md", "a.md"),
        ("file:///home/ada/", "ada"),
    ],
)
def test_a_link_to_a_file_is_published_as_the_files_name(link: str, public: str) -> None:
    assert public_link(link) == public


def test_what_is_published_once_is_published_the_same_again() -> None:
    once = publishable(local_dataset())
    assert publishable(once) == once


def test_a_dataset_of_another_kind_than_asked_for_is_refused(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path, "card")
    with pytest.raises(InvalidDatasetError, match="of the kind instruct, not preference"):
        read_layout(tmp_path, DatasetKind.PREFERENCE)


def test_a_folder_that_misses_rows_is_refused(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path, "card")
    path = tmp_path / "data" / "train.jsonl"
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    with pytest.raises(InvalidDatasetError, match="not those that its"):
        read_layout(tmp_path)


@pytest.mark.parametrize(("column", "value"), [("output", "It weaves lies."), ("language", "de"), ("accuracy", 3)])
def test_a_folder_with_an_edited_row_is_refused(tmp_path: Path, column: str, value: object) -> None:
    write_layout(local_dataset(), tmp_path, "card")
    path = tmp_path / "data" / "train.jsonl"
    edited = rows(path)
    edited[0][column] = value
    # The judge gives both scores, or none.
    edited[0]["style"] = value if column == "accuracy" else None
    path.write_text("".join(f"{json.dumps(row)}\n" for row in edited))
    with pytest.raises(InvalidDatasetError, match="missing, moved or edited"):
        read_layout(tmp_path)


def test_rows_that_another_program_wrote_in_its_own_way_are_the_same_rows(tmp_path: Path) -> None:
    write_layout(dataset(), tmp_path, "card")
    path = tmp_path / "data" / "train.jsonl"
    path.write_text("".join(f"{json.dumps(row, sort_keys=True)}\r\n\n" for row in rows(path)), newline="")
    assert read_layout(tmp_path) == published(dataset())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "train.jsonl: line 3 is not valid JSON"),
        ("[1]", "train.jsonl:3: no row of a dataset of the kind instruct"),
        ('{"instruction": "x"}', "train.jsonl:3: no row .*'output'"),
    ],
)
def test_a_malformed_row_is_named_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    write_layout(dataset(), tmp_path, "card")
    with (tmp_path / "data" / "train.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InvalidDatasetError, match=told):
        read_layout(tmp_path)


def test_a_folder_without_a_report_is_no_dataset_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="no folder of a published dataset"):
        read_layout(tmp_path)


def test_a_full_disk_is_told_and_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_layout(dataset(), tmp_path, "old card")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageFullError, match=r"no room to write .*Make room, and run the same command again"):
        write_layout(dataset(DatasetKind.PREFERENCE), tmp_path, "new card")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_cards_front_matter_says_what_the_hub_asks_for() -> None:
    front = front_matter(render_card(dataset(DatasetKind.PREFERENCE), PUBLISH))
    assert front["license"] == "cc-by-4.0"
    assert front["language"] == ["en"]
    assert front["size_categories"] == ["n<1K"]
    assert front["task_categories"] == ["text-generation"]
    assert front["pretty_name"] == "twin: preference dataset"
    assert front["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train.jsonl"},
                {"split": "test", "path": "data/test.jsonl"},
            ],
        }
    ]


@pytest.mark.parametrize("kind", DatasetKind)
def test_the_card_declares_the_columns_that_the_rows_have(tmp_path: Path, kind: DatasetKind) -> None:
    made = dataset(kind)
    write_layout(made, tmp_path, "card")
    declared = front_matter(render_card(made, PUBLISH))["dataset_info"]["features"]
    assert [column["name"] for column in declared] == list(rows(tmp_path / "data" / "train.jsonl")[0])


def test_the_front_matter_passes_the_check_of_the_hubs_own_client() -> None:
    from huggingface_hub import DatasetCard

    data = DatasetCard(render_card(dataset(), PUBLISH)).data
    assert (data["license"], data["language"]) == ("cc-by-4.0", ["en"])


def test_an_empty_split_is_no_data_file() -> None:
    made = dataset().model_copy(update={"test": []})
    files = front_matter(render_card(made, PUBLISH))["configs"][0]["data_files"]
    assert [file["split"] for file in files] == ["train"]


def test_the_card_tells_method_model_counts_checks_version_and_limits() -> None:
    asked = GenerationReport(model_id=MODEL, tasks=9, malformed=2, refused=1, failed=3)
    card = render_card(dataset().model_copy(update={"report": report(generation=asked)}), PUBLISH)
    for part in (
        "Rows: 2 to train on, 1 to test",
        f"`{dataset().version}`",
        "back-translation (Li et al., 2023)",
        "google/gemma-3-270m",
        "| rules | 3 | 1 | answer too short 1 |",
        "| enough samples | at least 3 | 3 | yes |",
        "| Ada Lovelace | articles | 1 | 1 | 2 | 1 |",
        "0 posts, 3 articles, 0 repositories",
        "- The engine (<https://example.com/engine>): 2",
        "Asked: 9 times; 2 answers of the wrong form, 1 refusals and 3 failures are left out",
        "No document is in both.",
        "## Limits",
        "## Personal data",
    ):
        assert part in card


def test_the_card_says_how_to_load_it_from_where_it_goes() -> None:
    assert 'load_dataset("PATH")  # the folder' in render_card(dataset(), PUBLISH)
    to_the_hub = PUBLISH.model_copy(update={"push_to_huggingface": True})
    assert 'load_dataset("ada/twin")' in render_card(dataset(), to_the_hub)


def test_what_a_title_or_a_warning_says_cannot_become_markup_of_the_card() -> None:
    title = "a | b\n# <script>alert(1)</script> [x](javascript:y)"
    odd = sample("Who?", "Ada did.", title=title, link="https://e.com/<img>")
    check = GateCheck(name="a|b", passed=False, measured="1 | 2", wanted="3")
    made = dataset().model_copy(update={"train": [odd], "report": report(gate=[check], warnings=[title])})
    body = render_card(made, PUBLISH).split("---\n", 2)[2]
    assert "<script" not in body.replace("\\<script", "")
    assert "<img" not in body.replace("\\<img", "")
    assert "\n# " not in body.replace("\n# twin", "")
    assert "](" not in body.replace("\\](", "")
    assert "| a\\|b | 3 | 1 \\| 2 | no |" in body


@pytest.mark.parametrize(
    ("count", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10_000, "10K<n<100K"), (10**8, "n>10M")],
)
def test_sizes_have_the_hubs_names(count: int, category: str) -> None:
    assert size_category(count) == category
