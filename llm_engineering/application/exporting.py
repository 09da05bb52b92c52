"""Everything that was made of the documents, as JSON files in the form of the handbook's artifacts.

Its pipelines hand documents and datasets on as ZenML artifacts, and export these. Here the documents stand in the
stores and are streamed from there; the files are the same: a list under `artifact_data`, a dataset by split and
category. What the handbook's form has no place for (title, language, where a sample is from) stands beside its keys.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from llm_engineering.application.warehouse import to_record
from llm_engineering.domain.dataset_reports import ExportedFile, ExportReport
from llm_engineering.domain.datasets import DatasetKind, Sample, Split, TrainTestSplit
from llm_engineering.domain.documents import CleanedDocument, DataCategory, RawDocument
from llm_engineering.domain.errors import IncompleteExportError
from llm_engineering.domain.ports import DocumentStore, Progress, VectorStore

RAW_DOCUMENTS, CLEANED_DOCUMENTS = "raw_documents", "cleaned_documents"
ARTIFACTS = (RAW_DOCUMENTS, CLEANED_DOCUMENTS, *(kind.artifact_name for kind in DatasetKind))

Records = Iterable[dict[str, Any]]
LatestDataset = Callable[[DatasetKind], TrainTestSplit | None]


class TextFolder(Protocol):
    """A folder that text files are written to, each as a whole or not at all."""

    def write(self, name: str, pieces: Iterable[str]) -> tuple[str, int]:
        """Write the pieces one after the other; returns the file's path and its size in bytes.

        Raises:
            StorageFullError: there is no room; an older file of this name is kept.
        """


class ArtifactExport:
    """Writes artifacts by their names."""

    def __init__(
        self, documents: DocumentStore, vectors: VectorStore, latest: LatestDataset, folder: TextFolder
    ) -> None:
        self._documents = documents
        self._vectors = vectors
        self._latest = latest
        self._folder = folder

    def export(self, names: Sequence[str], progress: Progress) -> ExportReport:
        """Write a file for each of the artifacts; what is not there yet is told in the report."""
        report = ExportReport()
        with progress.task("Exporting", total=0) as advance:
            for name in dict.fromkeys(names):
                if name == RAW_DOCUMENTS:
                    self._write_list(report, name, self._raw(), advance)
                elif name == CLEANED_DOCUMENTS:
                    self._write_list(report, name, self._cleaned(), advance)
                else:
                    self._write_dataset(report, _kind_of(name), advance)
        return report

    def _raw(self) -> Records:
        streams = (self._documents.stream(category) for category in DataCategory)
        return (raw_record(document) for stream in streams for document in stream)

    def _cleaned(self) -> Records:
        streams = (self._vectors.cleaned_documents(category) for category in DataCategory)
        return (cleaned_record(document) for stream in streams for document in stream)

    def _write_list(self, report: ExportReport, name: str, records: Records, advance: Callable[[float], None]) -> None:
        counted = _Counted(records, advance)
        first = next(iter(counted), None)
        if first is None:
            report.missing[name] = _WHAT_TO_RUN[name]
            return
        path, size = self._folder.write(f"{name}.json", _artifact_data(first, counted))
        report.files[name] = ExportedFile(path=path, records=counted.count, size=size)

    def _write_dataset(self, report: ExportReport, kind: DatasetKind, advance: Callable[[float], None]) -> None:
        name, dataset = kind.artifact_name, self._latest(kind)
        if dataset is None:
            report.missing[name] = f"Make the dataset: python -m tools.run --run-generate-{kind}-datasets"
            return
        samples = len(dataset.train) + len(dataset.test)
        encoder = json.JSONEncoder(ensure_ascii=False, indent=1)
        path, size = self._folder.write(f"{name}.json", encoder.iterencode(dataset_record(dataset)))
        report.files[name] = ExportedFile(path=path, records=samples, size=size)
        advance(samples)


_WHAT_TO_RUN = {
    RAW_DOCUMENTS: "No document is stored. Crawl some: python -m tools.run --run-etl",
    CLEANED_DOCUMENTS: "Nothing is in the feature store. Fill it: python -m tools.run --run-feature-engineering",
}


class _Counted:
    """Records that are counted as they are taken, so that the first can be looked at before the others."""

    def __init__(self, records: Records, advance: Callable[[float], None]) -> None:
        self._records = iter(records)
        self._advance = advance
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for record in self._records:
            self.count += 1
            self._advance(1)
            yield record


def require_complete(report: ExportReport) -> None:
    """Raises IncompleteExportError when an artifact was not there; what was there is exported."""
    if report.missing:
        missing = "; ".join(f"{name}: {what}" for name, what in report.missing.items())
        done = ", ".join(report.files) or "nothing"
        raise IncompleteExportError(f"Not there to be exported: {missing}. Exported: {done}.")


def raw_record(document: RawDocument) -> dict[str, Any]:
    """A raw document as the handbook's artifact has it: as its dump has it, with another name for the id."""
    record = to_record(document)
    return {"id": record.pop("_id"), **record}


def cleaned_record(document: CleanedDocument) -> dict[str, Any]:
    """A cleaned document as the handbook's artifact has it; category, title, language and date beside that."""
    fields = document.model_dump(mode="json")
    text, id_ = fields.pop("text"), fields.pop("id")
    record: dict[str, Any] = {"id": id_, "content": text}
    if document.category is DataCategory.REPOSITORIES:
        record["name"] = document.title.partition("/")[0]
    return {**record, **fields}


def dataset_record(dataset: TrainTestSplit) -> dict[str, Any]:
    """A dataset as the handbook's artifact has it: the samples by split and category."""
    splits = {split.value: _by_category(dataset, split) for split in Split}
    return {"id": dataset.version, **splits, "test_split_size": dataset.report.test_size}


def _by_category(dataset: TrainTestSplit, split: Split) -> dict[str, Any]:
    by_category: dict[DataCategory, list[dict[str, Any]]] = {}
    for sample in dataset.of(split):
        by_category.setdefault(sample.source.category, []).append(_sample_record(sample))
    return {
        category.value: {"category": category.value, "samples": by_category[category]}
        for category in DataCategory
        if category in by_category
    }


def _sample_record(sample: Sample) -> dict[str, Any]:
    if sample.rejected is None:
        texts = {"instruction": sample.instruction, "answer": sample.answer}
    else:
        texts = {"instruction": sample.instruction, "rejected": sample.rejected, "chosen": sample.answer}
    source = {"document_id": str(sample.source.document_id), "link": sample.source.link}
    return {"id": sample.id, **texts, **source}


def _artifact_data(first: dict[str, Any], others: Records) -> Iterator[str]:
    yield '{"artifact_data": [\n' + json.dumps(first, ensure_ascii=False)
    for record in others:
        yield ",\n" + json.dumps(record, ensure_ascii=False)
    yield "\n]}\n"


def _kind_of(name: str) -> DatasetKind:
    return next(kind for kind in DatasetKind if kind.artifact_name == name)
