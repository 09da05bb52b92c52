"""Makes a dataset of documents: draws extracts, has samples made of them, checks, splits, reports."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.extracts import Drawn, draw_extracts, require_extracts
from llm_engineering.application.dataset.funnel import Funnel, sift
from llm_engineering.application.dataset.gate import check_gate
from llm_engineering.application.dataset.judging import judge
from llm_engineering.application.dataset.preferences import bound_bias, length_bias
from llm_engineering.application.dataset.recipes import make_candidates
from llm_engineering.application.dataset.splitting import Strata, missing_in_test, require_both_splits, split_of
from llm_engineering.application.preprocessing.language import LanguageDetector
from llm_engineering.domain.dataset_options import DatasetOptions
from llm_engineering.domain.dataset_reports import DatasetReport, Stratum
from llm_engineering.domain.datasets import Candidate, DatasetKind, Method, Sample, Split, TrainTestSplit
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from llm_engineering.domain.errors import TooLittleDataError
from llm_engineering.domain.generation import ConcurrentLanguageModel, GenerationReport
from llm_engineering.domain.ports import Embedder

JUDGE, LENGTHS = "judge", "length bias"
_SHOWN_REASONS = 5


async def build_dataset(
    kind: DatasetKind,
    documents: Callable[[], Iterable[CleanedDocument]],
    options: DatasetOptions,
    asker: Asker,
    model: ConcurrentLanguageModel,
    embedder: Embedder,
    evaluation_questions: Sequence[str],
    detect_language: LanguageDetector | None = None,
) -> TrainTestSplit:
    """Make the dataset, its report included. The same documents and answers of the model make the same one.

    Args:
        kind: what is to be learned from it.
        documents: gives them as a stream, at the beginning to draw extracts, at the end to look answers up.
        options: every number that decides about a sample.
        asker: asks `model` what is not stored yet.
        model: writes samples where it follows instructions, else guesses the instructions of the authors' paragraphs.
        embedder: tells instructions with the same meaning.
        evaluation_questions: the texts of what must not be trained on.
        detect_language: tells the language of a text; without it, languages are not looked at.

    Raises:
        TooLittleDataError: there is nothing to make it of, nothing passed, or a split would be empty.
        BudgetExceededError, DependencyUnavailableError, StorageFullError: see `Ask`.
    """
    strata = Strata(options.split)
    drawn = draw_extracts(
        strata.counted(documents()), options.generation, options.split, whole_paragraphs=not model.follows_instructions
    )
    require_extracts(drawn)
    require_both_splits([extract.source for extract in drawn.extracts], options.split)
    candidates = await make_candidates(
        kind, drawn.extracts, asker.ask, model.follows_instructions, model.model_id, options.generation
    )
    funnel = sift(kind, candidates, options, embedder, evaluation_questions, detect_language)
    if options.generation.judge and model.follows_instructions:
        funnel.settle(JUDGE, await judge(funnel.kept, asker.ask, options.quality.min_score))
    if kind is DatasetKind.PREFERENCE:
        funnel.settle(LENGTHS, bound_bias(funnel.kept, options.quality))
    _require_samples(funnel, asker.report)
    require_both_splits([candidate.sample.source for candidate in funnel.kept], options.split)
    return _dataset(kind, funnel, _report(funnel, drawn, strata, options, asker.report, model, documents()), options)


def _dataset(kind: DatasetKind, funnel: Funnel, report: DatasetReport, options: DatasetOptions) -> TrainTestSplit:
    """The samples in the order of their ids, whatever order they were made in."""
    samples = sorted((candidate.sample for candidate in funnel.kept), key=lambda sample: sample.id)
    train, test = ([s for s in samples if split_of(s.source, options.split) is split] for split in Split)
    dropped = sorted(funnel.dropped, key=lambda one: (one.stage, one.reason, one.sample.id))
    return TrainTestSplit(kind=kind, train=train, test=test, dropped=dropped, report=report)


def _report(
    funnel: Funnel,
    drawn: Drawn,
    strata: Strata,
    options: DatasetOptions,
    generation: GenerationReport,
    model: ConcurrentLanguageModel,
    documents: Iterable[CleanedDocument],
) -> DatasetReport:
    samples = [candidate.sample for candidate in funnel.kept]
    bias, counted = length_bias(samples), strata.report(samples)

    def in_split(sample: Sample) -> Split:
        return split_of(sample.source, options.split)

    return DatasetReport(
        model_id=model.model_id,
        method=Method.GENERATED if model.follows_instructions else Method.BACK_TRANSLATED,
        seed=options.split.seed,
        test_size=options.split.test_size,
        documents=drawn.documents,
        extracts=len(drawn.extracts),
        generation=generation,
        funnel=funnel.stages,
        strata=counted,
        length_bias=bias,
        gate=check_gate(funnel.kept, in_split, generation, bias, options.quality, documents),
        warnings=list(_warnings(drawn, counted, funnel, options, model)),
    )


def _warnings(
    drawn: Drawn, strata: Sequence[Stratum], funnel: Funnel, options: DatasetOptions, model: ConcurrentLanguageModel
) -> Iterator[str]:
    for category, count in drawn.documents.items():
        if not count:
            yield f"There are no documents in {category}."
        elif not _has_samples(category, funnel.kept):
            yield f"None of the {count} documents in {category} has a sample."
    yield from missing_in_test(strata)
    if options.generation.judge and not model.follows_instructions:
        yield f"Nothing was judged: {model.model_id} does not follow instructions."
    unjudged = sum(one.stage == JUDGE and one.reason == "not judged" for one in funnel.dropped)
    if unjudged:
        yield f"{unjudged} samples were dropped because the model gave no scores for them."


def _has_samples(category: DataCategory, kept: Sequence[Candidate]) -> bool:
    return any(candidate.sample.source.category is category for candidate in kept)


def _require_samples(funnel: Funnel, generation: GenerationReport) -> None:
    if funnel.kept:
        return
    if not funnel.dropped:
        lost = f"{generation.malformed} malformed, {generation.refused} refused, {generation.failed} failed"
        lost = "; ".join([lost, *generation.problems])
        raise TooLittleDataError(f"The model {generation.model_id} gave no samples ({lost}). Try another model.")
    reasons = Counter(f"{one.stage}: {one.reason}" for one in funnel.dropped).most_common(_SHOWN_REASONS)
    told = ", ".join(f"{reason} ({count})" for reason, count in reasons)
    raise TooLittleDataError(
        f"None of the {len(funnel.dropped)} samples passed: {told}. Draw more extracts (generation.max_extracts), or "
        "relax the options of `quality`; what was generated is stored, and is not asked for again."
    )
