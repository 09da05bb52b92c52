"""Samples that give away what the twin is evaluated by: its evaluation questions.

The passages that are expected as their results are no secret: they stand in the author's texts, which the twin is to
know, and may be answers to learn. An evaluation set has no reference answers that could be given away.
"""

from collections.abc import Sequence

from llm_engineering.application.dataset.duplicates import INSTRUCTION_RUN
from llm_engineering.application.dataset.finding import Finding, Verdict, shown
from llm_engineering.application.dataset.meanings import Meanings
from llm_engineering.application.dataset.similarity import Index, shingles
from llm_engineering.application.words import words
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate

# A run that is shorter stands in texts by chance. Shorter questions are compared by their meaning only.
MIN_RUN = 5


class EvaluationWords:
    """The words of the evaluation questions.

    Runs of them are looked for as by Brown et al., 2020 (arXiv:2005.14165, appendix C).
    """

    def __init__(self, questions: Sequence[str], options: QualityOptions) -> None:
        self._most = options.contaminated_words
        self._runs = {run: question for question in questions for run in self._of(question)}
        self._questions, self._near = questions, options.near_duplicate
        self._index = Index([shingles(question, INSTRUCTION_RUN) for question in questions])
        self._lengths = sorted({len(run) for run in self._runs})

    def why_contaminated(self, candidate: Candidate) -> Finding | None:
        """The question that the instruction or an answer has `contaminated_words` words in a row of, or all it has.

        Or the one that the instruction has nearly the same words as, by the similarity of `near_duplicate`.
        """
        sample = candidate.sample
        parts = (("instruction", sample.instruction), ("answer", sample.answer), ("answer", sample.rejected or ""))
        for what, text in parts:
            question = self._found_in(text)
            if question:
                return Finding(f"{what} has words of an evaluation question", shown(question))
        alike = self._index.alike(shingles(sample.instruction, INSTRUCTION_RUN), self._near)
        return (
            Finding("instruction is nearly an evaluation question", shown(self._questions[alike[0]])) if alike else None
        )

    def _found_in(self, text: str) -> str | None:
        found = words(text)
        runs = (tuple(found[i : i + n]) for n in self._lengths for i in range(len(found) - n + 1))
        return next((self._runs[run] for run in runs if run in self._runs), None)

    def _of(self, question: str) -> list[tuple[str, ...]]:
        found = words(question)
        length = min(len(found), self._most)
        if length < min(MIN_RUN, self._most):
            return []
        return [tuple(found[i : i + length]) for i in range(len(found) - length + 1)]


def drop_same_questions(
    candidates: Sequence[Candidate], questions: Sequence[str], meanings: Meanings, options: QualityOptions
) -> list[Verdict]:
    """Drop those whose instruction means nearly what an evaluation question means."""
    if not questions or not candidates:
        return [Verdict(candidate, None) for candidate in candidates]
    closest = meanings.closest([candidate.sample.instruction for candidate in candidates], questions)
    return [
        Verdict(candidate, _as(questions[place], cosine) if cosine >= options.contaminated_cosine else None)
        for candidate, (place, cosine) in zip(candidates, closest, strict=True)
    ]


def _as(question: str, cosine: float) -> Finding:
    return Finding("instruction means an evaluation question", f"{cosine:.2f}: {shown(question)}")
