"""Fuzzing of what parses foreign bytes: one function for each parser, one file of its corpus.

`make fuzz` runs libFuzzer (atheris) over them, `tests/fuzz` replays the corpus.
"""
