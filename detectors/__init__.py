"""Detectors: pure functions from aligned windows to scores, and the tools that train them."""
