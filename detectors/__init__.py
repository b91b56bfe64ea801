"""Detectors: pure functions from aligned windows to scores."""
