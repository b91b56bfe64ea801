"""Judges a model on recorded data, offline: by the code that runs live, and by honest measures."""
