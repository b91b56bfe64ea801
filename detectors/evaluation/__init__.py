"""Evaluation of a model on recorded data: by the code that runs live, with unadjusted metrics.

Imports `calibration`, `data`, `runtime` and `bundle`.
"""
