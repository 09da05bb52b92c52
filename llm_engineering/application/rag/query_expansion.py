"""Other wordings of a question, so that a text is found that says the same in other words."""

import re

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain import prompts
from llm_engineering.domain.ports import LanguageModel
from llm_engineering.domain.queries import MAX_QUERY_CHARACTERS

WORDING_TOKENS = 64
PASSAGE_TOKENS = 128

# What makes a question of a topic, English and German.
_FRAME = re.compile(
    r"^(?:(?:please|can you|could you|would you|i want to know|i would like to know|bitte)[, ]+)*"
    r"(?:(?:tell|show|explain to) (?:me )?(?:about )?|explain |describe |"
    r"(?:what|how|why|when|where|who|which|was|wie|warum|wann|wo|wer|welche[rsn]?)(?:['’]s|['’]re)?"
    r"(?: (?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|ist|sind|kann|wird|werden))?\b ?)?"
    r"(?:(?:i|you|we|one|they|the|an?|der|die|das|ein|eine|ich|man) (?=\w))?",
    re.IGNORECASE,
)
# With an underscore, in camelCase, or of three words; "JavaScript" and "GitHub" are names.
_IDENTIFIER = re.compile(r"\b[A-Za-z]\w*(?:_\w+)+\b|\b[a-z]+[A-Z]\w*\b|\b(?:[A-Z]+[a-z]+){3,}\b")
_IDENTIFIER_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


class Wordings(BaseModel):
    """Other wordings of a question."""

    model_config = ConfigDict(extra="forbid")

    wordings: list[str] = Field(description="Each a question or a search phrase on its own.")


class Passages(BaseModel):
    """Passages that could answer a question."""

    model_config = ConfigDict(extra="forbid")

    passages: list[str] = Field(description="Three sentences each.")


def expand_by_rules(question: str, count: int) -> tuple[str, ...]:
    """The topic without its interrogative frame, and identifiers as words: `chunkSize` is also "chunk Size"."""
    topic = _FRAME.sub("", question.strip(), count=1).rstrip(" ?.!")
    identifiers_split = _IDENTIFIER.sub(lambda match: " ".join(_IDENTIFIER_PARTS.findall(match.group())), topic)
    return distinct((topic, identifiers_split), question, count)


def expand_by_model(question: str, count: int, model: LanguageModel, timeout_seconds: float) -> tuple[str, ...]:
    """Wordings by a language model that follows instructions.

    Raises:
        DependencyUnavailableError: the model cannot be reached, refuses, or is too slow.
        MalformedAnswerError: its answer is no `Wordings`.
    """
    prompt = prompts.render_expansion(question, count)
    answer = model.generate_structured(prompt, Wordings, count * WORDING_TOKENS, timeout_seconds)
    return distinct(answer.wordings, question, count)


def hypothetical_passages(question: str, count: int, model: LanguageModel, timeout_seconds: float) -> tuple[str, ...]:
    """Passages that could answer the question, to be searched by their vectors (HyDE; Gao et al., 2022).

    A base model writes one, whatever `count` says.

    Raises:
        DependencyUnavailableError: the model cannot be reached, refuses, or is too slow.
        MalformedAnswerError: its answer is no `Passages`.
    """
    if not model.follows_instructions:
        text = model.generate(prompts.render_hypothetical_completion(question), PASSAGE_TOKENS, timeout_seconds)
        return distinct((text,), question, 1)
    prompt = prompts.render_hypothetical(question, count)
    answer = model.generate_structured(prompt, Passages, count * PASSAGE_TOKENS, timeout_seconds)
    return distinct(answer.passages, question, count)


def distinct(wordings: list[str] | tuple[str, ...], question: str, count: int) -> tuple[str, ...]:
    """The first `count` wordings that have a word, and say other than the question and each other."""
    found: dict[str, str] = {}
    for wording in wordings:
        text = " ".join(wording.split())[:MAX_QUERY_CHARACTERS]
        if any(character.isalnum() for character in text):
            found.setdefault(_said(text), text)
    found.pop(_said(question), None)
    return tuple(found.values())[:count]


def _said(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(" ?.!")
