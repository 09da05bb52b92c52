"""A dataset in numbers, a few of its samples, and what differs between two."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from llm_engineering.application.dataset.foreign import NO_DOCUMENT
from llm_engineering.application.dataset.preferences import length_bias
from llm_engineering.domain.dataset_inspection import ChangedSample, DatasetDifference, DatasetFigures, SplitFigures
from llm_engineering.domain.dataset_reports import Stratum
from llm_engineering.domain.datasets import Sample, Split, TrainTestSplit
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.inspection import Spread


def figures_of(dataset: TrainTestSplit) -> DatasetFigures:
    """The dataset in numbers, counted from its samples."""
    samples = [sample for _, sample in dataset.samples()]
    return DatasetFigures(
        kind=dataset.kind,
        version=dataset.version,
        splits={split: _split(dataset.of(split)) for split in Split},
        strata=_strata(dataset),
        methods=_counted(sample.method.value for sample in samples),
        models=_counted(sample.model_id for sample in samples),
        languages=_counted(sample.source.language or "" for sample in samples),
        dropped=_counted(f"{item.stage}: {item.reason}" for item in dataset.dropped),
        length_bias=length_bias(samples),
        gate=dataset.report.gate,
    )


def draw_samples(
    dataset: TrainTestSplit,
    count: int,
    seed: str,
    split: Split | None = None,
    category: DataCategory | None = None,
    author: str | None = None,
) -> list[tuple[Split, Sample]]:
    """So many samples at random, the same ones for a seed; of one split, category or author where it is named."""
    name = author.casefold() if author else None
    chosen = [
        (half, sample)
        for half, sample in sorted(dataset.samples(), key=lambda item: (item[0], item[1].id))
        if split in (None, half)
        and category in (None, sample.source.category)
        and name in (None, sample.source.author_full_name.casefold())
    ]
    return random.Random(seed).sample(chosen, min(count, len(chosen)))  # noqa: S311 - nothing is kept secret by it


def compare(before: TrainTestSplit, after: TrainTestSplit) -> DatasetDifference:
    """What is new, gone, changed and moved.

    Samples are told apart by their ids; changed is what has the same document and instruction, and another answer.
    """
    old, new = _by_id(before), _by_id(after)
    kept = old.keys() & new.keys()
    waiting: dict[tuple[UUID, str], list[Sample]] = {}
    # The last is paired first.
    for id_ in sorted(old.keys() - kept, reverse=True):
        waiting.setdefault(_place(old[id_][1]), []).append(old[id_][1])
    changed, added = list[ChangedSample](), list[Sample]()
    for sample in (new[id_][1] for id_ in sorted(new.keys() - kept)):
        if earlier := waiting.get(_place(sample)):
            changed.append(ChangedSample(before=earlier.pop(), after=sample))
        else:
            added.append(sample)
    return DatasetDifference(
        before=figures_of(before),
        after=figures_of(after),
        new=added,
        gone=sorted((sample for samples in waiting.values() for sample in samples), key=lambda sample: sample.id),
        changed=changed,
        moved=[new[id_][1] for id_ in sorted(kept) if old[id_][0] is not new[id_][0]],
        moved_documents=_moved_documents(before, after),
        same=len(kept),
    )


def split_by_document(dataset: TrainTestSplit) -> dict[UUID, set[Split]]:
    """In which splits each document's samples are; what names no document is left out."""
    found: dict[UUID, set[Split]] = {}
    for split, sample in dataset.samples():
        if sample.source.document_id != NO_DOCUMENT:
            found.setdefault(sample.source.document_id, set()).add(split)
    return found


def _moved_documents(before: TrainTestSplit, after: TrainTestSplit) -> list[str]:
    earlier, later = split_by_document(before), split_by_document(after)
    moved = {id_ for id_ in earlier.keys() & later.keys() if earlier[id_] != later[id_]}
    links = {sample.source.link for _, sample in after.samples() if sample.source.document_id in moved}
    return sorted(links)


def _by_id(dataset: TrainTestSplit) -> dict[str, tuple[Split, Sample]]:
    return {sample.id: (split, sample) for split, sample in dataset.samples()}


def _place(sample: Sample) -> tuple[UUID, str]:
    return sample.source.document_id, sample.instruction


def _split(samples: Sequence[Sample]) -> SplitFigures:
    texts = {
        "instruction": [sample.instruction for sample in samples],
        "answer": [sample.answer for sample in samples],
        "rejected": [sample.rejected for sample in samples if sample.rejected is not None],
    }
    lengths = {name: Spread.of(Counter(map(len, values))) for name, values in texts.items() if values}
    documents = {sample.source.document_id for sample in samples} - {NO_DOCUMENT}
    return SplitFigures(samples=len(samples), documents=len(documents), lengths=lengths)


def _strata(dataset: TrainTestSplit) -> list[Stratum]:
    samples: dict[tuple[str, DataCategory], dict[Split, list[UUID]]] = {}
    for split, sample in dataset.samples():
        key = (sample.source.author_full_name, sample.source.category)
        samples.setdefault(key, {half: [] for half in Split})[split].append(sample.source.document_id)
    return [
        Stratum(
            author=author,
            category=category,
            train_documents=len(set(ids[Split.TRAIN]) - {NO_DOCUMENT}),
            test_documents=len(set(ids[Split.TEST]) - {NO_DOCUMENT}),
            train_samples=len(ids[Split.TRAIN]),
            test_samples=len(ids[Split.TEST]),
        )
        for (author, category), ids in sorted(samples.items())
    ]


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
