"""The checks in their order, the cheapest first, and what each of them dropped."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from llm_engineering.application.dataset import duplicates
from llm_engineering.application.dataset.contamination import EvaluationWords, drop_same_questions
from llm_engineering.application.dataset.finding import Check, Verdict, dropped
from llm_engineering.application.dataset.grounding import why_ungrounded
from llm_engineering.application.dataset.instructions import why_wrong_guess
from llm_engineering.application.dataset.meanings import Meanings
from llm_engineering.application.dataset.preferences import why_no_preference
from llm_engineering.application.dataset.rules import why_broken
from llm_engineering.application.dataset.shared_text import drop_shared
from llm_engineering.application.dataset.splitting import split_of
from llm_engineering.application.preprocessing.language import LanguageDetector
from llm_engineering.domain.dataset_options import DatasetOptions
from llm_engineering.domain.dataset_reports import FunnelStage
from llm_engineering.domain.datasets import Candidate, DatasetKind, DroppedSample, Method, Sample, Split
from llm_engineering.domain.ports import Embedder

GENERATED = "generated"


class Funnel:
    """What is left of the candidates, and each that is not with its reason.

    Of each stage, what it kept and dropped adds up to what the one before kept.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.kept = list(candidates)
        self.dropped: list[DroppedSample] = []
        self.stages = [FunnelStage(name=GENERATED, kept=len(self.kept))]

    def put_through(self, name: str, check: Check) -> None:
        """A stage that looks at each candidate alone."""
        self.settle(name, (Verdict(candidate, check(candidate)) for candidate in self.kept))

    def settle(self, name: str, verdicts: Iterable[Verdict]) -> None:
        """A stage that has looked at all that are left, and may have changed them."""
        kept, lost = list[Candidate](), list[DroppedSample]()
        for candidate, finding in verdicts:
            if finding is None:
                kept.append(candidate)
            else:
                lost.append(dropped(candidate, name, finding))
        reasons = Counter(one.reason for one in lost)
        self.stages.append(FunnelStage(name=name, kept=len(kept), dropped=dict(reasons.most_common())))
        self.kept, self.dropped = kept, self.dropped + lost


def sift(
    kind: DatasetKind,
    candidates: Sequence[Candidate],
    options: DatasetOptions,
    embedder: Embedder,
    evaluation_questions: Sequence[str],
    detect_language: LanguageDetector | None = None,
) -> Funnel:
    """Put the candidates through all checks that ask no language model.

    Args:
        kind: pairs of answers are only looked at in preferences.
        candidates: in any order; the same ones stay.
        options: the limits; the split says which of two duplicates goes.
        embedder: tells instructions with the same meaning.
        evaluation_questions: the texts of what must not be trained on.
        detect_language: tells the language of a text; without it, languages are not looked at.
    """
    quality = options.quality
    funnel = Funnel(candidates)
    funnel.put_through("rules", partial(why_broken, options=quality, detect=detect_language))
    funnel.put_through("grounding", partial(why_ungrounded, options=quality))
    if any(one.sample.method is Method.BACK_TRANSLATED for one in funnel.kept):
        funnel.put_through("guessed instructions", why_wrong_guess)
    if kind is DatasetKind.PREFERENCE:
        funnel.put_through("pairs", partial(why_no_preference, options=quality))
    funnel.put_through("contamination", EvaluationWords(evaluation_questions, quality).why_contaminated)
    _drop_duplicates(kind, funnel, options)
    meanings = Meanings(embedder)
    funnel.settle("meaning", drop_same_questions(funnel.kept, evaluation_questions, meanings, quality))
    of_sample = partial(_split_of, options=options)
    close = duplicates.drop_same_meaning(funnel.kept, of_sample, meanings, quality.same_meaning)
    funnel.settle("duplicates by meaning", close)
    funnel.settle("shared text", drop_shared(funnel.kept, of_sample, quality.max_shared_text))
    return funnel


def _drop_duplicates(kind: DatasetKind, funnel: Funnel, options: DatasetOptions) -> None:
    of_sample, threshold = partial(_split_of, options=options), options.quality.near_duplicate
    runs = duplicates.runs_of(kind)
    for part in runs:
        funnel.settle(f"same {duplicates.title(part)}s", duplicates.drop_same(funnel.kept, part, of_sample))
    for part, run in runs.items():
        similar = duplicates.drop_similar(funnel.kept, part, of_sample, run, threshold)
        funnel.settle(f"near-duplicate {duplicates.title(part)}s", similar)


def _split_of(sample: Sample, options: DatasetOptions) -> Split:
    return split_of(sample.source, options.split)
