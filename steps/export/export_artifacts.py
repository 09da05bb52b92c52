"""Export documents and datasets to JSON."""

from typing import Annotated

from zenml import log_metadata, step

from llm_engineering.application.exporting import require_complete
from llm_engineering.bootstrap import build_services
from llm_engineering.bootstrap_datasets import DatasetRun
from llm_engineering.domain.dataset_reports import ExportReport


# Not cached: the stores are outside of what ZenML sees. One step, for documents are streamed and never artifacts.
@step(enable_cache=False)
def export_artifacts(artifact_names: list[str], output_dir: str) -> Annotated[ExportReport, "export_report"]:
    """Write a file an artifact below `output_dir`, which is below the project where it is relative.

    Raises:
        IncompleteExportError: one of them does not exist yet; the others are written.
    """
    with build_services() as services:
        report = DatasetRun(services).export(artifact_names, output_dir)
    log_metadata(metadata=report.metadata())
    require_complete(report)
    return report
