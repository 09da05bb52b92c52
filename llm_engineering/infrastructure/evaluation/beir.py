"""Folders in the format of BEIR (Thakur et al., 2021): `corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`."""

import csv
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import Expected, Question, QuestionSet

_HEADER = ["query-id", "corpus-id", "score"]
_SHOWN_IDS = 5


class BeirFolder:
    """One dataset. The corpus is streamed; questions and judgements of one split are held."""

    def __init__(self, folder: Path, split: str = "test") -> None:
        """Raises InvalidQuestionSetError when one of the files is missing."""
        self._corpus, self._queries = folder / "corpus.jsonl", folder / "queries.jsonl"
        self._qrels = folder / "qrels" / f"{split}.tsv"
        self._split = split
        self.name = folder.resolve().name
        for path in (self._corpus, self._queries, self._qrels):
            if not path.is_file():
                there = ", ".join(sorted(f.stem for f in (folder / "qrels").glob("*.tsv"))) or "none"
                raise InvalidQuestionSetError(
                    f"{path} is missing. A BEIR folder has corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv; "
                    f"here there are these splits: {there}."
                )

    def documents(self) -> Iterator[RawDocument]:
        """The corpus as articles by an author that is named after the dataset; the title stands apart from the text."""
        author = Author.named(f"BEIR {self.name}")
        for where, record in _json_lines(self._corpus):
            yield RawDocument.create(
                category=DataCategory.ARTICLES,
                platform="beir",
                link=self._link(_text(record, "_id", where)),
                author=author,
                title=str(record.get("title") or ""),
                content=_text(record, "text", where),
            )

    def count(self) -> int:
        """How many documents the corpus has."""
        with self._corpus.open("rb") as file:
            return sum(1 for line in file if line.strip())

    def question_set(self) -> QuestionSet:
        """The queries of the split's judgements. As BEIR does, documents of score 0 count as not relevant.

        The set's warnings say which judged ids the folder does not have.

        Raises:
            InvalidQuestionSetError: a file is malformed, or none of the judged queries, or documents, is there.
        """
        judged = self._judgements()
        questions = [
            Question(id=id_, text=text, expected=self._expected(judged[id_]), split=self._split)
            for where, record in _json_lines(self._queries)
            if (id_ := _text(record, "_id", where)) in judged and (text := _text(record, "text", where).strip())
        ]
        if not questions:
            raise InvalidQuestionSetError(f"{self._qrels} judges none of the queries in {self._queries}.")
        unasked = judged.keys() - {question.id for question in questions}
        return QuestionSet(
            name=self.name,
            questions=tuple(questions),
            made_by="BEIR",
            warnings=(
                *_warning(f"Judged in {self._qrels} but without a text in {self._queries}, so not asked", unasked),
                *_warning(
                    f"Judged in {self._qrels} but not in {self._corpus}, so counted as not found",
                    self._unknown_documents({id_ for scores in judged.values() for id_ in scores}),
                ),
            ),
        )

    def own_link(self, question_id: str) -> str:
        """The link of the document with the query's id: where queries are documents, BEIR does not count itself."""
        return self._link(question_id)

    def _link(self, document_id: str) -> str:
        return f"beir:{quote(self.name, safe='')}/{quote(document_id, safe='')}"

    def _expected(self, scores: dict[str, int]) -> tuple[Expected, ...]:
        return tuple(Expected(link=self._link(id_), grade=score) for id_, score in scores.items())

    def _unknown_documents(self, judged: set[str]) -> set[str]:
        """Those of the judged documents that the corpus lacks; it is read until all are met."""
        unknown = set(judged)
        for where, record in _json_lines(self._corpus):
            unknown.discard(_text(record, "_id", where))
            if not unknown:
                break
        if len(unknown) == len(judged):
            raise InvalidQuestionSetError(
                f"{self._qrels} judges none of the documents in {self._corpus}: the two are of different datasets."
            )
        return unknown

    def _judgements(self) -> dict[str, dict[str, int]]:
        """The relevant documents by query, with their scores."""
        found: dict[str, dict[str, int]] = {}
        with self._qrels.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
                if (number == 1 and row == _HEADER) or not row:
                    continue
                try:
                    query, document, score = row[0], row[1], int(row[2])
                except (IndexError, ValueError):
                    raise InvalidQuestionSetError(
                        f"{self._qrels}:{number}: expected query-id, corpus-id and a whole number, parted by tabs."
                    ) from None
                if score > 0:
                    found.setdefault(query, {})[document] = score
        return found


def _warning(problem: str, ids: Collection[str]) -> list[str]:
    """What is wrong with how many ids, the first of them by name; nothing where there are none."""
    if not ids:
        return []
    shown = ", ".join(repr(id_) for id_ in sorted(ids)[:_SHOWN_IDS])
    return [f"{problem}: {len(ids)} ({shown}{', ...' if len(ids) > _SHOWN_IDS else ''})."]


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise InvalidQuestionSetError(f"{where}: not valid JSON: {error}.") from None
            if not isinstance(record, dict):
                raise InvalidQuestionSetError(f"{where}: expected an object with '_id' and 'text'.")
            yield where, record


def _text(record: dict[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise InvalidQuestionSetError(f"{where}: expected a text {key!r}; got {value!r:.60}.")
    return value
