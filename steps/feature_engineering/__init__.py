"""From raw documents to features."""

from steps.feature_engineering.sync_features import sync_features

__all__ = ["sync_features"]
