"""Raw samples of the last days in local Parquet files, for training, replay and analysis.

`recorder` takes samples from the line without making it wait, `archive` bounds the folder of files,
`table` defines the content of a file. docs/history.md describes the format.
"""

FOLDER = "history"
"""The history's folder within the line's state folder."""
