"""What a dataset will ask of its model and cost, told before anything is asked."""

from collections.abc import Iterable, Iterator, Sequence

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.costs import BYTES_PER_TOKEN
from llm_engineering.application.dataset.extracts import draw_extracts, require_extracts
from llm_engineering.application.dataset.judging import judging_tasks
from llm_engineering.application.dataset.recipes import TOKENS_OF_A_SAMPLE, first_tasks, later_completion_tokens
from llm_engineering.application.dataset.splitting import require_both_splits
from llm_engineering.domain.dataset_options import DatasetOptions, GenerationOptions
from llm_engineering.domain.datasets import Candidate, DatasetKind, Extract, Method, Sample
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.generation import ConcurrentLanguageModel, Estimate


def estimate_dataset(
    kind: DatasetKind,
    documents: Iterable[CleanedDocument],
    options: DatasetOptions,
    model: ConcurrentLanguageModel,
    asker: Asker,
) -> Estimate:
    """What is left to ask for these documents, at most. The documents are streamed; no model is asked.

    Raises:
        TooLittleDataError: there is nothing to ask about, or a split would be empty.
    """
    follows = model.follows_instructions
    drawn = draw_extracts(documents, options.generation, options.split, whole_paragraphs=not follows)
    require_extracts(drawn)
    require_both_splits([extract.source for extract in drawn.extracts], options.split)
    return _estimate(kind, drawn.extracts, options.generation, model, asker)


def _estimate(
    kind: DatasetKind,
    extracts: Sequence[Extract],
    options: GenerationOptions,
    model: ConcurrentLanguageModel,
    asker: Asker,
) -> Estimate:
    follows = model.follows_instructions
    tasks = first_tasks(kind, extracts, follows, options)
    if options.judge and follows:
        tasks += judging_tasks(list(_longest(kind, extracts, options, model.model_id)))
    return asker.estimate(tasks, later_completion_tokens(kind, extracts, follows))


def _longest(
    kind: DatasetKind, extracts: Sequence[Extract], options: GenerationOptions, model_id: str
) -> Iterator[Candidate]:
    """Stand-ins for the samples that the judge would see: as many and as long as they may be.

    What was judged before is not known to be, as the samples are not made yet.
    """
    answer = "x" * (TOKENS_OF_A_SAMPLE[kind] * BYTES_PER_TOKEN)
    for extract in extracts:
        for number in range(options.samples_per_extract):
            sample = Sample.create(extract, str(number), answer, Method.GENERATED, model_id)
            yield Candidate(sample=sample, extract=extract)
