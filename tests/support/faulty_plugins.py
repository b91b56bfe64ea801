"""Plugins that hang or fail on demand, in a real daemon, and the daemon's own parts likewise.

The folder $ANDON_FAULTS has a file for each fault: its name says where, its content how. A fault
lasts as long as its file, and `until(fault)` of the test takes it away:

wait     it awaits for ever (where the code is not async: its thread blocks)
thread   it awaits a thread that blocks
block    it blocks the event loop, as code that is not async does
fail     it raises what no contract allows
away     it raises the error of its contract, at once and again and again
ends     it returns at once
slow     it takes 0.5 s for each step, and says that it makes progress

$ANDON_WAIT_LIMITS holds shorter limits as JSON, so that a test need not wait for half a minute.
"""

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from gateway.api.alarms import Alarm
from gateway.api.contracts import SinkUnavailable, SourceLost
from gateway.api.going_on import made_progress
from gateway.api.model import SECOND, Kind, Probe, SampleBatch, Score, WindowSpec
from gateway.api.options import Name, Strict, TagOptions
from gateway.core import wait_limits

# Before any part of the daemon that uses them is imported.
for _name, _seconds in json.loads(os.environ.get("ANDON_WAIT_LIMITS", "{}")).items():
    setattr(wait_limits, _name, _seconds)

FOLDER = Path(os.environ.get("ANDON_FAULTS", "/nonexistent"))
LOOK_S = 0.02


def asked(where):
    """How it is to fail there now; empty if it is not."""
    try:
        return (FOLDER / where).read_text()
    except FileNotFoundError:
        return ""


def hold(where):
    """Blocks the thread that calls it for as long as the fault lasts."""
    while asked(where):
        time.sleep(LOOK_S)


async def meet(where, away):
    """The fault that is asked for there, in code that is async; whether it is to end."""
    how = asked(where)
    if how == "wait":
        while asked(where):
            await asyncio.sleep(LOOK_S)
    elif how == "thread":
        await asyncio.to_thread(hold, where)
    elif how == "slow":
        for _ in range(1 if away is SourceLost else 6):
            await asyncio.sleep(0.5)
            made_progress()
    elif how == "away":
        raise away(f"{where} is away")
    else:
        meet_in_thread(where)
    return how == "ends"


def meet_in_thread(where):
    """The same in code that is not async."""
    how = asked(where)
    if how in ("wait", "block"):
        hold(where)
    elif how == "slow":
        time.sleep(0.5)
    elif how == "fail":
        raise RuntimeError(f"a bug in {where}")


# Plugins -----------------------------------------------------------------------------------------


class SourceOptions(Strict):
    """A source in memory: each tag has a new value every 0.2 s."""

    type: Literal["faulty"]
    tags: Annotated[dict[Name, TagOptions], Field(min_length=1)]


class FaultySource:
    Options = SourceOptions

    def __init__(self, name, options, tags, places):
        self._name, self._count = name, len(tags)

    @classmethod
    def declared_tags(cls, name, options):
        return [given.as_tag(key, name, SECOND) for key, given in options.tags.items()]

    @contextlib.asynccontextmanager
    async def open(self):
        if await meet(f"{self._name}.open", SourceLost):
            raise SourceLost(f"{self._name} is over")
        yield self._batches()

    async def _batches(self):
        if await meet(f"{self._name}.first", SourceLost):
            return
        while True:
            at = np.full(self._count, time.time_ns(), dtype=np.int64)
            tag, value = np.arange(self._count, dtype=np.int32), np.ones(self._count)
            yield SampleBatch(tag, at, value, np.zeros(self._count, dtype=np.uint8))
            await asyncio.sleep(0.2)
            if asked(f"{self._name}.open") or asked(f"{self._name}.first"):
                raise SourceLost(f"{self._name} is opened again")
            if await meet(f"{self._name}.next", SourceLost):
                return

    async def probe(self):
        return Probe(ok=True, message="there")


class DetectorOptions(Strict):
    """The last value of a tag."""

    type: Literal["faulty"]
    tag: Name


class FaultyDetector:
    Options = DetectorOptions

    def __init__(self, name, options, tags, places):
        self._name = name
        self.spec = WindowSpec((options.tag,), SECOND, 1)
        self.alarms = [Alarm("high", 10.0)]

    def score(self, windows):
        meet_in_thread(f"{self._name}.score")
        return [
            Score(w.end, w.values[-1], w.coverage, blind="" if w.coverage else "no data")
            for w in windows
        ]


class SinkOptions(Strict):
    """A sink that keeps nothing."""

    type: Literal["faulty"]


class FaultySink:
    Options = SinkOptions
    accepts = frozenset(Kind)

    def __init__(self, name, options, places):
        self._name = name

    @contextlib.asynccontextmanager
    async def open(self):
        await meet(f"{self._name}.open", SinkUnavailable)
        yield

    async def write(self, batch):
        await meet(f"{self._name}.write", SinkUnavailable)
        return len(batch)

    async def probe(self):
        return Probe(ok=True, message="there")


class PingedOptions(Strict):
    """A sink with a connection that is tried while it is idle, and that takes alerts alone."""

    type: Literal["pinged"]


class PingedSink(FaultySink):
    Options = PingedOptions
    accepts = frozenset({Kind.ALERT})
    ping_every = 0.3

    async def ping(self):
        await meet(f"{self._name}.ping", SinkUnavailable)


ENTRY_POINTS = """
[andon.connectors]
faulty = faulty_plugins:FaultySource
[andon.detectors]
faulty = faulty_plugins:FaultyDetector
[andon.sinks]
faulty = faulty_plugins:FaultySink
pinged = faulty_plugins:PingedSink
"""


def install(folder):
    """The folders for PYTHONPATH with which a daemon finds these plugins, as if installed."""
    distribution = folder / "faulty_plugins-1.0.dist-info"
    distribution.mkdir(parents=True)
    facts = "Metadata-Version: 2.1\nName: faulty-plugins\nVersion: 1.0\n"
    (distribution / "METADATA").write_text(facts)
    (distribution / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(folder), str(Path(__file__).parent)])


# The daemon's own parts --------------------------------------------------------------------------


def _let_fail(kind, method, where):
    """Each call of this method meets the fault of `where` first, as on a disk that hangs."""
    original = getattr(kind, method)

    def meeting(self, *args, **kwargs):
        meet_in_thread(where)
        return original(self, *args, **kwargs)

    meeting.__name__ = method
    setattr(kind, method, meeting)


if "ANDON_FAULTS" in os.environ:
    from gateway.buffer.store import Store
    from gateway.history.archive import Archive
    from gateway.line.line import Line
    from gateway.line.window_store import WindowStore

    for _method in ("append", "lease", "ack", "maintain", "stats"):
        _let_fail(Store, _method, f"buffer.{_method}")
    _let_fail(Archive, "store", "history.store")
    _let_fail(Line, "_take_in", "line.tick")
    _let_fail(WindowStore, "save", "windows.save")
