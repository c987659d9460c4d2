"""Comparing methods by stored predictions: one frame of results, tests, verdicts."""
