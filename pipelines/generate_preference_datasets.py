"""Instructions with the answer to prefer, and the one to turn away from."""

from typing import Any

from zenml import pipeline

from steps.generate_datasets import generate_dataset, publish_dataset


@pipeline
def generate_preference_datasets(
    generation: dict[str, Any] | None = None,
    quality: dict[str, Any] | None = None,
    split: dict[str, Any] | None = None,
    publish: dict[str, Any] | None = None,
) -> None:
    """Make a preference dataset from the cleaned documents, and publish it."""
    generate = generate_dataset.with_options(substitutions={"kind": "preference"})
    dataset = generate(kind="preference", generation=generation or {}, quality=quality or {}, split=split or {})
    publish_dataset(dataset, publish=publish or {})
