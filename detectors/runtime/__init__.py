"""The detectors that the daemon loads: `limits`, `onnx`, and the gate before them.

Imports `bundle` and `gateway.api`; no training tools.
"""
