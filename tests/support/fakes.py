"""Fakes for faults that a real part will not commit. They pass the contract suites."""

import contextlib
from pathlib import Path

import numpy as np

from gateway.api.alarms import Alarm
from gateway.api.contracts import AndonError, Places, SourceLost
from gateway.api.model import SECOND, SampleBatch, Score, Tag, WindowSpec

PLACES = Places(Path(), Path())


class ScriptedConnector:
    """Plays sessions from a script: each is a list, or a stream, of batches and exceptions."""

    def __init__(self, *sessions):
        self.sessions = list(sessions)
        self.opened = 0

    @contextlib.asynccontextmanager
    async def open(self):
        self.opened += 1
        if not self.sessions:
            raise SourceLost("the script is over")
        session = self.sessions.pop(0)

        async def batches():
            async for each in session if hasattr(session, "__aiter__") else _stream(session):
                if isinstance(each, Exception):
                    raise each
                yield each

        yield batches()


async def _stream(steps):
    for each in steps:
        yield each


class LastValue:
    """A detector with one alarm: the last row's value of its first tag."""

    def __init__(self, *tags, period=SECOND, length=1, threshold=10.0, **alarm):
        self.spec = WindowSpec(tags, period, length)
        self.alarms = [Alarm("anomaly", threshold, **alarm)]
        self.calls = []

    def score(self, windows):
        self.calls.append(len(windows))
        return [self._score(window) for window in windows]

    def _score(self, window):
        value = window.values[-1, 0]
        blind = "" if np.isfinite(value) else f"no data for {self.spec.tags[0]}"
        contribution = np.zeros(len(self.spec.tags))
        contribution[0] = value
        return Score(
            window.end, np.array([value]), window.coverage, "fake@1", contribution, blind=blind
        )


class Broken(LastValue):
    """A detector that fails at every call."""

    def score(self, windows):
        raise RuntimeError("the model is broken")


class MemoryStore:
    """What a line needs of the buffer; `refuse` makes it fail as a full disk does."""

    def __init__(self):
        self.rows = []
        self.checkpoints = {}
        self.journal = []
        self.refuse = False

    async def append(self, envelopes, checkpoint=None, journal=()):
        if self.refuse:
            raise AndonError("no space left on the device")
        self.rows += list(envelopes)
        self.checkpoints |= checkpoint or {}
        self.journal += list(journal)

    async def load_checkpoint(self, name):
        return self.checkpoints.get(name)


class MemoryJournal:
    """The journal of a MemoryStore, asked as a buffer is."""

    def __init__(self, store):
        self._store = store

    async def journal(self, asked):
        found = [entry for entry in self._store.journal if asked.alarm in ("", entry.id)]
        return _Found(found[::-1][: asked.limit])


class _Found:
    """The entries that a query found."""

    def __init__(self, entries):
        self._entries = entries

    def entries(self):
        return self._entries


def batch(at, *values, first=0):
    """One sample of each of some tags, all at the same time in ns; NaN is a bad one."""
    value = np.array(values, dtype=np.float64)
    return SampleBatch(
        np.arange(first, first + len(value), dtype=np.int32),
        np.full(len(value), at, dtype=np.int64),
        value,
        np.where(np.isnan(value), 2, 0).astype(np.uint8),
        wire_bytes=8 * len(value),
    )


def tag(name, source="plc", period=SECOND, **facts):
    return Tag(name, source, period, **facts)
