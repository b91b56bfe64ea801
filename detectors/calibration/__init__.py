"""Calibration: from held-out scores to the false alarm rate of a threshold.

Imports `runtime` and `bundle`.
"""
