"""A source that a suite fills, and whether a sample is what was published there."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.api.model import SECOND, Nanos, Quality, Tag
from gateway.api.options import TagOptions
from gateway.api.testing.harnesses import ConnectorHarness
from gateway.api.testing.readings import Values, readings_of

CLOCK_SLACK: Nanos = 5 * SECOND
"""How far the time of a sample may be outside of the time in which its value could be read."""
_MILLISECOND: Nanos = 1_000_000
_MOST_READINGS = 30
"""The time of the first one is this many periods ago."""


class Published(NamedTuple):
    """One reading: its time, what was asked of the harness, what a reader must get, and when."""

    at: Nanos
    asked: Values
    expected: Values
    since: Nanos

    def shown(self, tag: str) -> str:
        """What a reader must get, for people."""
        if not math.isnan(self.expected[tag]):
            return f"{self.expected[tag]:.10g}"
        if math.isnan(self.asked[tag]):
            return "no value"
        return f"{self.asked[tag]:.10g} (out of bounds, so bad)"


class Received(NamedTuple):
    """One sample, and when it arrived."""

    tag: str
    at: Nanos
    value: float
    quality: Quality
    arrived: Nanos

    def __str__(self) -> str:
        return f"{self.value:.10g} ({self.quality.name.lower()}) at {iso(self.at)}"


class FilledSource:
    """The harness's source, and all that was published to it, oldest first.

    `tags` are as the line file says. The times of readings are a period apart, all in the past, so
    that the time of arrival is never right by chance.
    """

    def __init__(self, harness: ConnectorHarness, tags: Sequence[Tag]) -> None:
        self.harness, self.tags = harness, {tag.name: tag for tag in tags}
        self.history: list[Published] = []
        self._step = max(tag.period for tag in tags)
        first = time.time_ns() - _MOST_READINGS * self._step
        self._first = first - first % _MILLISECOND

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FilledSource"]:
        """Started; stopped at the end."""
        await self.harness.start()
        try:
            yield self
        finally:
            await self.harness.stop()

    def readings(self) -> list[Values]:
        """Readings within the bounds that tell the tags apart."""
        return readings_of(list(self.tags.values()))

    async def publish(self, values: Values) -> Published:
        """Show a reading."""
        at = self._first + len(self.history) * self._step
        expected = {tag: self._expected(tag, value) for tag, value in values.items()}
        published = Published(at, values, expected, time.time_ns())
        self.history.append(published)
        await self.harness.publish(at, values)
        return published

    def _expected(self, name: str, value: float) -> float:
        if math.isnan(value):
            return value
        tag, held = self.tags[name], self.harness.expect(name, value)
        low = -math.inf if tag.low is None else tag.low
        high = math.inf if tag.high is None else tag.high
        return held if low <= held <= high else math.nan

    @contextlib.asynccontextmanager
    async def repeating(self) -> AsyncIterator[None]:
        """The newest reading is shown again and again: a reader may still be about to listen."""
        is_over = asyncio.Event()
        task = asyncio.create_task(self._repeat(is_over))
        try:
            yield
        finally:
            is_over.set()
            await task

    async def _repeat(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            await self.harness.publish(self.history[-1].at, self.history[-1].asked)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), 0.2)

    def changed(self, published: Published) -> list[str]:
        """The tags whose value is not that of the reading before: those that must arrive."""
        index = self.history.index(published)
        before = self.history[index - 1].expected if index else {}
        return [
            tag
            for tag, value in published.expected.items()
            if tag not in before or not same(value, before[tag])
        ]

    def why_wrong(self, sample: Received) -> str:
        """Why no reading explains a sample; empty if one does."""
        if sample.quality == Quality.BAD:
            return ""
        readings = [each for each in self.history if self.could_be(sample, each)]
        exact = [each for each in readings if self.is_at_its_time(sample, each)]
        readings = exact or readings
        if any(same(sample.value, each.expected[sample.tag]) for each in readings):
            return ""
        if readings:
            wanted = " or ".join(each.shown(sample.tag) for each in readings)
            return f"{wanted} was published{self._whose(sample)}"
        times = [each.at for each in self.history if same(sample.value, each.expected[sample.tag])]
        if times:
            return f"its time is wrong: the value was published at {iso(times[-1])}"
        return f"neither this value nor this time was published{self._whose(sample)}"

    def could_be(self, sample: Received, published: Published) -> bool:
        """Whether the time of a sample is the reading's own, or one at which it could be read."""
        return (
            self.is_at_its_time(sample, published)
            or published.since - CLOCK_SLACK <= sample.at <= sample.arrived + CLOCK_SLACK
        )

    def is_at_its_time(self, sample: Received, published: Published) -> bool:
        """Whether the sample has the time that the source says."""
        difference = abs(sample.at - published.at)
        return self.harness.has_time and difference <= self.harness.time_resolution

    def _whose(self, sample: Received) -> str:
        owners = [
            tag
            for each in self.history
            for tag, value in each.expected.items()
            if same(sample.value, value)
        ]
        if not owners:
            return ""
        if sample.tag in owners:
            return f"; {sample.value:.10g} was its value at another time"
        return f"; {sample.value:.10g} is the value of {owners[0]}: see the order of declared_tags"


def same(one: float, other: float) -> bool:
    """Whether two values are the same but for the rounding of a float32."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def iso(at: Nanos) -> str:
    """A time for people, in UTC."""
    seconds, nanos = divmod(at, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanos // 1_000_000:03}Z"


def tags_of(given: Mapping[str, Mapping[str, Any]], source: str) -> list[Tag]:
    """The tags that a line file names, from the keys that every protocol's tags share."""
    shared = TagOptions.model_fields
    return [
        TagOptions(**{key: value for key, value in keys.items() if key in shared}).as_tag(
            name, source, SECOND
        )
        for name, keys in given.items()
    ]
