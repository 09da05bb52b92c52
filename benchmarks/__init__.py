"""What the figures in the docs come from. Each is run as `python -m benchmarks.NAME`."""
