"""`andon models import`: somebody else's ONNX file becomes a bundle."""
