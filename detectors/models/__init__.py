"""The anomaly detection methods that `andon train` compares, and their export to ONNX.

Imports `calibration`, `data`, `runtime` and `bundle`.
"""
