"""The hand-written questions about the quickstart's corpus: what they ask for stands where they say."""

import json
import re
from collections import Counter
from typing import Any

import pytest
import yaml

from llm_engineering.settings import PROJECT_ROOT

QUESTIONS = PROJECT_ROOT / "configs" / "questions" / "quickstart.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
SPLITS = ("development", "test")
IDS = [line["id"] for line in LINES]
# More words in a row than these, and a question is found by its wording alone.
LONGEST_SHARED_RUN = 6
by_id = pytest.mark.parametrize("line", LINES, ids=IDS)


def one_blank(text: str) -> str:
    return " ".join(text.split())


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Every run of so many words."""
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


@by_id
def test_a_line_is_a_question_with_its_passages(line: dict[str, Any]) -> None:
    assert line.keys() == {"id", "question", "expected", "split"}
    assert re.fullmatch(r"[a-z]+-\d\d", line["id"])
    assert line["question"].strip() == line["question"] != ""
    assert line["split"] in SPLITS
    assert line["expected"]
    for item in line["expected"]:
        assert item.keys() == {"link", "passage"}
        assert 15 <= len(item["passage"].split()) <= 80


@by_id
def test_every_passage_stands_word_for_word_in_its_file(line: dict[str, Any]) -> None:
    for item in line["expected"]:
        text = (PROJECT_ROOT / item["link"]).read_text(encoding="utf-8")
        assert one_blank(item["passage"]) in one_blank(text), f"{item['link']} has changed: copy the passage anew"


@by_id
def test_a_question_is_not_worded_as_its_passage(line: dict[str, Any]) -> None:
    for item in line["expected"]:
        length = LONGEST_SHARED_RUN + 1
        assert not runs(line["question"], length) & runs(item["passage"], length)


def test_ids_questions_and_passages_are_there_once() -> None:
    questions = [one_blank(line["question"]).casefold() for line in LINES]
    passages = [one_blank(item["passage"]) for line in LINES for item in line["expected"]]
    for values in (IDS, questions, passages):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_there_are_enough_questions_of_each_area_and_in_each_half() -> None:
    areas = Counter(id_.rpartition("-")[0] for id_ in IDS)
    halves = Counter(line["split"] for line in LINES)
    assert len(LINES) >= 60
    assert min(areas.values()) >= 5
    assert min(halves["development"], halves["test"]) >= 0.4 * len(LINES)


def test_no_file_is_asked_about_in_both_halves() -> None:
    files = {half: {i["link"] for line in LINES if line["split"] == half for i in line["expected"]} for half in SPLITS}
    assert not files["development"] & files["test"]


def test_the_quickstart_does_not_crawl_its_own_questions() -> None:
    config = yaml.safe_load((PROJECT_ROOT / "configs" / "end_to_end_data.yaml").read_text(encoding="utf-8"))
    [author] = config["parameters"]["author_links"]
    folder = QUESTIONS.parent.relative_to(PROJECT_ROOT).as_posix()
    assert f"{folder}/" in author["exclude"]
