"""How good written answers are: what is judged, and what the judge said."""

from collections.abc import Sequence
from statistics import fmean
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.ports import Advance


class AnswerSample(BaseModel):
    """A question with the twin's answer, and what the answer was written from."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    answer: str
    contexts: tuple[str, ...] = Field(description="The passages that the answer was written from, best first.")
    references: tuple[str, ...] = Field(description="The passages that hold the answer.")


class JudgedAnswer(BaseModel):
    """A sample's scores, each from 0 to 1; a metric that failed stands in `failures` with the reason."""

    id: str
    scores: dict[str, float] = {}
    failures: dict[str, str] = {}


class AnswerReport(BaseModel):
    """The judged answers of a run."""

    judge: str
    answers: list[JudgedAnswer]

    @property
    def means(self) -> dict[str, float]:
        """Mean of each metric over the answers that have it."""
        names = dict.fromkeys(name for answer in self.answers for name in answer.scores)
        return {name: fmean(a.scores[name] for a in self.answers if name in a.scores) for name in names}

    @property
    def failed(self) -> int:
        """How many single scores could not be had."""
        return sum(len(answer.failures) for answer in self.answers)


class AnswerJudge(Protocol):
    """Scores answers."""

    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Raises MissingExtraError when a package is missing: before an hour was spent on answers."""

    def judge(self, samples: Sequence[AnswerSample], advance: Advance) -> list[JudgedAnswer]:
        """One result a sample, in their order. A metric that fails is reported, and does not stop the others."""
