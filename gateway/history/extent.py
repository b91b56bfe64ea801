"""The most that a recording may hold, checked before it is decoded.

Promises
- A file that claims or expands to more than `Reading.most_values` is refused in a sentence with
  both figures, and with what would be right; the user may raise the figure (--most-values).
- So is one that needs more memory than the machine has left.
"""

from gateway.history import memory
from gateway.history.reading import Notes

MOST_COLUMNS = 5_000
BYTES_A_VALUE = 16
"""Bytes of a text file, or of decompressed Parquet, for each value that may be read."""
_MEMORY_A_VALUE = 30
"""Bytes of memory at the peak of reading, for each value; measured 24 to 28."""
LONGEST_NAME = 200
"""Characters in the name of a column."""


def check_values(rows: int, columns: int, most: int, notes: Notes) -> None:
    """ConfigError if the file has too many values, or too few bytes of memory are free."""
    check_columns(columns, notes)
    values = rows * columns
    if values > most:
        raise notes.refuse(
            f"it has {rows:,} rows and {columns:,} columns, which are {values:,} values, and "
            f"at most {most:,} are read: export a shorter time, fewer tags or a longer period, or "
            "raise the limit with --most-values if the machine has the memory (about "
            f"{_MEMORY_A_VALUE} bytes a value)"
        )
    check_memory(values * _MEMORY_A_VALUE, notes)


def check_columns(columns: int, notes: Notes) -> None:
    """ConfigError if the file has more columns than any line has tags."""
    if columns > MOST_COLUMNS:
        raise notes.refuse(
            f"it has {columns:,} columns, and at most {MOST_COLUMNS:,} are read: export fewer tags"
        )


def check_memory(need: int, notes: Notes) -> None:
    """ConfigError if so many bytes are not available."""
    if lacking := memory.lacking(need):
        raise notes.refuse(f"{lacking}: export a shorter time, fewer tags or a longer period")


def check_bytes(size: int, most: int, what: str, notes: Notes) -> None:
    """ConfigError if a file holds more bytes than so many values can have."""
    if size > most * BYTES_A_VALUE:
        raise notes.refuse(
            f"{what} {size / 1e6:,.0f} MB, and at most {most * BYTES_A_VALUE / 1e6:,.0f} MB are "
            "read: export a shorter time or fewer tags, or raise the limit with --most-values "
            f"({most:,}, of {BYTES_A_VALUE} bytes each)"
        )
