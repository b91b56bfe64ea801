"""Import of foreign ONNX models: `andon models import` turns an ONNX file into a bundle.

Imports `training` and every room below it.
"""
