"""Make a question set from any corpus: a question a passage, by a language model or from the headings.

A run keeps each question as soon as it is taken, and remembers the passages that gave none, so that a run that was
stopped goes on where it was, and a later one with a higher number adds to it. The same seed draws the same passages.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, Field

from llm_engineering.application.evaluation.filters import essence, why_dropped
from llm_engineering.application.evaluation.openings import opening, plain
from llm_engineering.application.evaluation.passages import Corpus, Passage
from llm_engineering.application.evaluation.question_sets import header_line, question_line, read_question_set
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import InvalidQuestionSetError, MalformedAnswerError
from llm_engineering.domain.evaluation import Expected, Question
from llm_engineering.domain.ports import LanguageModel, Progress
from llm_engineering.domain.question_prompts import render_few_shot_question, render_question

MAX_TOKENS = 64
# Passages that are drawn for each question that is wanted: small models' questions are mostly dropped.
DRAWN_PER_QUESTION = 20

# A small base model asks better about a sentence than about a paragraph: so many of the most telling ones are tried.
TRIES = 3

# Takes a passage and gives questions about it, the likeliest first; the first good one is taken.
Asker = Callable[[Passage, Corpus], Iterator[str]]


class GeneratedQuestion(BaseModel):
    """What a model that follows instructions answers."""

    question: str = Field(description="One question that the passage answers.")


class GenerationReport(BaseModel):
    """What became of the passages that were drawn, in all runs on the file."""

    path: str
    taken: int
    tried: int
    dropped: dict[str, int]
    splits: dict[str, int]


@dataclass(frozen=True)
class Generation:
    """What to make, and where to write it."""

    path: Path
    questions: int
    seed: str = "moodswarm"


def ask_model(model: LanguageModel) -> Asker:
    """Questions by a language model: one that follows instructions, or a base model that is shown examples."""

    def instructed(passage: Passage, _: Corpus) -> Iterator[str]:
        prompt = render_question(passage.text, passage.heading or passage.title)
        try:
            yield model.generate_structured(prompt, GeneratedQuestion, MAX_TOKENS).question.strip()
        except MalformedAnswerError:
            yield ""

    def completed(passage: Passage, corpus: Corpus) -> Iterator[str]:
        sentences = map(plain, corpus.sentences(passage))
        openings = ((sentence, start) for sentence in sentences if (start := opening(sentence)))
        for sentence, start in islice(openings, TRIES):
            yield _first_sentence(f"{start} {model.generate(render_few_shot_question(sentence, start), MAX_TOKENS)}")

    return instructed if model.follows_instructions else completed


def ask_heading(passage: Passage, _: Corpus) -> Iterator[str]:
    """The passage's heading as a question, without any model: as it is where it asks, else what it is about."""
    parts = re.split(r"[:;.!…]\s", re.sub(r"^[\d.)\s\\]+", "", plain(passage.heading)))
    heading = max(parts, key=len).strip(" :.!…")
    yield heading if heading.endswith("?") or not heading else f"What should one know about {heading}?"


def generate(
    documents: Iterable[CleanedDocument],
    generation: Generation,
    ask: Asker,
    made_by: str,
    progress: Progress,
    is_generated: bool = True,
) -> GenerationReport:
    """Write questions until there are as many as wanted or no drawn passage is left.

    Raises:
        InvalidQuestionSetError: the file has questions made in another way or with another seed.
        DependencyUnavailableError: the language model does not answer; what was made so far is kept.
    """
    notes = _Notes(generation, made_by)
    corpus = Corpus(documents, generation.seed, generation.questions * DRAWN_PER_QUESTION)
    taken = [essence(question.text) for question in notes.questions]
    missing = generation.questions - len(taken)
    with progress.task(f"Questions for {generation.path.name}", total=max(missing, 0)) as advance:
        for passage in corpus.drawn:
            if len(taken) >= generation.questions:
                break
            if passage.key in notes.tried:
                continue
            reason: str | None = "no question"
            for text in ask(passage, corpus):
                reason = why_dropped(text, passage, corpus, taken, is_generated)
                if reason is None:
                    break
            if reason:
                notes.drop(passage, reason)
                continue
            notes.take(_question(passage, text))
            taken.append(essence(text))
            advance(1)
    return notes.report()


class _Notes:
    """The file of questions, and beside it the passages that gave none."""

    def __init__(self, generation: Generation, made_by: str) -> None:
        self._path = generation.path
        self._dropped_path = generation.path.with_suffix(".dropped.jsonl")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.questions: list[Question] = []
        self._dropped = {record["passage"]: record["reason"] for record in _lines(self._dropped_path)}
        if _whole_lines(self._path):
            self._go_on(generation.seed, made_by)
        else:
            more = {"seed": generation.seed}
            self._path.write_text(header_line(generation.path.stem, made_by, **more), encoding="utf-8")
            self._dropped_path.unlink(missing_ok=True)
            self._dropped = {}

    @property
    def tried(self) -> set[str]:
        return {question.id for question in self.questions} | self._dropped.keys()

    def take(self, question: Question) -> None:
        _append(self._path, question_line(question))
        self.questions.append(question)

    def drop(self, passage: Passage, reason: str) -> None:
        _append(self._dropped_path, json.dumps({"passage": passage.key, "reason": reason}) + "\n")
        self._dropped[passage.key] = reason

    def report(self) -> GenerationReport:
        return GenerationReport(
            path=str(self._path),
            taken=len(self.questions),
            tried=len(self.tried),
            dropped=dict(Counter(self._dropped.values()).most_common()),
            splits=dict(Counter(question.split for question in self.questions)),
        )

    def _go_on(self, seed: str, made_by: str) -> None:
        header = next(_lines(self._path))
        if header.get("seed") != seed or header.get("made_by") != made_by:
            raise InvalidQuestionSetError(
                f"{self._path} has questions made by {header.get('made_by')!r} with the seed {header.get('seed')!r}, "
                f"not by {made_by!r} with {seed!r}. Name another file, or delete this one."
            )
        if _whole_lines(self._path) > 1:
            self.questions = list(read_question_set(self._path).questions)


def _question(passage: Passage, text: str) -> Question:
    expected = Expected(link=passage.link, passage=passage.text)
    return Question(id=passage.key, text=text, expected=(expected,), split=passage.split)


def _first_sentence(text: str) -> str:
    """Up to the first question mark; a base model goes on writing."""
    question, mark, _ = " ".join(text.split()).partition("?")
    return f"{question}{mark}".strip(' "')


def _whole_lines(path: Path) -> int:
    """How many lines the file has, after a last one that a killed run left unfinished is taken off."""
    if not path.is_file():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        path.write_bytes(whole)
    return whole.count(b"\n")


def _lines(path: Path) -> Iterator[dict[str, str]]:
    if _whole_lines(path):
        yield from map(json.loads, path.read_text(encoding="utf-8").rstrip("\n").split("\n"))


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
