"""What a dataset must be to be published, measured on the result, by other ways than those that made it."""

from collections.abc import Callable, Iterable, Sequence

from llm_engineering.application.dataset.duplicates import ANSWER_RUN, INSTRUCTION_RUN, Part, answer, instruction
from llm_engineering.application.dataset.finding import is_authors_own
from llm_engineering.application.dataset.similarity import counted_pairs, shingles
from llm_engineering.application.dataset.verbatim import stand_in_documents
from llm_engineering.application.words import words
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.dataset_reports import GateCheck, LengthBias
from llm_engineering.domain.datasets import Sample, Split
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.generation import GenerationReport

SplitOf = Callable[[Sample], Split]


def check_gate(
    samples: Sequence[Sample],
    split_of: SplitOf,
    generation: GenerationReport,
    bias: LengthBias | None,
    options: QualityOptions,
    documents: Iterable[CleanedDocument],
) -> list[GateCheck]:
    """All conditions, passed or not. `bias` is that of the pairs; None for instructions.

    `documents` are streamed once more: answers that are promised word for word are looked up in them.
    """
    checks = [
        _enough(samples, options),
        _both_splits(samples, split_of),
        _in_one_split("documents", [(str(s.source.document_id), split_of(s)) for s in samples]),
        _in_one_split("instructions", [(" ".join(words(s.instruction)), split_of(s)) for s in samples]),
        _no_similar(samples, instruction, INSTRUCTION_RUN, options.near_duplicate),
        _no_similar(samples, answer, ANSWER_RUN, options.near_duplicate),
        _verbatim(samples, documents),
        _well_formed(generation, options),
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
        name=f"no near-duplicate {part.__name__}s",
        passed=not pairs,
        measured=f"{pairs} pairs with a similarity of {threshold:g} or more",
        wanted="none",
    )


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


def _well_formed(generation: GenerationReport, options: QualityOptions) -> GateCheck:
    share = generation.malformed / generation.tasks if generation.tasks else 0.0
    return GateCheck(
        name="few malformed answers",
        passed=share <= options.max_malformed,
        measured=f"{share:.1%} of {generation.tasks} tasks",
        wanted=f"at most {options.max_malformed:.0%}",
    )


def _unbiased(bias: LengthBias, options: QualityOptions) -> GateCheck:
    most = options.max_length_bias
    return GateCheck(
        name="no length bias",
        passed=1 / most - 1e-9 <= bias.mean_ratio <= most + 1e-9,
        measured=f"chosen answers are {bias.mean_ratio:.2f} times as long as rejected ones (geometric mean), "
        f"longer in {bias.chosen_longer:.0%} of {bias.pairs} pairs",
        wanted=f"{1 / most:.2f} to {most:.2f} times",
    )
