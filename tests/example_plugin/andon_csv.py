"""A connector that follows a CSV file, to which another program appends rows.

The first row names the columns. A row counts once its line break is there.
"""

import asyncio
import csv
import math
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TextIO

import numpy as np
from pydantic import Field

from gateway.api.contracts import ConfigError, Places, SourceLost
from gateway.api.model import SECOND, Nanos, Probe, Quality, SampleBatch, Tag
from gateway.api.options import Name, PositiveDuration, Strict, TagOptions

EPOCH = datetime.fromtimestamp(0, UTC)


class CsvTag(TagOptions):
    """One column of the file."""

    column: str
    """Its name in the first row."""


class CsvOptions(Strict):
    """A CSV file to which another program appends rows."""

    type: Literal["csv"]
    path: str
    """The file, relative to the line file."""
    time: str = "time"
    """The column with the time of a row, as in 2026-01-31T12:00:00Z; UTC if it names no zone."""
    period: PositiveDuration = SECOND
    """How often a row is appended."""
    tags: Annotated[dict[Name, CsvTag], Field(min_length=1)]
    """What to read, by name."""


class CsvConnector:
    """Reads the last row when it opens the file, then every row that is appended."""

    Options = CsvOptions

    def __init__(self, name: str, options: CsvOptions, tags: Sequence[Tag], places: Places) -> None:
        self.path, self.options = places.config / options.path, options

    @classmethod
    def declared_tags(cls, name: str, options: CsvOptions) -> Sequence[Tag]:
        """The tags in the order of the line file, with their units and bounds."""
        return [tag.as_tag(key, name, options.period) for key, tag in options.tags.items()]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """The file, until the session is left; SourceLost, or ConfigError for a wrong column."""
        try:
            file = self.path.open(newline="")
        except OSError as error:
            raise SourceLost(f"{self.path}: {error.strerror}") from error
        with file:
            columns = self._columns(file.readline())
            yield self._batches(file, columns)

    async def probe(self) -> Probe:
        """Whether the file is there and has the columns."""
        try:
            async with self.open():
                return Probe(ok=True, message=f"{self.path} has every column")
        except (SourceLost, ConfigError) as error:
            return Probe(ok=False, message=str(error))

    def _columns(self, header: str) -> list[int]:
        """Where the time and the value of each tag are in a row."""
        if not header.endswith("\n"):
            raise SourceLost(f"{self.path} has no first row yet")
        names = next(csv.reader([header]))
        wanted = [self.options.time, *(tag.column for tag in self.options.tags.values())]
        for name in wanted:
            if name not in names:
                raise ConfigError(f"{self.path} has no column {name!r}: it has {', '.join(names)}")
        return [names.index(name) for name in wanted]

    async def _batches(self, file: TextIO, columns: list[int]) -> AsyncIterator[SampleBatch]:
        text = "".join(deque(file, maxlen=1))  # the last row, perhaps without its end
        while True:
            if text.endswith("\n"):
                yield to_batch(next(csv.reader([text])), columns)
                text = ""
            elif more := file.readline():
                text += more
            else:
                self._check_that_it_is_there(file)
                await asyncio.sleep(min(0.1, self.options.period / SECOND))

    def _check_that_it_is_there(self, file: TextIO) -> None:
        ours = os.fstat(file.fileno())
        try:
            there = self.path.stat()
        except OSError as error:
            raise SourceLost(f"{self.path}: {error.strerror}") from error
        if there.st_ino != ours.st_ino or there.st_size < file.tell():
            raise SourceLost(f"{self.path} was replaced")


def to_batch(row: list[str], columns: list[int]) -> SampleBatch:
    """One sample of each tag, with the time of the row."""
    cells = [row[column] if column < len(row) else "" for column in columns]
    at, value = to_time(cells[0]), np.array([to_number(cell) for cell in cells[1:]])
    if at is None:  # a value without its time is of no use
        at, value = time.time_ns(), np.full(len(value), math.nan)
    return SampleBatch(
        tag=np.arange(len(value), dtype=np.int32),
        at=np.full(len(value), at, dtype=np.int64),
        value=value,
        quality=np.where(np.isnan(value), Quality.BAD, Quality.GOOD).astype(np.uint8),
    )


def to_number(cell: str) -> float:
    """The value of a cell; NaN, which is a bad sample, where it is not a finite number."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def to_time(cell: str) -> Nanos | None:
    """The time in a cell, in ns since 1970."""
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return since // timedelta(microseconds=1) * 1000
