"""Check that ZenML runs and that the stores and models answer."""

from zenml import pipeline

from steps.smoke_test import check_services


@pipeline
def smoke_test() -> None:
    """One step."""
    check_services()
