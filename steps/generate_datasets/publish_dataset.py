"""Publish a dataset."""

from typing import Annotated, Any

from zenml import log_metadata, step

from llm_engineering.bootstrap import build_services
from llm_engineering.bootstrap_datasets import DatasetRun
from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.dataset_reports import PublishReport
from llm_engineering.domain.datasets import TrainTestSplit


# Not cached: a hub is outside of what ZenML sees.
@step(enable_cache=False)
def publish_dataset(dataset: TrainTestSplit, publish: dict[str, Any]) -> Annotated[PublishReport, "publish_report"]:
    """To the Hugging Face Hub where it is asked for, else to the local hub.

    Raises:
        QualityGateError: the dataset is not good enough; it stays an artifact, to be looked at.
    """
    with build_services() as services:
        report = DatasetRun(services).publish(dataset, PublishOptions.model_validate(publish))
    log_metadata(metadata=report.metadata())
    return report
