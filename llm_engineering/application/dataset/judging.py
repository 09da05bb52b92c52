"""Lets a language model score answers, by the rubric of accuracy and style of the LLM Engineer's Handbook."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from llm_engineering.application.dataset.asking import Ask
from llm_engineering.application.dataset.finding import Finding, Verdict
from llm_engineering.domain.dataset_prompts import render_judge
from llm_engineering.domain.datasets import Candidate, Scores
from llm_engineering.domain.generation import Generation, GenerationTask, Outcome, Sampling

MAX_TOKENS = 300

# Literals, not bounds: servers that hold a model to a JSON schema know `enum`, not all of them `minimum`.
Score = Literal[1, 2, 3]


class Judgement(BaseModel):
    """What the judge answers. The reasons come first: they are what the scores follow from."""

    reasons: str = Field(description="What speaks for and against the answer: a sentence on accuracy, one on style.")
    accuracy: Score
    style: Score


def judging_tasks(candidates: Sequence[Candidate]) -> list[GenerationTask]:
    """One task a candidate; of a preference, its chosen answer is judged."""
    return [
        GenerationTask(
            prompt=render_judge(one.sample.instruction, one.sample.answer, one.extract.text),
            sampling=Sampling(max_tokens=MAX_TOKENS),
            document_id=one.sample.source.document_id,
            author_id=one.sample.source.author_id,
            answer=Judgement,
        )
        for one in candidates
    ]


async def judge(candidates: Sequence[Candidate], ask: Ask, min_score: int) -> list[Verdict]:
    """The candidates with their scores. Dropped are those with a score below `min_score`, and those without scores.

    A sample that was not judged is not known to be good; where a judge is asked for, it does not pass.
    """
    judgements = await ask(judging_tasks(candidates), "Judging answers")
    return [_verdict(one, judgement, min_score) for one, judgement in zip(candidates, judgements, strict=True)]


def _verdict(candidate: Candidate, generation: Generation, min_score: int) -> Verdict:
    if generation.outcome is not Outcome.ANSWERED:
        return Verdict(candidate, Finding("not judged", generation.problem or generation.outcome))
    found = Judgement.model_validate_json(generation.text)
    scores = Scores(accuracy=found.accuracy, style=found.style)
    judged = candidate.model_copy(update={"sample": candidate.sample.model_copy(update={"scores": scores})})
    poor = [name for name, score in scores if score < min_score]
    detail = f"accuracy {scores.accuracy}, style {scores.style}: {found.reasons}"
    return Verdict(judged, Finding(f"poor {poor[0]}", detail) if poor else None)
