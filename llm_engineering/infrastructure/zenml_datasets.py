"""How ZenML keeps a dataset: JSON lines that anything can read, and the report as a page. No pickle."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.metadata.metadata_types import MetadataType

from llm_engineering.domain.datasets import DatasetHead, DroppedSample, Sample, TrainTestSplit
from llm_engineering.domain.storage import writing
from llm_engineering.infrastructure.charts.datasets import dataset_page

TRAIN, TEST, DROPPED, REPORT, PAGE = "train.jsonl", "test.jsonl", "dropped.jsonl", "report.json", "report.html"


class DatasetMaterializer(BaseMaterializer):
    """A TrainTestSplit as files in the artifact's folder, wherever the artifact store is.

    To import it is enough: ZenML then keeps every TrainTestSplit by it. Steps do not name it in `output_materializers`,
    for ZenML would look for the project's root while the step's module is imported.
    """

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (TrainTestSplit,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, data: TrainTestSplit) -> None:
        """Write the samples, what was dropped, and the report. Raises StorageFullError."""
        self._write(TRAIN, (sample.model_dump_json() for sample in data.train))
        self._write(TEST, (sample.model_dump_json() for sample in data.test))
        self._write(DROPPED, (dropped.model_dump_json() for dropped in data.dropped))
        self._write(REPORT, [data.head.model_dump_json(indent=2)])

    def load(self, data_type: type[Any]) -> TrainTestSplit:  # noqa: ARG002 - there is one
        """The dataset as it was saved."""
        with self.artifact_store.open(self._path(REPORT), "rb") as file:
            head = DatasetHead.model_validate_json(file.read())
        return TrainTestSplit(
            kind=head.kind,
            train=[Sample.model_validate_json(line) for line in self._lines(TRAIN)],
            test=[Sample.model_validate_json(line) for line in self._lines(TEST)],
            dropped=[DroppedSample.model_validate_json(line) for line in self._lines(DROPPED)],
            report=head.report,
        )

    def save_visualizations(self, data: TrainTestSplit) -> dict[str, VisualizationType]:
        """The report as a page."""
        self._write(PAGE, [dataset_page(data)])
        return {self._path(PAGE).replace("\\", "/"): VisualizationType.HTML}

    def extract_metadata(self, data: TrainTestSplit) -> dict[str, MetadataType]:
        """The report's figures, and the version."""
        return {"kind": data.kind.value, "version": data.version, **data.report.metadata()}

    def _path(self, name: str) -> str:
        return os.path.join(self.uri, name)  # noqa: PTH118 - it may be a URL

    # Bytes, for a local store would take text in the encoding of the machine.
    def _write(self, name: str, lines: Iterable[str]) -> None:
        path = self._path(name)
        with writing(path), self.artifact_store.open(path, "wb") as file:
            for line in lines:
                file.write(f"{line}\n".encode())

    def _lines(self, name: str) -> Iterator[bytes]:
        with self.artifact_store.open(self._path(name), "rb") as file:
            yield from file
