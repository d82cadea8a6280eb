"""Baseline loss of a model on the supervised tokens: the only folder that imports torch."""
