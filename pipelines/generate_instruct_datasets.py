"""Instructions with the answers to learn."""

from typing import Any

from zenml import pipeline

from steps.generate_datasets import generate_dataset, publish_dataset


@pipeline
def generate_instruct_datasets(
    generation: dict[str, Any] | None = None,
    quality: dict[str, Any] | None = None,
    split: dict[str, Any] | None = None,
    publish: dict[str, Any] | None = None,
) -> None:
    """Make an instruction dataset from the cleaned documents, and publish it."""
    generate = generate_dataset.with_options(substitutions={"kind": "instruct"})
    dataset = generate(kind="instruct", generation=generation or {}, quality=quality or {}, split=split or {})
    publish_dataset(dataset, publish=publish or {})
