"""From extracts to candidates: what is asked of a language model, and what is made of its answers.

A model that follows instructions writes several samples an extract, as in *The LLM Engineer's Handbook*; a base model
guesses what each extract is the answer to (`back_translation`). One malformed answer costs the samples of one extract.
"""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, Field

from llm_engineering.application.dataset.alignment import own_words
from llm_engineering.application.dataset.asking import Ask
from llm_engineering.application.dataset.back_translation import (
    INSTRUCTION_TOKENS,
    attempt_tokens,
    back_translated,
    instruction_task,
)
from llm_engineering.application.dataset.instructions import TRIES
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.dataset_prompts import render_instruct, render_preference
from llm_engineering.domain.datasets import Candidate, DatasetKind, Extract, Method, Sample
from llm_engineering.domain.generation import Generation, GenerationTask, Outcome, Sampling

# Most that a sample takes: an instruction, a paragraph or two of them, and the JSON around them.
TOKENS_OF_A_SAMPLE = {DatasetKind.INSTRUCT: 400, DatasetKind.PREFERENCE: 700}


class InstructPair(BaseModel):
    """One of the pairs that are asked for."""

    instruction: str = Field(description="A question or a request, understood without the extract.")
    answer: str = Field(description="A paragraph that answers it, from the extract, in the extract's style.")


class InstructPairs(BaseModel):
    """What a model answers that was asked for pairs."""

    pairs: list[InstructPair] = Field(description="As many as were asked for.")


class PreferenceTriple(BaseModel):
    """One of the triples that are asked for."""

    instruction: str = Field(description="A question or a request, understood without the extract.")
    rejected: str = Field(description="How a general assistant would answer, about as long as the chosen answer.")
    chosen: str = Field(description="Sentences of the extract that answer it, copied word for word.")


class PreferenceTriples(BaseModel):
    """What a model answers that was asked for triples."""

    triples: list[PreferenceTriple] = Field(description="As many as were asked for.")


def first_tasks(
    kind: DatasetKind, extracts: Sequence[Extract], follows_instructions: bool, options: GenerationOptions
) -> list[GenerationTask]:
    """What `make_candidates` asks first; the rest, of a base model, depends on the answers."""
    if not follows_instructions:
        return [instruction_task(extract) for extract in extracts]
    return [_task(kind, extract, options) for extract in extracts]


def later_completion_tokens(kind: DatasetKind, extracts: Sequence[Extract], follows_instructions: bool) -> int:
    """How many tokens the answers to later tasks may take at most; 0 for a model that follows instructions."""
    if follows_instructions:
        return 0
    attempts = 2 * sum(map(attempt_tokens, extracts)) if kind is DatasetKind.PREFERENCE else 0
    return attempts + (TRIES - 1) * INSTRUCTION_TOKENS * len(extracts)


async def make_candidates(
    kind: DatasetKind,
    extracts: Sequence[Extract],
    ask: Ask,
    follows_instructions: bool,
    model_id: str,
    options: GenerationOptions,
) -> list[Candidate]:
    """The samples that the model makes of the extracts, unchecked, in the extracts' order. Raises what `ask` raises.

    A chosen answer is in its source's own words where it is nearly copied; else it is as the model wrote it.
    """
    if not follows_instructions:
        return await back_translated(kind, extracts, ask, model_id)
    tasks = first_tasks(kind, extracts, follows_instructions, options)
    generations = await ask(tasks, f"{kind.value.capitalize()} samples")
    return [
        Candidate(sample=sample, extract=extract)
        for extract, generation in zip(extracts, generations, strict=True)
        for sample in _samples(kind, extract, generation, options.samples_per_extract)
    ]


def _task(kind: DatasetKind, extract: Extract, options: GenerationOptions) -> GenerationTask:
    count = options.samples_per_extract
    is_instruct = kind is DatasetKind.INSTRUCT
    return GenerationTask(
        prompt=(render_instruct if is_instruct else render_preference)(extract, count),
        sampling=Sampling(count * TOKENS_OF_A_SAMPLE[kind]),
        document_id=extract.source.document_id,
        author_id=extract.source.author_id,
        answer=InstructPairs if is_instruct else PreferenceTriples,
    )


def _samples(kind: DatasetKind, extract: Extract, generation: Generation, most: int) -> list[Sample]:
    """Those of an answer, at most as many as were asked for, each once."""
    if generation.outcome is not Outcome.ANSWERED:
        return []
    made = (
        Sample.create(extract, instruction.strip(), answer.strip(), Method.GENERATED, generation.model_id, rejected)
        for instruction, answer, rejected in _texts(kind, extract, generation.text)
    )
    return list({sample.id: sample for sample in made}.values())[:most]


def _texts(kind: DatasetKind, extract: Extract, answer: str) -> Iterator[tuple[str, str, str | None]]:
    """Instruction, answer, and the rejected answer of a preference."""
    if kind is DatasetKind.INSTRUCT:
        for pair in InstructPairs.model_validate_json(answer).pairs:
            yield pair.instruction, pair.answer, None
    else:
        for triple in PreferenceTriples.model_validate_json(answer).triples:
            yield triple.instruction, own_words(triple.chosen, extract) or triple.chosen, triple.rejected.strip()
