"""Question sets as JSON lines, a question a line; the first line can name the set.

{"name": "quickstart", "made_by": "by hand"}
{"id": "q1", "question": "How are ...?", "expected": [{"link": "docs/a.md", "passage": "..."}], "split": "test"}
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_engineering.application.evaluation.matching import has_passage
from llm_engineering.domain.documents import RawDocument
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import Expected, Question, QuestionSet
from llm_engineering.domain.links import identity

# Of a passage's words so many must stand in its document: cleaning may take a link's address or a sign out of it.
STANDING_SHARE = 0.9
_SHOWN_PROBLEMS = 10


class _Header(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1)
    made_by: str = "by hand"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1)
    question: str = Field(pattern=r"\S")
    expected: tuple[Expected, ...] = Field(min_length=1)
    split: str = "test"


def read_question_set(path: Path) -> QuestionSet:
    """Read a set; without a first line that names it, it has the file's name.

    Raises:
        InvalidQuestionSetError: the file is missing or empty, or a line is malformed; the message names the line.
    """
    header, questions, lines = _Header(name=path.stem), [], dict[str, int]()
    for number, record in _records(path):
        where = f"{path}:{number}"
        try:
            if "name" in record and "question" not in record:
                header = _Header.model_validate(record)
                continue
            line = _Line.model_validate(record)
        except ValidationError as error:
            raise InvalidQuestionSetError(f"{where}: {_problems(error)}") from None
        if line.id in lines:
            raise InvalidQuestionSetError(f"{where}: the id {line.id!r} stands in line {lines[line.id]} already.")
        lines[line.id] = number
        questions.append(Question(id=line.id, text=line.question.strip(), expected=line.expected, split=line.split))
    if not questions:
        raise InvalidQuestionSetError(f"{path} has no question.")
    return QuestionSet(name=header.name, questions=tuple(questions), made_by=header.made_by)


def header_line(name: str, made_by: str, **more: Any) -> str:
    """The first line of a file."""
    return json.dumps({"name": name, "made_by": made_by, **more}, ensure_ascii=False) + "\n"


def question_line(question: Question) -> str:
    """A question as a line of a file."""
    expected = [item.model_dump(exclude_defaults=True) for item in question.expected]
    record = {"id": question.id, "question": question.text, "expected": expected, "split": question.split}
    return json.dumps(record, ensure_ascii=False) + "\n"


def settle(questions: QuestionSet, documents: Iterable[RawDocument], path: Path | None = None) -> QuestionSet:
    """The set with the links that the documents are stored by, each expected passage found in its document.

    A link without a scheme is a path from the corpus' root: of the documents whose links end with it, the one with the
    shortest link is meant. `path` is the set's file, for the messages.

    Raises:
        InvalidQuestionSetError: a document is not stored, or does not have the passage (any more); all are named.
    """
    wanted = _Wanted(questions)
    for document in documents:
        wanted.look_at(document)
    problems = [
        (q.id, problem) for q in questions.questions for item in q.expected if (problem := wanted.problem(item))
    ]
    if problems:
        raise InvalidQuestionSetError(_all_of(problems, questions.name, path))
    settled = (
        q.model_copy(
            update={"expected": tuple(i.model_copy(update={"link": wanted.links[i.link][0]}) for i in q.expected)}
        )
        for q in questions.questions
    )
    return questions.model_copy(update={"questions": tuple(settled)})


class _Wanted:
    """The documents that a set asks for, as they pass by: their texts are not kept."""

    def __init__(self, questions: QuestionSet) -> None:
        items = [item for question in questions.questions for item in question.expected]
        self._passages: dict[str, set[str]] = {}
        for item in items:
            self._passages.setdefault(item.link, set()).update([item.passage] if item.passage else [])
        self._by_place: dict[str, list[str]] = {}
        for link in self._passages:
            self._by_place.setdefault(_place(link), []).append(link)
        # By the link in the set: the stored link, and which of the passages stand there.
        self.links: dict[str, tuple[str, set[str]]] = {}

    def look_at(self, document: RawDocument) -> None:
        for link in self._asked_by(document.link):
            known = self.links.get(link)
            if known and len(known[0]) < len(document.link):
                continue
            text = "\n".join(part for part in (document.title, document.subtitle, document.content) if part)
            standing = {p for p in self._passages[link] if has_passage(text, p, STANDING_SHARE)}
            if known and known[0] == document.link:
                standing |= known[1]  # of two authors
            self.links[link] = (document.link, standing)

    def problem(self, item: Expected) -> str | None:
        if item.link not in self.links:
            return f"there is no document {item.link!r} in the corpus"
        if item.passage and item.passage not in self.links[item.link][1]:
            return f"{item.link!r} does not have the passage {' '.join(item.passage.split())[:60]!r} (any more)"
        return None

    def _asked_by(self, link: str) -> Iterator[str]:
        """The links of the set that mean this document."""
        yield from self._by_place.get(identity(link), ())
        parts = unquote(urlsplit(link).path).strip("/").split("/")
        for start in range(len(parts)):
            yield from self._by_place.get("/".join(parts[start:]), ())


def _place(link: str) -> str:
    """A link's identity; a path as it is, without what stands for 'here'."""
    return identity(link) if urlsplit(link).scheme else link.strip().removeprefix("./").strip("/")


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their line numbers, counted from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidQuestionSetError(f"The question set {path} cannot be read: {error}.") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InvalidQuestionSetError(f"{path}:{number}: not valid JSON: {error}.") from None
        if not isinstance(record, dict):
            raise InvalidQuestionSetError(f"{path}:{number}: expected an object with 'id', 'question' and 'expected'.")
        yield number, record


def _all_of(problems: list[tuple[str, str]], name: str, path: Path | None) -> str:
    lines = {record.get("id"): number for number, record in _records(path)} if path else {}
    shown = [
        f"{path}:{lines.get(id_, '?')}: question {id_}: {problem}" if path else f"{name}: question {id_}: {problem}"
        for id_, problem in problems[:_SHOWN_PROBLEMS]
    ]
    if len(problems) > _SHOWN_PROBLEMS:
        shown.append(f"and {len(problems) - _SHOWN_PROBLEMS} more")
    return "\n".join([*shown, "Mend these questions, or store the documents that they are about."])


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
