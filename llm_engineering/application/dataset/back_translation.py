"""Samples from a base model: the author's text is the answer, its instruction is guessed from it (Li et al., 2023).

For preferences the author's text is the chosen answer, and what the model makes of the instruction without the text is
the rejected one. One malformed answer costs one sample.
"""

import re
from collections.abc import Sequence
from math import ceil, log

from llm_engineering.application.dataset.asking import Ask
from llm_engineering.application.dataset.instructions import TRIES, first_sentence, openings, why_unfit
from llm_engineering.application.dataset.paragraphs import sentence_breaks
from llm_engineering.application.evaluation.openings import plain
from llm_engineering.domain.dataset_prompts import render_attempt, render_back_translation
from llm_engineering.domain.datasets import Candidate, DatasetKind, Extract, Method, Sample
from llm_engineering.domain.generation import GenerationTask, Outcome, Sampling

INSTRUCTION_TOKENS = 48
# A small model that is shown the heading asks about that, and less about the text: only where the text alone gave
# nothing good, which is often so because its heading names what it speaks of.
TURNS_WITH_HEADING = (1,)
# An attempt may be longer than the chosen answer by a sentence or two: it is cut at the sentence's end that fits best.
_LONGER = 1.5
# One that is shorter is gone on with, by one of these words.
_NEXT_WORDS = ("The", "It", "This", "A", "In", "When")
_CHARACTERS_A_TOKEN = 4
# At 0 a small model falls into loops, which a twin has nothing to learn from.
ATTEMPT_TEMPERATURE = 0.7


def instruction_task(extract: Extract, turn: int = 0) -> GenerationTask:
    """Ask which instruction the extract answers. Both kinds of dataset ask the same."""
    heading = f"{extract.source.title} > {extract.heading}".strip(" >") if turn in TURNS_WITH_HEADING else ""
    prompt = render_back_translation(plain(extract.text), openings(extract)[turn], plain(heading))
    sampling = Sampling(INSTRUCTION_TOKENS)
    return GenerationTask(prompt, sampling, extract.source.document_id, extract.source.author_id)


def attempt_task(instruction: str, extract: Extract, begun: str = "") -> GenerationTask:
    """Ask for the model's own answer, about as long as the extract, or for the rest of the one that is begun."""
    sampling = Sampling(attempt_tokens(extract), ATTEMPT_TEMPERATURE)
    prompt = render_attempt(instruction, begun)
    return GenerationTask(prompt, sampling, extract.source.document_id, extract.source.author_id)


def attempt_tokens(extract: Extract) -> int:
    """How many tokens an attempt may take, and as many again where it is gone on with."""
    return ceil(len(extract.text) * _LONGER / _CHARACTERS_A_TOKEN)


async def back_translated(kind: DatasetKind, extracts: Sequence[Extract], ask: Ask, model_id: str) -> list[Candidate]:
    """A candidate an extract; none where the model wrote no instruction. Raises what `ask` raises.

    A rejected answer that the model did not write is empty, for the checks to count.
    """
    instructions = await _instructions(extracts, ask)
    asked = [(extract, instructions[extract.key]) for extract in extracts if extract.key in instructions]
    if kind is DatasetKind.INSTRUCT:
        return [_candidate(extract, instruction, model_id) for extract, instruction in asked]
    attempts = await _attempts(asked, ask)
    return [
        _candidate(extract, instruction, model_id, _about_as_long(attempt, len(extract.text)))
        for (extract, instruction), attempt in zip(asked, attempts, strict=True)
    ]


async def _instructions(extracts: Sequence[Extract], ask: Ask) -> dict[str, str]:
    """By the extract's key the first good instruction; the first one where none is good, for the checks to count."""
    found: dict[str, str] = {}
    missing = list(extracts)
    for turn in range(TRIES):
        if not missing:
            break
        done = await ask([instruction_task(extract, turn) for extract in missing], f"Instructions, {turn + 1}. try")
        unfit = []
        for extract, generation in zip(missing, done, strict=True):
            instruction = first_sentence(f"{openings(extract)[turn]} {generation.text}")
            is_good = generation.outcome is Outcome.ANSWERED and why_unfit(instruction, extract) is None
            if is_good or (generation.outcome is Outcome.ANSWERED and extract.key not in found):
                found[extract.key] = instruction
            if not is_good:
                unfit.append(extract)
        missing = unfit
    return found


async def _attempts(asked: Sequence[tuple[Extract, str]], ask: Ask) -> list[str]:
    """What the model says to each instruction; where that is shorter than its extract, it is made to go on once.

    Chosen answers that are always the longer ones would teach length.
    """
    done = await ask([attempt_task(instruction, extract) for extract, instruction in asked], "Rejected answers")
    attempts = [generation.text.strip() for generation in done]
    begun = {
        place: f"{_whole_sentences(attempts[place])} {_next_word(extract)}"
        for place, (extract, _) in enumerate(asked)
        if 0 < len(attempts[place]) < len(extract.text)
    }
    tasks = [attempt_task(asked[place][1], asked[place][0], text) for place, text in begun.items()]
    more = await ask(tasks, "Longer rejected answers") if tasks else []
    for (place, text), generation in zip(begun.items(), more, strict=True):
        if generation.outcome is Outcome.ANSWERED:
            attempts[place] = f"{text} {generation.text.strip()}"
    return attempts


def _next_word(extract: Extract) -> str:
    """The first word of the sentence to go on with; left to itself, the model would end again."""
    return _NEXT_WORDS[int(extract.key[:8], 16) % len(_NEXT_WORDS)]


def _candidate(extract: Extract, instruction: str, model_id: str, rejected: str | None = None) -> Candidate:
    sample = Sample.create(extract, instruction, extract.text, Method.BACK_TRANSLATED, model_id, rejected)
    return Candidate(sample=sample, extract=extract)


def _about_as_long(text: str, wanted: int) -> str:
    """So many whole sentences that they are as near as can be to `wanted` characters, by the ratio of the lengths."""
    ends = _sentence_ends(text)
    return text[: min(ends, key=lambda end: abs(log(end / wanted)))] if ends else text


def _whole_sentences(text: str) -> str:
    ends = _sentence_ends(text)
    return text[: ends[-1]] if ends else text


def _sentence_ends(text: str) -> list[int]:
    """Where its sentences end, but for a last one that was cut off."""
    ends = [end for end, _ in sentence_breaks(text)]
    return [*ends, len(text)] if re.search(r"[.!?…][\"'”’)*_]*$", text) else ends
