"""Training: from recorded normal running to a verified bundle and a report. Offline only.

Imports every room below it: `evaluation`, `models`, `calibration`, `data`, `runtime` and `bundle`.
"""
