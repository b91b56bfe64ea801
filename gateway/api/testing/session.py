"""A session of a connector, read as the gateway reads it and compared with what was published.

The bounds of the declared tags are applied to every batch, as the gateway does.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np
import pytest

from gateway.api.bounds import Bounds
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality, SampleBatch, Tag
from gateway.api.testing.source import CLOCK_SLACK, FilledSource, Published, Received, iso, same


class ComparedSession:
    """An open session whose every sample must be explained by what was published."""

    def __init__(
        self,
        batches: AsyncIterator[SampleBatch],
        declared: Sequence[Tag],
        source: FilledSource,
        within: float,
    ) -> None:
        self._batches, self._source, self._within = batches, source, within
        self._names = [tag.name for tag in declared]
        self._bounds = Bounds(declared)
        self.samples: list[Received] = []

    async def until_seen(self, published: Published) -> None:
        """Read until every changed value of this reading has arrived."""
        tags = self._source.changed(published)
        await self._until(lambda: [tag for tag in tags if not self._has_seen(tag, published)])

    async def until_all_are_good(self) -> None:
        """Read until every tag has had a good sample."""
        await self._until(lambda: [name for name in self._names if not self._is_good(name)])

    async def _until(self, missing: Callable[[], list[str]]) -> None:
        limit = asyncio.timeout(self._within)
        try:
            async with limit:
                while missing():
                    self.take(await anext(self._batches))
        except TimeoutError:
            if not limit.expired():
                raise
            pytest.fail("\n".join(self._why_missing(tag) for tag in missing()))
        except StopAsyncIteration:
            pytest.fail("the session ended: it goes on until SourceLost or until it is left")

    def _has_seen(self, tag: str, published: Published) -> bool:
        since = [each for each in self.samples if each.arrived >= published.since]
        return any(each.tag == tag and self._is(each, published) for each in since)

    def _is(self, sample: Received, published: Published) -> bool:
        """Whether a sample is this reading's, and not merely explained by it."""
        wanted, source = published.expected[sample.tag], self._source
        if math.isnan(wanted):
            # A reading without a value may be without a time as well.
            return sample.quality == Quality.BAD and source.could_be(sample, published)
        has_its_time = source.is_at_its_time if source.harness.has_time else source.could_be
        return (
            sample.quality == Quality.GOOD
            and same(sample.value, wanted)
            and has_its_time(sample, published)
        )

    def _is_good(self, tag: str) -> bool:
        return any(each.tag == tag and each.quality == Quality.GOOD for each in self.samples)

    def _why_missing(self, tag: str) -> str:
        published = self._source.history[-1]
        last = [str(each) for each in self.samples if each.tag == tag][-3:]
        return (
            f"{tag}: {published.shown(tag)} was published at {iso(published.at)} and did "
            f"not arrive within {self._within:g} s; last samples: {'; '.join(last) or 'none'}"
            f"{self._time_hint(tag, published)}"
        )

    def _time_hint(self, tag: str, published: Published) -> str:
        """What to do if only the time of a sample was wrong: it is that of its arrival."""
        came = any(
            same(each.value, published.expected[tag]) and abs(each.at - each.arrived) <= CLOCK_SLACK
            for each in self.samples
            if each.tag == tag and each.arrived >= published.since
        )
        if not (came and self._source.harness.has_time):
            return ""
        return (
            "; the value came with the time at which it was read: give it the reading's own time, "
            "or set `has_time = False` in the harness if the source says no times"
        )

    def take(self, batch: SampleBatch) -> None:
        """Check a batch and compare each of its samples."""
        check_columns(batch, len(self._names))
        batch, arrived = self._bounds.apply(batch), time.time_ns()
        for tag, at, value, quality in zip(
            batch.tag.tolist(), batch.at.tolist(), batch.value.tolist(), batch.quality, strict=True
        ):
            sample = Received(self._names[tag], at, value, Quality(int(quality)), arrived)
            self.samples.append(sample)
            if why := self._source.why_wrong(sample):
                pytest.fail(f"{sample.tag} was read as {sample}, but {why}")

    async def until_lost(self) -> None:
        """Read until SourceLost."""
        with pytest.raises(SourceLost, match=r"\w"):
            await self._read_on(asyncio.timeout(self._within))

    async def _read_on(self, limit: asyncio.Timeout) -> None:
        try:
            async with limit:
                async for batch in self._batches:
                    self.take(batch)
        except TimeoutError:
            if not limit.expired():
                raise
            pytest.fail(f"the source stopped, and no SourceLost came within {self._within:g} s")


def check_columns(batch: SampleBatch, tags: int) -> None:
    """Columns of equal length and of the types of `SampleBatch`, and NaN where a sample is bad."""
    columns = (batch.tag, batch.at, batch.value, batch.quality)
    assert [column.dtype for column in columns] == [np.int32, np.int64, np.float64, np.uint8]
    assert {column.shape for column in columns} == {(len(batch),)}
    assert ((batch.tag >= 0) & (batch.tag < tags)).all(), "an index of a tag that is not declared"
    assert np.isin(batch.quality, list(Quality)).all()
    assert np.array_equal(np.isnan(batch.value), batch.quality == Quality.BAD), (
        "a bad sample has the value NaN, and no other has"
    )
    assert batch.wire_bytes >= 0
    assert batch.lost >= 0
