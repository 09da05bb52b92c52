"""Asking a language model many things: tasks, what came of them, what they cost."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.documents import text_hash
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt

TOKENS_OF_A_PRICE = 1_000_000
# Models that reason before they answer, by their usual names, with or without the vendor's before a slash.
_REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-5|gpt-oss|deepseek-r|qwq|magistral)", re.IGNORECASE)
# What they may take for it, on top of the answer: hidden, but counted as completion and within the limit of tokens
# (https://platform.openai.com/docs/guides/reasoning). With the answer's limit alone, none would be left to answer with.
REASONING_TOKENS = 4_000


class Usage(BaseModel):
    """Tokens, as the server counted them."""

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens - other.prompt_tokens,
            completion_tokens=self.completion_tokens - other.completion_tokens,
        )


class Price(BaseModel):
    """In US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)

    def of(self, usage: Usage) -> float:
        """What these tokens cost, in US dollars."""
        spent = self.prompt * usage.prompt_tokens + self.completion * usage.completion_tokens
        return spent / TOKENS_OF_A_PRICE


@dataclass(frozen=True)
class Sampling:
    """How to draw the answer; `max_tokens` is for its text, without what a model may take to reason before it."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class GenerationTask:
    """One thing to ask, and in which form to answer; of which document, so that it can be forgotten with it."""

    prompt: ChatPrompt | CompletionPrompt
    sampling: Sampling
    document_id: UUID
    author_id: UUID
    # The answer's form, for a ChatPrompt; None: any text.
    answer: type[BaseModel] | None = None

    def key(self, model_id: str) -> str:
        """Hash of all that the answer depends on: what is stored under it need not be asked again.

        The document belongs to it, so that what is forgotten with a document is exactly what was made of it. The same
        paragraph in two documents is therefore asked twice.
        """
        prompt, sampling = self.prompt, self.sampling
        form = "" if self.answer is None else answer_schema(self.answer)
        drawn = f"{sampling.max_tokens} {sampling.temperature} {sampling.seed}"
        return text_hash(model_id, type(prompt).__name__, prompt.model_dump_json(), form, drawn, str(self.document_id))


def reasoning_tokens(model_id: str) -> int:
    """How many tokens more than an answer's a model may take; 0 for one that is not known to reason."""
    return REASONING_TOKENS if _REASONING.search(model_id) else 0


@cache
def answer_schema(answer: type[BaseModel]) -> str:
    """The JSON schema of an answer's form, as text. Kept, for a run has one form and many tasks."""
    return json.dumps(answer.model_json_schema())


class Reply(BaseModel):
    """What the model sent."""

    model_config = ConfigDict(frozen=True)

    text: str
    usage: Usage = Usage()
    is_cut_off: bool = Field(default=False, description="Whether it ended because the tokens were used up.")


class Outcome(StrEnum):
    """What became of a task."""

    ANSWERED = "answered"
    MALFORMED = "malformed"  # not of the form that was asked for, also the second time
    REFUSED = "refused"  # the server will not take this prompt, or the model declines
    FAILED = "failed"  # nothing came of it this time, and others are answered; not stored


class Generation(BaseModel):
    """A task's result, as it is stored."""

    model_config = ConfigDict(frozen=True)

    key: str
    model_id: str
    document_id: UUID
    author_id: UUID
    outcome: Outcome
    text: str = Field(default="", description="Of an answered task, in the form that was asked for.")
    problem: str = Field(default="", description="Of another: what was wrong.")
    usage: Usage = Usage()
    attempts: int = 1
    is_repaired: bool = Field(default=False, description="Whether it was mended, or right the second time only.")


class GenerationReport(BaseModel):
    """What became of all tasks of a run."""

    model_id: str
    tasks: int = 0
    reused: int = Field(default=0, description="Answered by what was stored.")
    asked: int = 0
    answered: int = Field(default=0, description="Of those that were asked.")
    malformed: int = Field(default=0, description="Of all tasks: a rerun reuses these outcomes, too.")
    refused: int = Field(default=0, description="Of all tasks: a rerun reuses these outcomes, too.")
    failed: int = Field(default=0, description="Of all tasks: not stored, so that a rerun asks these again.")
    repaired: int = Field(default=0, description="Of the answered: mended, or in the right form the second time.")
    usage: Usage = Usage()
    cost_usd: float | None = Field(default=None, description="Of this run; None where the price is not known.")
    seconds: float = 0.0
    problems: list[str] = Field(default_factory=list, description="The first few different ones, in words.")


class Estimate(BaseModel):
    """What a run will ask and cost, before anything is asked."""

    model_config = ConfigDict(frozen=True)

    model_id: str
    tasks: int
    reused: int = Field(description="Answered by what is stored already.")
    prompt_tokens: int = Field(description="About, by counting characters.")
    completion_tokens: int = Field(description="At most: every answer as long as it may be.")
    cost_usd: float | None = Field(description="At most; None where the price of the model is not in the table.")


class ConcurrentLanguageModel(Protocol):
    """A language model that is asked many things at once. Retries, rate limits and `Retry-After` are its business."""

    @property
    def model_id(self) -> str: ...

    @property
    def follows_instructions(self) -> bool: ...

    async def reply(self, task: GenerationTask) -> Reply:
        """The model's text, held to the answer's JSON schema by servers that can.

        Raises:
            RefusedPromptError: the server will not take this prompt, or the model declines; others may pass.
            DependencyUnavailableError: it cannot be reached, or refuses, however often it is asked.
        """

    async def aclose(self) -> None:
        """Close the connections."""


class GenerationStore(Protocol):
    """What models have answered, by the task's key: paid for once."""

    def stored(self, keys: Sequence[str]) -> dict[str, Generation]:
        """Those of the generations that are there, by key."""

    def store(self, generations: Sequence[Generation]) -> None:
        """Keep these. Raises DependencyUnavailableError, StorageFullError."""
