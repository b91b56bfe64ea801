"""The state folder pulled away under the running daemon, in each way and with each of its files.

Nothing is announced that is not durable: an alert that the log shows is found by the next start.
"""

import asyncio
import contextlib
import json
import os
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import datetime

import pytest
from full_disk import LINE
from limited_daemon import MOST_RSS, limited_daemon
from patience import PATIENCE
from pulled_floor import clear, every_deed, untouched

from gateway.api import line_protocol
from gateway.api.model import Kind
from gateway.buffer.store import Store
from gateway.demo.processes import PlantProcess

NOTICED_S = 3.0
"""A heartbeat of two seconds, and a machine that is slow."""
AT_ONCE_S = 0.3
"""What was stored before the deed may be announced as long after it."""
SINKS = """
sinks:
  local:
    type: file
  kept:
    type: file
    path: {kept}
history:
  flush: 1s
"""
DEEDS = every_deed()
IN_CI = (
    "the state folder is removed",
    "buffer.db is replaced by a link elsewhere",
    "history is removed",
    "the state folder is replaced by a link elsewhere",
    "lock is removed",
    "windows.dat is replaced by a link",
    "buffer.db-wal is removed",
    "points.jsonl is replaced by a link",
    "the state folder is opened to all",
    "the state folder is moved away and back",
    "control.sock is removed",
    "buffer.db is truncated",
)
IS_LONG = os.environ.get("ANDON_HOSTILE") == "long"
LANES = 4


def test_there_are_enough_of_them():
    assert len(DEEDS) >= 50
    assert set(IN_CI) <= set(DEEDS)


def ready(port):
    """The status of /readyz and its body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def until(fits, what):
    """Waits until `fits()` returns something, and returns that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await asyncio.to_thread(fits)
                if found:
                    return found
                await asyncio.sleep(0.1)
    raise AssertionError(f"{what} never came")


def at(entry):
    return datetime.fromisoformat(entry["timestamp"]).timestamp()


class Floor:
    """A daemon whose floor is pulled away again and again."""

    def __init__(self, daemon, port):
        self.daemon, self.port = daemon, port
        self.folder = daemon.file.parent
        self.state = self.folder / "state"
        self.is_damaged = False

    def since(self, start, *events):
        """The log's entries of these events since that time."""
        entries = [e for e in self.daemon.events if at(e) >= start]
        return [e for e in entries if e["event"].startswith(events)]

    async def announces(self):
        now = time.time()
        await until(lambda: self.since(now, "alert."), f"an alert\n{self.daemon.log[-2000:]}")

    async def is_ready(self, code=200):
        def looked():
            status, body = ready(self.port)
            return body if status == code else ""

        return await until(looked, f"{code}\n{ready(self.port)}\n{self.daemon.log[-2000:]}")

    async def outlives(self, deed):
        """Does it, and checks what comes of it."""
        await self.announces()
        start = time.time()
        await asyncio.to_thread(deed.do, self.state)
        match deed.outcome:
            case "put back" | "back" | "waits":
                await self.is_noticed(deed, start)
            case "said":
                await until(lambda: "state folder" in ready(self.port)[1], "a word of the folder")
                assert ready(self.port)[0] == 503
                await self.announces()
            case "mended":
                await self.announces()
                await asyncio.sleep(NOTICED_S)
            case "damaged":
                await until(lambda: self.since(start, "buffer.damaged"), "the damage")
                self.is_damaged = True
        if deed.undo is not None:
            await asyncio.to_thread(deed.undo, self.state)
        if deed.outcome in ("put back", "back", "waits"):
            await self.is_silent_until_back(start)
        await self.announces()
        await self.is_ready()
        assert untouched(self.folder)
        clear(self.folder)

    async def is_noticed(self, deed, start):
        found = await until(
            lambda: self.since(start, "buffer.misplaced"), f"a word\n{self.daemon.log[-2000:]}"
        )
        assert at(found[0]) - start < NOTICED_S
        if deed.outcome == "back":
            return
        await until(lambda: deed.named in ready(self.port)[1], f"a word of {deed.named}")
        if deed.outcome == "waits":
            # Longer than it takes to put the buffer back where nothing is in the way.
            await asyncio.sleep(6)
            assert not self.since(start, "buffer.put_back", "buffer.in_place")
            assert ready(self.port)[0] == 503

    async def is_silent_until_back(self, start):
        await until(lambda: self.since(start, "buffer.in_place"), "its place")
        said = [e["event"] for e in self.since(start + AT_ONCE_S, "alert.", "buffer.in_place")]
        assert said[0] == "buffer.in_place", self.daemon.log[-3000:]
        assert len(self.since(start, "buffer.misplaced")) == 1

    def keeps_its_word(self):
        """After kill -9: what was announced is in the buffer, once, or in the sinks."""
        path = self.state / "buffer.db"
        sinks = {"local": frozenset(Kind), "kept": frozenset(Kind)}
        with closing(Store(path, 10**9, sinks, time.time_ns)) as store:
            rows = store._contents.rows[Kind.ALERT].between(0, 10**9).sound
            lost = store.dropped.total()
        points = [line_protocol.decode(row.body).fields for row in rows]
        stored = [(point["id"], point["transition"]) for point in points]
        assert len(set(stored)) == len(stored)
        sent = {
            (row["fields"]["id"], row["fields"]["transition"])
            for row in map(json.loads, (self.folder / "kept.jsonl").open())
            if row["measurement"] == "andon_alert"
        }
        announced = {
            (e["id"], e["event"].removeprefix("alert."))
            for e in self.daemon.events
            if e["event"].startswith("alert.")
        }
        assert len(announced) > 2
        assert self.is_damaged or (announced - set(stored) - sent, lost) == (set(), 0)


@pytest.fixture
async def plant():
    async with PlantProcess.started(7) as process:
        yield (await process.event("ready"))["modbus"]


@pytest.mark.timeout(900)
async def test_nothing_is_announced_that_is_not_durable(tmp_path, plant):
    names = [name for name in (DEEDS if IS_LONG else IN_CI) if os.environ.get("ONLY", "") in name]
    # What damages the buffer comes last: then the rest has a buffer that must lack nothing.
    names.sort(key=lambda name: DEEDS[name].outcome == "damaged")
    lanes = [names[lane::LANES] for lane in range(LANES)]
    work = [outlive(tmp_path / str(n), plant, lane) for n, lane in enumerate(lanes)]
    assert [each for found in await asyncio.gather(*work) for each in found] == []


async def outlive(folder, plant, names):
    """One daemon that outlives all of these; what did not come of which, as it should."""
    wrong = []
    folder.mkdir()
    file = folder / "line.yaml"
    text, _ = LINE.split("sinks:")
    file.write_text(text.format(port=plant) + SINKS.format(kept=folder / "kept.jsonl"))
    async with limited_daemon(file) as daemon:
        facts = await daemon.until(lambda f: f["counters"]["alerts_raised"] >= 2)
        floor = Floor(daemon, facts["http_port"])
        for name in names:
            try:
                await floor.outlives(DEEDS[name])
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
                break
        assert daemon.rss < MOST_RSS
        late = await daemon.late_ticks()
        wrong += [f"{late} ticks were late"] if late else []
        daemon.process.kill()
        await daemon.process.wait()
        floor.keeps_its_word()
    wrong += ["a traceback"] if "Traceback" in daemon.log else []
    return wrong
