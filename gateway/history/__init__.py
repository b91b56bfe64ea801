"""The raw samples of the last days, in local Parquet files: for training, replay and questions.

`recorder` takes samples from the line and never makes it wait, `archive` keeps the folder of files
in bounds, `table` is what stands in a file. docs/history.md describes the format.
"""

FOLDER = "history"
"""Where it is kept, in the line's state folder."""
