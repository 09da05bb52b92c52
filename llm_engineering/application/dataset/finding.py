"""What a check says against a sample."""

from collections.abc import Callable
from typing import NamedTuple

from llm_engineering.domain.datasets import Candidate, DroppedSample, Method, Sample


class Finding(NamedTuple):
    """Why a sample is dropped: a reason that is counted, and what in it, or which other sample."""

    reason: str
    detail: str = ""


class Verdict(NamedTuple):
    """What a stage made of a candidate; without a finding it is kept."""

    candidate: Candidate
    finding: Finding | None


# Looks at one candidate alone.
Check = Callable[[Candidate], Finding | None]


def dropped(candidate: Candidate, stage: str, finding: Finding) -> DroppedSample:
    """The record of a sample that did not pass."""
    return DroppedSample(sample=candidate.sample, stage=stage, reason=finding.reason, detail=finding.detail)


def is_authors_own(sample: Sample) -> bool:
    """Whether the answer is promised to be the author's text, word for word."""
    return sample.method is Method.BACK_TRANSLATED or sample.rejected is not None


def shown(text: str, characters: int = 80) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"
