"""Command-line entry points, run as `python -m tools.NAME`. What is heavy is imported after the flags are read."""
