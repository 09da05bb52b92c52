"""Where datasets and models are published."""
