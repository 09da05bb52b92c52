"""From cleaned documents to published datasets."""

from steps.generate_datasets.generate_dataset import generate_dataset
from steps.generate_datasets.publish_dataset import publish_dataset

__all__ = ["generate_dataset", "publish_dataset"]
