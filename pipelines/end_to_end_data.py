"""From links to features, in one run."""

from typing import Any

from zenml import pipeline

from pipelines.digital_data_etl import digital_data_etl
from pipelines.feature_engineering import feature_engineering


@pipeline
def end_to_end_data(author_links: list[dict[str, Any]]) -> None:
    """Crawl each author's links (the parameters of `digital_data_etl`), then compute the features of all."""
    crawled = [digital_data_etl(**author) for author in author_links]
    feature_engineering(wait_for=crawled)
