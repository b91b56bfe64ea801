"""Labelled intervals from `andon alarms LINE.yaml labels`: what a recording holds at which time.

Promises
- A row that cannot be read is an error with its line and field, not a row without a label.
- `real` is a fault. `unclear` and `maintenance` are neither a fault nor normal running: they are
  left out. `false` is normal running.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.api.alarms import Verdict
from gateway.api.contracts import ConfigError
from gateway.api.model import Bools, Nanos, Times
from gateway.core.alarms.labels import COLUMNS, MAINTENANCE

Span = tuple[Nanos, Nanos]
"""From a time to another, both included, ns."""
FOREVER: Nanos = 2**62
"""The end of an interval without one."""
SUFFIX = ".csv"
LEFT_OUT = (Verdict.UNCLEAR.value, MAINTENANCE)
KNOWN = (*(each.value for each in Verdict), MAINTENANCE)
_NEEDED = ("start", "end", "verdict")
_EPOCH = datetime.fromtimestamp(0, UTC)


class Intervals(NamedTuple):
    """The faults, and what is neither a fault nor normal running."""

    faults: Sequence[Span] = ()
    left_out: Sequence[Span] = ()

    @property
    def all(self) -> Sequence[Span]:
        return (*self.faults, *self.left_out)


NO_INTERVALS = Intervals()


def is_file_of_labels(labels: str | None) -> bool:
    """Whether labels are given as a file, not as a column of the data."""
    return labels is not None and labels.lower().endswith(SUFFIX)


def read_labels(path: Path) -> Intervals:
    """Reads a file of labels; ConfigError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
            if missing:
                raise ConfigError(
                    f"{path} has no column {missing[0]}: labels have the columns "
                    f"{', '.join(COLUMNS)}, as `andon alarms LINE.yaml labels` writes them"
                )
            read = [_row(path, rows.line_num, row) for row in rows]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a CSV file: {error}") from error
    faults = tuple(span for verdict, span in read if verdict == Verdict.REAL)
    return Intervals(faults, tuple(span for verdict, span in read if verdict in LEFT_OUT))


def _row(path: Path, line: int, row: Mapping[str, str | None]) -> tuple[str, Span]:
    verdict = (row["verdict"] or "").strip()
    if verdict not in KNOWN:
        raise ConfigError(
            f"{path}, line {line}, verdict: must be one of {', '.join(KNOWN)}, not {verdict!r}"
        )
    start = _time(path, line, "start", row["start"])
    end = _time(path, line, "end", row["end"]) if (row["end"] or "").strip() else FOREVER
    if end < start:
        raise ConfigError(f"{path}, line {line}, end: lies before its start")
    return verdict, (start, end)


def _time(path: Path, line: int, field: str, text: str | None) -> Nanos:
    try:
        at = datetime.fromisoformat((text or "").strip())
    except ValueError as error:
        raise ConfigError(
            f"{path}, line {line}, {field}: must be a time as in 2026-01-31T12:00:00Z, not {text!r}"
        ) from error
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1) * 1_000


def overlapping(spans: Sequence[Span], start: Times, end: Times) -> Bools:
    """Bool[n]: whether any span meets the stretch after `start`, up to and with `end`, int64 ns."""
    found = np.zeros(len(end), dtype=np.bool_)
    for first, last in spans:
        found |= (first <= end) & (last > start)
    return found


def within(spans: Sequence[Span], times: Times) -> Bools:
    """Bool[n]: whether any span holds the time, int64 ns."""
    return overlapping(spans, times - 1, times)
