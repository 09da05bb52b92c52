"""Samples from a base model: the author's text is the answer, its instruction is guessed from it (Li et al., 2023).

For preferences the author's text is the chosen answer, and what the model makes of the instruction without the text is
the rejected one. One malformed answer costs one sample.
"""

import re
from collections.abc import Sequence
from math import ceil

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
# An attempt ends with the sentence before it would be longer than the chosen answer by so much.
_LONGER = 1.3
_CHARACTERS_A_TOKEN = 4
# At 0 a small model falls into loops, which a twin has nothing to learn from.
ATTEMPT_TEMPERATURE = 0.7


def instruction_task(extract: Extract, turn: int = 0) -> GenerationTask:
    """Ask which instruction the extract answers. Both kinds of dataset ask the same."""
    heading = f"{extract.source.title} > {extract.heading}".strip(" >") if turn in TURNS_WITH_HEADING else ""
    prompt = render_back_translation(plain(extract.text), openings(extract)[turn], plain(heading))
    sampling = Sampling(INSTRUCTION_TOKENS)
    return GenerationTask(prompt, sampling, extract.source.document_id, extract.source.author_id)


def attempt_task(instruction: str, extract: Extract) -> GenerationTask:
    """Ask for the model's own answer, about as long as the extract."""
    sampling = Sampling(attempt_tokens(extract), ATTEMPT_TEMPERATURE)
    prompt = render_attempt(instruction)
    return GenerationTask(prompt, sampling, extract.source.document_id, extract.source.author_id)


def attempt_tokens(extract: Extract) -> int:
    """How many tokens an attempt may take."""
    return ceil(len(extract.text) * _LONGER / _CHARACTERS_A_TOKEN)


async def back_translated(kind: DatasetKind, extracts: Sequence[Extract], ask: Ask, model_id: str) -> list[Candidate]:
    """A candidate an extract; none where the model wrote nothing. Raises what `ask` raises."""
    instructions = await _instructions(extracts, ask)
    asked = [(extract, instructions[extract.key]) for extract in extracts if extract.key in instructions]
    if kind is DatasetKind.INSTRUCT:
        return [_candidate(extract, instruction, model_id) for extract, instruction in asked]
    attempts = await ask([attempt_task(instruction, extract) for extract, instruction in asked], "Rejected answers")
    rejected = [_whole_sentences(done.text) if done.outcome is Outcome.ANSWERED else "" for done in attempts]
    pairs = zip(asked, rejected, strict=True)
    return [_candidate(extract, instruction, model_id, other) for (extract, instruction), other in pairs if other]


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


def _candidate(extract: Extract, instruction: str, model_id: str, rejected: str | None = None) -> Candidate:
    sample = Sample.create(extract, instruction, extract.text, Method.BACK_TRANSLATED, model_id, rejected)
    return Candidate(sample=sample, extract=extract)


def _whole_sentences(text: str) -> str:
    """The text without a last sentence that was cut off; as it is where it has no other one."""
    text = text.strip()
    if re.search(r"[.!?…][\"'”’)*_]*$", text):
        return text
    ends = [end for end, _ in sentence_breaks(text)]
    return text[: ends[-1]] if ends else text
