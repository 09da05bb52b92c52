"""What a question asks for beside its topic: whose texts, which kind, in what language, from when.

The rules are conservative: a wrong filter loses the answer, a missing one only costs precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.application.rag import frames
from llm_engineering.application.rag.dates import find_span
from llm_engineering.application.rag.names import KnownNames, asked_authors
from llm_engineering.domain import prompts
from llm_engineering.domain.documents import Author, DataCategory
from llm_engineering.domain.ports import LanguageModel
from llm_engineering.domain.retrieval import ChunkFilter

ANSWER_TOKENS = 256
# Thousands of names would fill the model's window.
PROMPT_AUTHORS = 50


@dataclass(frozen=True)
class Understood:
    """A filter, what it means in words, and what could not be understood."""

    filter: ChunkFilter = field(default_factory=ChunkFilter)
    words: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class AskedFor(BaseModel):
    """What a language model reads in a question. Every field is required: servers hold the answer to the schema."""

    model_config = ConfigDict(extra="forbid")

    authors: list[str] = Field(description="Full names of the people whose texts are asked for; [] where any will do.")
    categories: list[DataCategory] = Field(description="[] where any will do.")
    languages: list[str] = Field(description="ISO 639-1 codes of the texts' languages; [] where any will do.")
    published_from: date | None = Field(description="The first day.")
    published_until: date | None = Field(description="The last day.")


def understand_by_rules(question: str, known: KnownNames, now: datetime) -> Understood:
    """Read the question by rules.

    Args:
        question: As it was asked.
        known: The authors that are stored; no other is ever filtered by.
        now: What "last year" counts from.
    """
    asked = asked_authors(question, known)
    masked = _mask(question, asked.spans)
    phrases = frames.find_phrases(masked)
    language, platform = frames.language(masked, phrases), frames.platform(masked, phrases)
    span = find_span(masked, now) if phrases else None
    dated = span if span and frames.is_their_date(masked, phrases, span.at, span.to) else None
    chosen = ChunkFilter(
        author_ids=tuple(author.id for author in asked.authors),
        categories=frames.categories(phrases),
        platforms=(platform,) if platform else (),
        languages=(language,) if language else (),
        published_from=dated.start if dated else None,
        published_before=dated.end if dated else None,
    )
    warnings = [*_unknown(asked.unknown, known), *map(_ambiguous, asked.ambiguous)]
    return Understood(chosen, in_words(chosen, asked.authors), tuple(warnings))


def understand_by_model(
    question: str, known: KnownNames, now: datetime, model: LanguageModel, timeout_seconds: float
) -> Understood:
    """Let a language model read the question; whom it names is looked up among the known authors.

    Raises:
        DependencyUnavailableError: the model cannot be reached, refuses, or is too slow.
        MalformedAnswerError: its answer is not an `AskedFor`.
    """
    names = [author.full_name for author in known.nearest(question, PROMPT_AUTHORS)]
    prompt = prompts.render_self_query(question, names, now.date())
    read = model.generate_structured(prompt, AskedFor, ANSWER_TOKENS, timeout_seconds)
    matched = {name: known.named(name) for name in read.authors if name.strip()}
    authors = tuple(dict.fromkeys(author for author in matched.values() if author))
    last = read.published_until
    chosen = ChunkFilter(
        author_ids=tuple(author.id for author in authors),
        categories=tuple(dict.fromkeys(read.categories)) if len(set(read.categories)) < len(DataCategory) else (),
        languages=tuple(code for code in dict.fromkeys(read.languages) if code in frames.LANGUAGES.values()),
        published_from=_midnight(read.published_from) if read.published_from else None,
        published_before=_midnight(last + timedelta(days=1)) if last and last < date.max else None,
    )
    unknown = [name for name, author in matched.items() if author is None]
    return Understood(chosen, in_words(chosen, authors), tuple(_unknown(unknown, known)))


def in_words(chosen: ChunkFilter, authors: Sequence[Author]) -> tuple[str, ...]:
    """The filter for people, a phrase a condition."""
    words = []
    if authors:
        words.append("author: " + ", ".join(author.full_name for author in authors))
    for name, values in (
        ("category", chosen.categories),
        ("platform", chosen.platforms),
        ("language", chosen.languages),
    ):
        if values:
            words.append(f"{name}: {', '.join(values)}")
    if chosen.published_from:
        words.append(f"published from {chosen.published_from:%Y-%m-%d}")
    if chosen.published_before:
        words.append(f"published before {chosen.published_before:%Y-%m-%d}")
    return tuple(words)


def _mask(question: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        question = question[:start] + frames.AUTHOR + question[end:]
    return question


def _unknown(names: Sequence[str], known: KnownNames) -> list[str]:
    return [
        f"Nothing is stored of {name!r}, so everyone's texts were searched. Known authors: {known.likest(name)}."
        for name in names
    ]


def _ambiguous(name: str) -> str:
    return f"{name!r} can mean several authors, so everyone's texts were searched. Give the full name."


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock_time.min, tzinfo=UTC)
