"""Question sets as files, and what is wrong with them."""

import json
from pathlib import Path

import pytest

from llm_engineering.application.evaluation.question_sets import (
    header_line,
    question_line,
    read_question_set,
    settle,
)
from llm_engineering.domain.documents import DataCategory, RawDocument
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import Expected, Question, QuestionSet
from tests.fakes import ADA, article

PASSAGE = "A chunk that is longer than the window is cut silently."
RIGHT = {"id": "q1", "question": "What is cut?", "expected": [{"link": "docs/a.md", "passage": PASSAGE}]}


def file(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def local(path: str, content: str = PASSAGE) -> RawDocument:
    return RawDocument.create(
        category=DataCategory.REPOSITORIES, platform="local", link=f"file:///home/a/{path}", author=ADA, title=path,
        content=content,
    )  # fmt: skip


def refused(tmp_path: Path, *lines: object) -> str:
    with pytest.raises(InvalidQuestionSetError) as caught:
        read_question_set(file(tmp_path, *lines))
    return str(caught.value)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    questions = QuestionSet(
        name="mine",
        made_by="a model",
        questions=(
            Question(id="1", text="Wozu „ä“?", expected=(Expected(link="https://e.com/a", passage="x\ny"),)),
            Question(
                id="2", text="B?", expected=(Expected(link="b", grade=2), Expected(link="c")), split="development"
            ),
        ),
    )
    path = tmp_path / "set.jsonl"
    lines = header_line(questions.name, questions.made_by), *map(question_line, questions.questions)
    path.write_text("".join(lines), encoding="utf-8")
    assert read_question_set(path) == questions


def test_a_file_without_a_name_has_its_own(tmp_path: Path) -> None:
    questions = read_question_set(file(tmp_path, RIGHT, "", {**RIGHT, "id": "q2", "split": "development"}))
    assert (questions.name, questions.made_by) == ("mine", "by hand")
    assert [(question.id, question.split) for question in questions.questions] == [
        ("q1", "test"),
        ("q2", "development"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object"),
        ({"id": "q2", "question": "Why?"}, "expected: Field required"),
        ({**RIGHT, "id": "q2", "expected": []}, "expected: "),
        ({**RIGHT, "id": "q2", "question": " "}, "question: "),
        ({**RIGHT, "id": "q2", "spilt": "test"}, "spilt: "),
        (RIGHT, "the id 'q1' stands in line 1 already"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: object, problem: str) -> None:
    message = refused(tmp_path, RIGHT, line)
    assert message.startswith(f"{tmp_path / 'mine.jsonl'}:2: ")
    assert problem in message


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    assert "has no question" in refused(tmp_path)
    with pytest.raises(InvalidQuestionSetError, match=r"nowhere\.jsonl cannot be read"):
        read_question_set(tmp_path / "nowhere.jsonl")


def test_a_path_means_the_document_whose_link_ends_with_it(tmp_path: Path) -> None:
    path = file(tmp_path, RIGHT)
    documents = [local("other/docs/a.md", "No."), local("docs/a.md"), local("docs/aa.md"), article("x")]
    for order in (documents, documents[::-1]):
        settled = settle(read_question_set(path), order, path)
        assert settled.questions[0].expected[0].link == "file:///home/a/docs/a.md"


def test_a_link_is_found_however_it_is_spelt(tmp_path: Path) -> None:
    line = {**RIGHT, "expected": [{"link": "http://www.example.com/a?utm_source=x", "passage": PASSAGE}]}
    path = file(tmp_path, line)
    settled = settle(read_question_set(path), [article(f"Some. {PASSAGE}", link="https://example.com/a")], path)
    assert settled.questions[0].expected[0].link == "https://example.com/a"


def test_a_document_that_is_not_stored_and_a_passage_that_changed_are_named_with_their_lines(tmp_path: Path) -> None:
    missing = {**RIGHT, "id": "q2", "expected": [{"link": "docs/b.md"}]}
    changed = {**RIGHT, "id": "q3", "expected": [{"link": "docs/a.md", "passage": "Words that were there last year."}]}
    path = file(tmp_path, RIGHT, missing, changed)
    with pytest.raises(InvalidQuestionSetError) as caught:
        settle(read_question_set(path), [local("docs/a.md")], path)
    first, second, _ = str(caught.value).split("\n")
    assert first == f"{path}:2: question q2: there is no document 'docs/b.md' in the corpus"
    assert second.startswith(f"{path}:3: question q3: 'docs/a.md' does not have the passage 'Words that were")


def test_a_passage_may_differ_in_markup_and_in_a_word_but_not_in_more(tmp_path: Path) -> None:
    path = file(tmp_path, {**RIGHT, "expected": [{"link": "docs/a.md", "passage": PASSAGE * 3}]})
    questions = read_question_set(path)
    marked = PASSAGE.replace("window", "[window](https://e.com)").replace("cut", "**cut**")
    assert settle(questions, [local("docs/a.md", f"{PASSAGE}{PASSAGE}{PASSAGE.replace('longer', 'larger')}")], path)
    with pytest.raises(InvalidQuestionSetError):
        settle(questions, [local("docs/a.md", marked.replace("silently", "quietly"))], path)
