"""Documents and datasets become JSON files in the form of the handbook's artifacts."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from llm_engineering.application.exporting import ArtifactExport, TextFolder, dataset_record, require_complete
from llm_engineering.domain.dataset_reports import ExportReport
from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import IncompleteExportError
from llm_engineering.domain.features import FeatureState
from tests.fakes import (
    ADA,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    article,
    cleaned,
    spec_of,
)
from tests.sample_datasets import dataset

STATE = FeatureState(feature_hash="h", chunk_count=0, category=DataCategory.ARTICLES)


class MemoryFolder:
    """Files in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def write(self, name: str, pieces: Iterable[str]) -> tuple[str, int]:
        self.files[name] = "".join(pieces)
        return f"/out/{name}", len(self.files[name].encode())

    def read(self, name: str) -> Any:
        return json.loads(self.files[f"{name}.json"])


def export(
    names: list[str],
    folder: TextFolder,
    made: TrainTestSplit | None = None,
    documents: MemoryDocumentStore | None = None,
    vectors: MemoryVectorStore | None = None,
    progress: SilentProgress | None = None,
) -> ExportReport:
    def latest(kind: DatasetKind) -> TrainTestSplit | None:
        return made if made and made.kind is kind else None

    parts = (documents or MemoryDocumentStore(), vectors or MemoryVectorStore())
    return ArtifactExport(*parts, latest, folder).export(names, progress or SilentProgress())


def test_raw_documents_are_a_list_with_the_handbooks_keys() -> None:
    store, folder, progress = MemoryDocumentStore(), MemoryFolder(), SilentProgress()
    store.upsert(
        [article("The mill grinds.", "https://e.com/mill", "Mill"), article("The loom.", "https://e.com/loom")]
    )
    report = export(["raw_documents"], folder, documents=store, progress=progress)
    records = folder.read("raw_documents")["artifact_data"]
    [mill] = [record for record in records if record["link"] == "https://e.com/mill"]
    assert {"id", "content", "platform", "author_id", "author_full_name", "link"} <= mill.keys()
    assert mill["content"] == {"Title": "Mill", "Subtitle": None, "Content": "The mill grinds.", "language": None}
    assert mill["author_id"] == str(ADA.id)
    assert (len(records), report.files["raw_documents"].records, progress.done) == (2, 2, {"Exporting": 2})
    assert report.files["raw_documents"].size == len(folder.files["raw_documents.json"].encode())


def test_cleaned_documents_come_from_the_feature_store_with_their_text_as_content() -> None:
    vectors, folder = MemoryVectorStore(), MemoryFolder()
    vectors.prepare(spec_of(WordEmbedder()))
    code = cleaned("print()", "mill/main.py", DataCategory.REPOSITORIES)
    vectors.upsert_documents([(cleaned("Löwe", "a"), STATE), (code, STATE)])
    export(["cleaned_documents"], folder, vectors=vectors)
    assert "Löwe" in folder.files["cleaned_documents.json"]
    first, second = folder.read("cleaned_documents")["artifact_data"]
    assert first["content"] == "Löwe"
    assert {"id", "content", "platform", "author_id", "author_full_name", "link", "title"} <= first.keys()
    assert "text" not in first
    assert (second["name"], second["category"]) == ("mill", "repositories")


@pytest.mark.parametrize(
    ("kind", "texts"),
    [(DatasetKind.INSTRUCT, ["answer"]), (DatasetKind.PREFERENCE, ["rejected", "chosen"])],
)
def test_a_dataset_is_exported_by_split_and_category(kind: DatasetKind, texts: list[str]) -> None:
    made, folder = dataset(kind), MemoryFolder()
    report = export([kind.artifact_name], folder, made)
    exported = folder.read(kind.artifact_name)
    assert exported == dataset_record(made)
    assert exported["test_split_size"] == 0.1
    assert set(exported["train"]) == {"articles"}
    assert exported["train"]["articles"]["category"] == "articles"
    assert [s["instruction"] for s in exported["train"]["articles"]["samples"]] == [s.instruction for s in made.train]
    [sample] = exported["test"]["articles"]["samples"]
    assert list(sample) == ["id", "instruction", *texts, "document_id", "link"]
    assert sample[texts[-1]] == "Because Jacquard’s loom had them."
    assert report.files[kind.artifact_name].records == 3


def test_what_is_not_there_is_told_and_the_others_are_written() -> None:
    store, folder = MemoryDocumentStore(), MemoryFolder()
    store.upsert([article("The mill grinds.")])
    names = ["cleaned_documents", "raw_documents", "instruct_datasets", "preference_datasets"]
    report = export(names, folder, dataset(DatasetKind.INSTRUCT), documents=store)
    assert set(folder.files) == {"raw_documents.json", "instruct_datasets.json"}
    assert set(report.missing) == {"cleaned_documents", "preference_datasets"}
    with pytest.raises(
        IncompleteExportError, match=r"--run-generate-preference-datasets\. Exported: raw_documents, instr"
    ):
        require_complete(report)
    assert report.metadata()["missing"] == report.missing


def test_an_export_of_all_that_was_named_is_complete() -> None:
    report = export(["instruct_datasets"] * 2, MemoryFolder(), dataset())
    require_complete(report)
    assert list(report.files) == ["instruct_datasets"]
