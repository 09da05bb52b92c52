"""Documents and datasets as JSON files."""

from zenml import pipeline

from steps.export import export_artifacts


@pipeline
def export_artifact_to_json(artifact_names: list[str], output_dir: str = "data/artifacts") -> None:
    """Export these, in the form of the handbook's artifacts."""
    export_artifacts(artifact_names=artifact_names, output_dir=output_dir)
