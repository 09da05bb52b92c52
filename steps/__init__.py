"""ZenML steps: call the application, attach metadata. No logic."""
