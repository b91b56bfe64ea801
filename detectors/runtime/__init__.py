"""The detectors that a line runs."""
