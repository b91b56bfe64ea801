"""andon's core: it knows no protocol and no model format."""

__version__ = "0.1.0"
