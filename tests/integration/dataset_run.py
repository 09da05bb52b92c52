"""A run of ZenML that makes a dataset, and what it leaves; started by a test as a process of its own."""

import json
from typing import Annotated

from zenml import pipeline, step
from zenml.client import Client

from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit
from llm_engineering.infrastructure import zenml_datasets  # noqa: F401 - keeps datasets from here on
from tests.sample_datasets import dataset


@step(enable_cache=False)
def make_dataset() -> Annotated[TrainTestSplit, "preference_datasets"]:
    """The dataset of the tests."""
    return dataset(DatasetKind.PREFERENCE)


@step(enable_cache=False)
def count_samples(made: TrainTestSplit) -> Annotated[int, "count"]:
    """How many samples came through the artifact store."""
    return len(made.train) + len(made.test)


@pipeline(enable_cache=False)
def dataset_run() -> None:
    """Both steps."""
    count_samples(make_dataset())


def main() -> None:
    """Run it, and print what is left as JSON."""
    dataset_run()
    client = Client()
    artifact = client.get_artifact_version("preference_datasets")
    left = {
        "equal": artifact.load() == dataset(DatasetKind.PREFERENCE),
        "count": client.get_artifact_version("count").load(),
        "uri": artifact.uri,
        "type": artifact.type.value,
        "metadata": {name: str(value) for name, value in artifact.run_metadata.items()},
        "visualizations": [[shown.type.value, shown.uri] for shown in artifact.visualizations or []],
    }
    print(json.dumps(left))


if __name__ == "__main__":
    main()
