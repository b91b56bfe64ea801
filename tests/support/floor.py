"""A daemon whose floor is pulled away again and again, and what it is held to."""

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import datetime

from limited_daemon import MOST_RSS, limited_daemon
from modbus_plc import serving
from patience import PATIENCE
from pulled_floor import clear, untouched

from gateway.api import line_protocol
from gateway.api.model import Kind
from gateway.buffer.store import Store

NOTICED_S = 3.0
"""A heartbeat of two seconds, and a machine that is slow."""
AT_ONCE_S = 0.3
"""What was stored before the deed may be announced as long after it."""
LINE = """
version: 1
line: seesaw
site: here
state: {state}
health: {{port: 0}}
summaries: {{every: 1s}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 250ms
    tags:
      level: {{address: 0}}
detectors:
  guard:
    type: limits
    period: 500ms
    on_delay: 0s
    off_delay: 0s
    tags:
      # It chatters, and so stays active; each announcement is stored like the first.
      level: {{high: 50, realarm_after: 1s}}
sinks:
  local:
    type: file
    path: sub/points.jsonl
  kept:
    type: file
    path: {kept}
history:
  flush: 1s
"""


@contextlib.asynccontextmanager
async def seesaw():
    """The port of a Modbus device whose level is too high in every other second."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    async def refresh(_function, _first, _address, _count, registers, _set):
        registers[0] = 100 * (int(time.time()) % 2)

    data = SimData(0, count=1, values=0, datatype=DataType.REGISTERS)
    async with serving(SimDevice(1, simdata=[data], action=refresh)) as plc:
        yield plc.port


def line_file(folder, port, state="state"):
    """A line file that reads that device."""
    file = folder / "line.yaml"
    file.write_text(LINE.format(port=port, state=state, kept=folder / "kept.jsonl"))
    return file


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
    """The daemon, its state folder and its port."""

    def __init__(self, daemon, state, port):
        self.daemon, self.state, self.port = daemon, state, port
        self.folder = daemon.file.parent
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
        if not self.is_damaged:
            # What was lost is a fault until a person has taken note of it.
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
            for row in map(json.loads, (self.folder / "kept.jsonl").read_text().splitlines())
            if row["measurement"] == "andon_alert"
        }
        announced = {
            (e["id"], e["event"].removeprefix("alert."))
            for e in self.daemon.events
            if e["event"].startswith("alert.")
        }
        assert len(announced) > 2
        assert self.is_damaged or (announced - set(stored) - sent, lost) == (set(), 0)


async def outlive(folder, port, deeds, state="state"):
    """One daemon that outlives all of these; what did not come of which, as it should."""
    wrong = []
    folder.mkdir(exist_ok=True)
    async with limited_daemon(line_file(folder, port, state), state=folder / state) as daemon:
        facts = await daemon.until(lambda f: f["counters"]["alerts_raised"] >= 2)
        floor = Floor(daemon, folder / state, facts["http_port"])
        # Starting several at once is no part of this.
        late_before = await daemon.late_ticks()
        for name, deed in deeds.items():
            try:
                await floor.outlives(deed)
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
                break
        assert daemon.rss < MOST_RSS
        late = await daemon.late_ticks() - late_before
        wrong += [f"{late} ticks were late"] if late > 0 else []
        daemon.process.kill()
        await daemon.process.wait()
        floor.keeps_its_word()
    wrong += ["a traceback"] if "Traceback" in daemon.log else []
    return wrong
