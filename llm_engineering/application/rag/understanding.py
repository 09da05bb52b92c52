"""What is searched for, and in what: self-query and expansion, side by side where a language model does them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from llm_engineering.application.rag.names import KnownNames
from llm_engineering.application.rag.query_expansion import expand_by_model, expand_by_rules, hypothetical_passages
from llm_engineering.application.rag.relaxing import AUTHOR_WORD
from llm_engineering.application.rag.self_query import Understood, understand_by_model, understand_by_rules
from llm_engineering.application.rag.stages import Outcomes, run_side_by_side
from llm_engineering.domain.errors import MoodSwarmError
from llm_engineering.domain.ports import LanguageModel
from llm_engineering.domain.retrieval import ChunkFilter, RetrievalOptions

SELF_QUERY, EXPANSION = "self_query", "expansion"


@dataclass(frozen=True)
class Plan:
    """What to search for. `hypothetical`: the variants are passages that a model made up, not wordings."""

    filter: ChunkFilter
    words: tuple[str, ...]
    variants: tuple[str, ...]
    hypothetical: bool
    warnings: tuple[str, ...]
    seconds: dict[str, float]


class Planner:
    """Reads questions. `authors` is given the seconds that a look-up may take."""

    def __init__(
        self, authors: Callable[[float], KnownNames], model: LanguageModel, now: Callable[[], datetime]
    ) -> None:
        self._authors = authors
        self._model = model
        self._now = now

    def plan(self, question: str, options: RetrievalOptions, explicit: ChunkFilter) -> Plan:
        """Read the question. A stage that fails or is too slow is done without, which the warnings say."""
        warnings: list[str] = []
        outcomes = run_side_by_side(self._model_stages(question, options), options.stage_seconds)
        understood = self._understood(question, options, outcomes, warnings)
        variants = self._variants(question, options, outcomes, warnings)
        chosen, words = understood.filter, understood.words
        if explicit.author_ids:
            chosen = chosen.model_copy(update={"author_ids": explicit.author_ids})
            words = tuple(word for word in words if not word.startswith(AUTHOR_WORD))
            own_warnings: tuple[str, ...] = ()
        else:
            own_warnings = understood.warnings
        hypothetical = options.expansion == "hyde" and bool(variants)
        return Plan(chosen, words, variants, hypothetical, (*own_warnings, *warnings), outcomes.seconds)

    def _model_stages(self, question: str, options: RetrievalOptions) -> dict[str, Callable[[], Any]]:
        model, limit, count = self._model, options.stage_seconds, options.variants
        stages: dict[str, Callable[[], Any]] = {}
        if options.self_query == "llm" and model.follows_instructions:
            stages[SELF_QUERY] = lambda: understand_by_model(question, self._authors(limit), self._now(), model, limit)
        if options.expansion == "llm" and model.follows_instructions:
            stages[EXPANSION] = lambda: expand_by_model(question, count, model, limit)
        if options.expansion == "hyde":
            stages[EXPANSION] = lambda: hypothetical_passages(question, count, model, limit)
        return stages

    def _understood(
        self, question: str, options: RetrievalOptions, outcomes: Outcomes, warnings: list[str]
    ) -> Understood:
        """The model's reading; the rules' where there is none."""
        if options.self_query == "off":
            return Understood()
        if SELF_QUERY in outcomes.values:
            read: Understood = outcomes.values[SELF_QUERY]
            return read
        if options.self_query == "llm":
            why = outcomes.failures.get(SELF_QUERY) or _no_instructions(self._model)
            warnings.append(f"Self-query by the language model failed, the rules were used: {why}")
        started = time.perf_counter()
        known = self._known(options.stage_seconds, warnings)
        understood = understand_by_rules(question, known or KnownNames(()), self._now())
        if known is None:  # then nothing can be said of the names in it
            understood = replace(understood, warnings=())
        outcomes.seconds.setdefault(SELF_QUERY, time.perf_counter() - started)
        return understood

    def _variants(
        self, question: str, options: RetrievalOptions, outcomes: Outcomes, warnings: list[str]
    ) -> tuple[str, ...]:
        if options.expansion == "off":
            return ()
        if EXPANSION in outcomes.values:
            variants: tuple[str, ...] = outcomes.values[EXPANSION]
            return variants
        if EXPANSION in outcomes.failures:
            warnings.append(f"Query expansion failed, went on without it: {outcomes.failures[EXPANSION]}")
            return ()
        if options.expansion == "llm":
            warnings.append(f"Query expansion by rules instead of the language model: {_no_instructions(self._model)}")
        started = time.perf_counter()
        variants = expand_by_rules(question, options.variants)
        outcomes.seconds[EXPANSION] = time.perf_counter() - started
        return variants

    def _known(self, limit_seconds: float, warnings: list[str]) -> KnownNames | None:
        try:
            return self._authors(limit_seconds)
        except MoodSwarmError as error:
            warnings.append(f"Names of authors in the question could not be looked up: {error}")
            return None


def _no_instructions(model: LanguageModel) -> str:
    return f"{model.model_id} follows no instructions. Set OPENAI_MODEL_ID to a model that does."
