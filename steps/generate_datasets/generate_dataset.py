"""Make a dataset."""

from typing import Annotated, Any

from zenml import log_metadata, step

from llm_engineering.bootstrap import build_services
from llm_engineering.bootstrap_datasets import DatasetRun
from llm_engineering.domain.dataset_options import DatasetOptions
from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit

# Imported for what it registers: how ZenML keeps the dataset that this step returns. Whoever reads it back needs no
# import, for the artifact names its materializer.
from llm_engineering.infrastructure import zenml_datasets  # noqa: F401


# Not cached: the documents are outside of what ZenML sees. What was asked before is not asked again all the same.
@step(enable_cache=False)
def generate_dataset(
    kind: str, generation: dict[str, Any], quality: dict[str, Any], split: dict[str, Any]
) -> Annotated[TrainTestSplit, "{kind}_datasets"]:
    """Draw extracts, let the model write, sift, split by document. The artifact's report says what came of it.

    Raises:
        BudgetExceededError, DependencyUnavailableError, StorageFullError: what was answered is kept; run it again.
        TooLittleDataError: there is too little to make a dataset of.
    """
    options = DatasetOptions.model_validate({"generation": generation, "quality": quality, "split": split})
    with build_services() as services:
        dataset = DatasetRun(services).generate(DatasetKind(kind), options)
    log_metadata(metadata=dataset.report.metadata())
    return dataset
