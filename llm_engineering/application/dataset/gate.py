"""What a dataset must be to be published, measured on the result, by other ways than those that made it."""

from collections.abc import Callable, Iterable, Sequence

from llm_engineering.application.dataset.duplicates import Part, runs_of, title
from llm_engineering.application.dataset.finding import is_authors_own
from llm_engineering.application.dataset.preferences import MIN_PAIRS, is_biased
from llm_engineering.application.dataset.shared_text import TEXT_RUN
from llm_engineering.application.dataset.similarity import containment, counted_pairs, shingles
from llm_engineering.application.dataset.verbatim import stand_in_documents
from llm_engineering.application.words import words_and_names
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.dataset_reports import GateCheck, LengthBias
from llm_engineering.domain.datasets import Candidate, DatasetKind, Sample, Split
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.generation import GenerationReport

SplitOf = Callable[[Sample], Split]


def check_gate(
    candidates: Sequence[Candidate],
    split_of: SplitOf,
    generation: GenerationReport,
    bias: LengthBias | None,
    options: QualityOptions,
    documents: Iterable[CleanedDocument],
) -> list[GateCheck]:
    """All conditions, passed or not. `bias` is that of the pairs; None for instructions.

    `documents` are streamed once more: answers that are promised word for word are looked up in them.
    """
    samples = [candidate.sample for candidate in candidates]
    runs = runs_of(DatasetKind.PREFERENCE if bias else DatasetKind.INSTRUCT)
    checks = [
        _enough(samples, options),
        _both_splits(samples, split_of),
        _in_one_split("documents", [(str(s.source.document_id), split_of(s)) for s in samples]),
        _in_one_split("instructions", [(" ".join(words_and_names(s.instruction)), split_of(s)) for s in samples]),
        *(_no_similar(samples, part, run, options.near_duplicate) for part, run in runs.items()),
        _apart(candidates, split_of, options.max_shared_text),
        _verbatim(samples, documents),
        _few_lost(generation, options),
    ]
    return [*checks, _unbiased(bias, options)] if bias else checks


def _enough(samples: Sequence[Sample], options: QualityOptions) -> GateCheck:
    count = len(samples)
    return GateCheck(
        name="enough samples",
        passed=count >= options.min_samples,
        measured=f"{count} samples",
        wanted=f"at least {options.min_samples}",
    )


def _both_splits(samples: Sequence[Sample], split_of: SplitOf) -> GateCheck:
    counts = {split: sum(split_of(sample) is split for sample in samples) for split in Split}
    return GateCheck(
        name="samples in both splits",
        passed=all(counts.values()),
        measured=", ".join(f"{count} in {split}" for split, count in counts.items()),
        wanted="some in each",
    )


def _in_one_split(what: str, placed: Sequence[tuple[str, Split]]) -> GateCheck:
    train, test = ({one for one, split in placed if split is wanted} for wanted in (Split.TRAIN, Split.TEST))
    both = len(train & test)
    return GateCheck(name=f"{what} in one split", passed=not both, measured=f"{both} in both splits", wanted="none")


def _no_similar(samples: Sequence[Sample], part: Part, run: int, threshold: float) -> GateCheck:
    pairs = sum(1 for _ in counted_pairs([shingles(part(sample), run) for sample in samples], threshold))
    return GateCheck(
        name=f"no near-duplicate {title(part)}s",
        passed=not pairs,
        measured=f"{pairs} pairs with a similarity of {threshold:g} or more",
        wanted="none",
    )


def _apart(candidates: Sequence[Candidate], split_of: SplitOf, threshold: float) -> GateCheck:
    """Each text of train is compared with each of test that it has anything in common with."""
    halves = ([one for one in candidates if split_of(one.sample) is split] for split in Split)
    texts = [({one.extract.text for one in half}, {one.sample.answer for one in half}) for half in halves]
    shared = sum(_shared(train, test, threshold) for train, test in zip(*texts, strict=True))
    return GateCheck(
        name="no shared text between the splits",
        passed=not shared,
        measured=f"{shared} extracts or answers of train share {threshold:.0%} or more with one of test",
        wanted="none",
    )


def _shared(train: set[str], test: set[str], threshold: float) -> int:
    tested = [shingles(text, TEXT_RUN) for text in test]
    anywhere = frozenset[str]().union(*tested)
    trained = [one for one in (shingles(text, TEXT_RUN) for text in train) if not one.isdisjoint(anywhere)]
    return sum(any(containment(one, other) >= threshold for other in tested) for one in trained)


def _verbatim(samples: Sequence[Sample], documents: Iterable[CleanedDocument]) -> GateCheck:
    promised = sum(map(is_authors_own, samples))
    looked_at, missing = stand_in_documents(samples, documents)
    standing = len(looked_at) - len(missing)
    return GateCheck(
        name="answers that are promised verbatim",
        passed=standing == promised,
        measured=f"{standing} of {promised} stand in their document word for word",
        wanted="all",
    )


def _few_lost(generation: GenerationReport, options: QualityOptions) -> GateCheck:
    lost = generation.malformed + generation.refused + generation.failed
    share = lost / generation.tasks if generation.tasks else 0.0
    return GateCheck(
        name="few lost answers",
        passed=share <= options.max_malformed,
        measured=f"{share:.1%} of {generation.tasks} tasks: {generation.malformed} malformed, {generation.refused} "
        f"refused, {generation.failed} failed",
        wanted=f"at most {options.max_malformed:.0%}",
    )


def _unbiased(bias: LengthBias, options: QualityOptions) -> GateCheck:
    most, share = options.max_length_bias, options.max_longer_share
    wanted = f"{1 / most:.2f} to {most:.2f} times, and longer in {1 - share:.0%} to {share:.0%}"
    return GateCheck(
        name="no length bias",
        passed=not is_biased(bias, options),
        measured=f"chosen answers are {bias.mean_ratio:.2f} times as long as rejected ones (geometric mean), "
        f"longer in {bias.chosen_longer:.0%} of {bias.pairs} pairs",
        wanted=wanted
        if bias.pairs >= MIN_PAIRS
        else f"{1 / most:.2f} to {most:.2f} times; of fewer than {MIN_PAIRS} "
        "pairs, in how many it is longer says nothing",
    )
