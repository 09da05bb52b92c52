"""Datasets to train on: made from what was published, checked, split by document."""
