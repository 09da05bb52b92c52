"""From raw documents in MongoDB to features in Qdrant."""

from zenml import pipeline

from steps.feature_engineering import sync_features


@pipeline
def feature_engineering(author_full_names: list[str] | None = None, wait_for: list[str] | None = None) -> None:
    """Features of these authors' documents, or of all; after the steps that `wait_for` names."""
    sync_features(author_full_names=author_full_names, after=wait_for)
