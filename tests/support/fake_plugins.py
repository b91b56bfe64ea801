"""Plugins in memory that keep every contract, each with its harness.

Some are the fakes of other tests, built as the gateway builds a plugin.
"""

import asyncio
import contextlib
import time
from typing import Annotated, Literal

import numpy as np
from fakes import LastValue, ScriptedConnector, tag
from pydantic import Field

from gateway.api.alarms import Alarm
from gateway.api.contracts import ConfigError, SinkRejected, SinkUnavailable, SourceLost
from gateway.api.model import SECOND, Kind, Probe, Quality, SampleBatch, Score, WindowSpec
from gateway.api.options import Name, Strict, TagOptions
from gateway.api.testing import ConnectorHarness, DetectorHarness, SinkHarness

# A connector -------------------------------------------------------------------------------------


class ScriptOptions(Strict):
    type: Literal["script"]
    tags: Annotated[dict[Name, TagOptions], Field(min_length=1)]


class ScriptHarness(ConnectorHarness):
    """A source in memory: what is published is the script of the connectors that read it."""

    options = {
        "type": "script",
        "tags": {
            "speed": {"unit": "rpm", "low": 0, "high": 3600, "period": "200ms"},
            "flow": {"unit": "m3/h", "low": 0, "high": 120},
            "valve": {"enumeration": {"shut": 0, "open": 1}},
            "pump": {"enumeration": {"stopped": 0, "running": 1}, "description": "P-101"},
        },
    }

    def __init__(self):
        self.is_up, self._readers = False, []

    async def start(self):
        self.is_up = True

    async def stop(self):
        self.is_up = False
        self._send(SourceLost("the script is over"))

    async def publish(self, at, readings):
        value = np.array([readings[name] for name in self.options["tags"]])
        self._send(
            SampleBatch(
                np.arange(len(value), dtype=np.int32),
                np.full(len(value), at, dtype=np.int64),
                value,
                np.where(np.isnan(value), Quality.BAD, Quality.GOOD).astype(np.uint8),
            )
        )

    def _send(self, step):
        for reader in self._readers:
            reader.put_nowait(step)

    def sessions(self):
        """What a connector may play now: all that is published from here on."""
        return [self._session()] if self.is_up else []

    async def _session(self):
        steps = asyncio.Queue()
        self._readers.append(steps)
        while True:
            yield await steps.get()

    def plugin(self):
        """A connector that reads this source."""
        return type("ScriptPlugin", (_Script,), {"harness": self, "__module__": __name__})


class UntimedHarness(ScriptHarness):
    """A source that says no time: a sample's is that of its reading."""

    has_time = False

    async def publish(self, at, readings):
        await super().publish(time.time_ns(), readings)


class _Script(ScriptedConnector):
    Options = ScriptOptions

    def __init__(self, name, options, tags, places):
        super().__init__()
        self.tags, self.places = tags, places

    @classmethod
    def declared_tags(cls, name, options):
        return [given.as_tag(key, name, SECOND) for key, given in options.tags.items()]

    def open(self):
        self.sessions = self.harness.sessions()
        return super().open()

    async def probe(self):
        said = "the script is there" if self.harness.is_up else "the script is over"
        return Probe(ok=self.harness.is_up, message=said)


# Detectors ---------------------------------------------------------------------------------------


class LastValueOptions(Strict):
    type: Literal["last_value"]
    tag: Name


class LastValuePlugin(LastValue):
    Options = LastValueOptions

    def __init__(self, name, options, tags, places):
        if options.tag not in tags:
            raise ConfigError(f"detector {name}: no tag {options.tag!r}")
        super().__init__(options.tag)


class LastValueHarness(DetectorHarness):
    options = {"type": "last_value", "tag": "flow"}
    tags = (tag("flow"), tag("level"))

    def plugin(self):
        return LastValuePlugin


class SquaresOptions(Strict):
    type: Literal["squares"]
    tags: list[Name]


class SquaresPlugin:
    """The sum of the squares of each tag's last value, and beside it an alarm for each tag."""

    Options = SquaresOptions

    def __init__(self, name, options, tags, places):
        for each in options.tags:
            if each not in tags:
                raise ConfigError(f"detector {name}: no tag {each!r}")
        names = tuple(options.tags)
        self.spec = WindowSpec(names, SECOND, 3)
        self.alarms = [Alarm("sum", 100.0), *(Alarm(f"{n}.high", 10.0, tag=n) for n in names)]

    def score(self, windows):
        return [self._score(window) for window in windows]

    def _score(self, window):
        last = window.values[-1]
        squares = last**2
        gone = [n for n, value in zip(self.spec.tags, last, strict=True) if np.isnan(value)]
        return Score(
            window.end,
            np.array([squares.sum(), *last]),
            window.coverage,
            contribution=squares,
            actual=last.copy(),
            blind=f"no data for {', '.join(gone)}" if gone else "",
        )


class SquaresHarness(DetectorHarness):
    options = {"type": "squares", "tags": ["flow", "level", "speed"]}
    tags = (tag("speed"), tag("level"), tag("flow"))

    def plugin(self):
        return SquaresPlugin


# A sink ------------------------------------------------------------------------------------------


class MemoryOptions(Strict):
    type: Literal["memory"]


class MemoryHarness(SinkHarness):
    """A far end in memory."""

    options = {"type": "memory"}
    refused = b"poison"

    def __init__(self):
        self.is_up, self.bodies = False, []

    async def start(self):
        self.is_up = True

    async def stop(self):
        self.is_up = False

    async def stored(self):
        return self.bodies

    def plugin(self):
        """A sink that writes there."""
        return type("MemoryPlugin", (_Memory,), {"harness": self, "__module__": __name__})


class _Memory:
    Options = MemoryOptions
    accepts = frozenset({Kind.ALERT, Kind.SUMMARY})
    harness = None

    def __init__(self, name, options, places):
        self.places = places

    @contextlib.asynccontextmanager
    async def open(self):
        yield

    async def write(self, batch):
        if not self.harness.is_up:
            raise SinkUnavailable("the far end is away")
        refused = [n for n, each in enumerate(batch) if each.body == self.harness.refused]
        taken = [each.body for n, each in enumerate(batch) if n not in refused]
        self.harness.bodies += taken
        if refused:
            raise SinkRejected(refused, "poison")
        return sum(map(len, taken))

    async def probe(self):
        return Probe(ok=self.harness.is_up, message="there" if self.harness.is_up else "away")
