"""From stores and artifacts to JSON files."""

from steps.export.export_artifacts import export_artifacts

__all__ = ["export_artifacts"]
