"""A part that hangs or fails for ever is named within its limit, and nothing else stands still.

The parts hang in a real daemon, by plugins and by servers that are stopped in the middle. The
short run has short limits and lets many parts hang at once; the long one also has each alone.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

import faulty_plugins
import pytest
import servers
from limited_daemon import MOST_RSS, limited_daemon
from patience import PATIENCE

from gateway.demo.processes import PlantProcess

LIMITS = {
    "EVENT_LOOP_S": 1.5, "LINE_S": 3.0, "SCORING_S": 2.0, "BUFFER_S": 2.0, "SENDING_S": 2.0,
    "CONNECTING_S": 2.0, "SILENCE_S": 2.0, "HISTORY_S": 2.0, "WINDOWS_S": 2.0, "FAILING_S": 1.5,
    "PERIODS": 0,
}  # fmt: skip
LONG = os.environ.get("ANDON_HOSTILE") == "long"


@dataclass(frozen=True)
class Member:
    """A fault; `says` is how /readyz names it, and `part` the one that is stuck, if one is."""

    where: str
    how: str
    says: str
    part: str = ""
    starves: bool = False
    """Whether a restart helps, so that the watchdog is not fed."""

    def __str__(self):
        return f"{self.where} {self.how}"


def _members():
    for where, does in (("open", "connecting"), ("first", "connecting"), ("next", "waiting for")):
        for how in ("wait", "thread"):
            name = f"source-{where}-{how}"
            yield Member(f"{name}.{where}", how, f"source {name}: {does}", f"source {name}")
        for how, says in (("fail", "RuntimeError: a bug"), ("away", "source"), ("ends", "")):
            name = f"source-{where}-{how}"
            yield Member(f"{name}.{where}", how, f"source {name}: {says}")
    for where, does in (("write", "sending"), ("ping", "waiting for the server's answer")):
        for how in ("wait", "thread"):
            name = f"sink-{where}-{how}"
            yield Member(f"{name}.{where}", how, f"sink {name}: {does}", f"sink {name}")
        for how, says in (("fail", "RuntimeError: a bug"), ("away", "sink")):
            name = f"sink-{where}-{how}"
            yield Member(f"{name}.{where}", how, f"sink {name}: {says}")
    yield Member("history.store", "wait", "history: writing", "history")
    yield Member("windows.save", "fail", "windows: failing (RuntimeError: a bug", "windows")


def _detectors():
    for number in (1, 2):
        name = f"detector-{number}-wait"
        yield Member(f"{name}.score", "wait", f"detector {name}: scoring", f"detector {name}", True)
    yield Member("detector-fail.score", "fail", "a bug in detector-fail.score")


TOGETHER = list(_members())
DETECTORS = list(_detectors())
ALONE = [
    *(
        Member(f"buffer.{method}", "wait", f"buffer: {method}", "buffer", True)
        for method in ("append", "lease", "ack", "maintain", "stats")
    ),
    *(
        Member(f"buffer.{method}", "fail", f"{part}: failing (RuntimeError: a bug", part, starves)
        for method, part, starves in (
            ("append", "line", True), ("maintain", "upkeep", False), ("stats", "upkeep", False),
        )
    ),
    Member(
        "buffer.lease", "fail",
        "sink sink-write-wait: failing (RuntimeError: a bug", "sink sink-write-wait",
    ),
    Member("history.store", "fail", "history: failing (RuntimeError: a bug", "history"),
    Member("line.tick", "fail", "line: failing (RuntimeError: a bug", "line", True),
]  # fmt: skip
BLOCKING = [
    Member(where, "block", "", "event loop", True)
    for where in (
        "source-open-away.open", "source-first-away.first", "source-next-wait.next",
        "sink-write-wait.write", "sink-ping-wait.ping", "line.tick",
    )
]  # fmt: skip
HEALTHY = [
    Member("source-next-wait.next", "slow", ""),
    Member("sink-write-wait.write", "slow", ""),
    Member("sink-ping-wait.ping", "slow", ""),
    Member("detector-1-wait.score", "slow", ""),
    Member("history.store", "slow", ""),
    Member("buffer.ack", "slow", ""),
]
OPENING = Member("sink-write-wait.open", "wait", "")
SERVERS = ["sink cloud", "sink lamp", "source broker", "source plc", "source monitor"]


def test_there_are_enough_of_them():
    assert len([*TOGETHER, *DETECTORS, *ALONE, *BLOCKING, *HEALTHY, *SERVERS]) >= 50


# Parts that hang in the daemon -------------------------------------------------------------------


def line_file(folder):
    """A line with a source and a sink for each member, a detector for each, and history."""
    names = {member.where.partition(".")[0] for member in TOGETHER}
    sources = sorted(name for name in names if name.startswith("source"))
    text = "version: 1\nline: press-3\nsite: here\nstate: state\nhealth: {port: 0}\n"
    text += "summaries: {every: 1s}\nhistory: {flush: 1s}\nsources:\n"
    for name in ["well", *sources]:
        text += f"  {name}: {{type: faulty, tags: {{{name}: {{}}}}}}\n"
    text += "detectors:\n"
    for member in DETECTORS:
        text += f"  {member.where.partition('.')[0]}: {{type: faulty, tag: well}}\n"
    text += "sinks:\n"
    for name in sorted(name for name in names if name.startswith("sink")):
        text += f"  {name}: {{type: {'pinged' if 'ping' in name else 'faulty'}}}\n"
    file = folder / "press-3.yaml"
    file.write_text(text)
    return file


class Ward:
    """A daemon whose parts can be made to hang, and what it says of it to everybody."""

    def __init__(self, daemon, folder, manager):
        self.daemon, self._folder, self._manager = daemon, folder, manager

    def begin(self, *members):
        for member in members:
            # Whole at once: the daemon may be reading it.
            new = self._folder / "new"
            new.write_text(member.how)
            new.rename(self._folder / member.where)

    def end(self, *members):
        for member in members:
            (self._folder / member.where).unlink()

    async def not_ready(self, within=PATIENCE):
        """What /readyz says does not work."""
        port = (await self.daemon.until(bool))["http_port"]
        status, body = await asyncio.to_thread(_fetched, f"http://127.0.0.1:{port}/readyz")
        why = json.loads(body)["not_ready"]
        assert (status == 200) is not why
        return why

    async def until_named(self, *members):
        """All are named at a time; which were not."""
        unnamed, said = list(members), []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while unnamed:
                    said = await self.not_ready()
                    unnamed = [m for m in unnamed if not any(m.says in each for each in said)]
                    await asyncio.sleep(0.1)
        assert [str(member) for member in unnamed] == [], "\n".join(said)

    async def until_ready(self):
        said = ["nothing yet"]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while said:
                    said = await self.not_ready()
                    await asyncio.sleep(0.1)
        assert said == []

    async def is_fed(self):
        """Whether the watchdog is fed with systemd's next word."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError):
            while True:
                self._manager.recv(4096)
        async with asyncio.timeout(PATIENCE):
            return b"WATCHDOG=1" in await loop.sock_recv(self._manager, 4096)

    def log_of(self, part):
        """How often it was logged that this part got stuck, and that it went on."""
        events = [each["event"] for each in self.daemon.events if each.get("part") == part]
        return events.count("part.stuck"), events.count("part.goes_on")


def _fetched(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextlib.asynccontextmanager
async def ward(folder, limits=LIMITS, begin=()):
    """A running daemon that is ready, unless faults are there from the beginning."""
    faults = folder / "faults"
    faults.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.setblocking(False)
        env = os.environ | {
            "PYTHONPATH": faulty_plugins.install(folder / "plugins"),
            "ANDON_FAULTS": str(faults),
            "ANDON_WAIT_LIMITS": json.dumps(limits),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "30000000",
            # Its reserves for threads would be most of the address space that it may have.
            "MALLOC_ARENA_MAX": "2",
        }
        made = Ward(None, faults, manager)
        made.begin(*begin)
        async with limited_daemon(line_file(folder), env=env) as daemon:
            made.daemon = daemon
            if not begin:
                await made.until_ready()
            yield made


async def hang(patient, *members):
    """All hang at a time, are named, and go on."""
    before = {member.part: patient.log_of(member.part) for member in members if member.part}
    patient.begin(*members)
    await patient.until_named(*members)
    starves = any(member.starves for member in members)
    assert await patient.is_fed() is not starves, [str(member) for member in members]
    patient.end(*members)
    await patient.until_ready()
    async with asyncio.timeout(PATIENCE):
        while not await patient.is_fed():
            pass
    after = {part: patient.log_of(part) for part in before}
    assert after == {part: (s + 1, g + 1) for part, (s, g) in before.items()}


@pytest.mark.timeout(600)
async def test_parts_that_hang_are_named_and_the_line_goes_on(tmp_path):
    async with ward(tmp_path, begin=[OPENING]) as patient:
        await is_named_while_it_starts(patient)
        # The first one was due while the sink was opened.
        late = await patient.daemon.late_ticks()
        await hang(patient, *TOGETHER)
        await hang(patient, *DETECTORS)
        assert await patient.daemon.late_ticks() <= late
        await are_not_called_stuck(patient, *HEALTHY)
        for member in ALONE if LONG else ALONE[:1]:
            await hang(patient, member)
        for member in BLOCKING if LONG else BLOCKING[3:4]:
            await block(patient, member)
        if LONG:
            await freeze(patient)
            for member in [*TOGETHER, *DETECTORS]:
                await hang(patient, member)
        assert patient.daemon.rss < MOST_RSS
        assert "Traceback" not in "".join(
            each.get("exception", "") for each in patient.daemon.events if "bug" not in str(each)
        )
        # What hangs does not keep it from ending.
        patient.begin(*DETECTORS, *(m for m in TOGETHER if m.how in ("wait", "thread")))
        await patient.until_named(DETECTORS[0])
        patient.end(Member("history.store", "wait", ""))
        assert await patient.daemon.stop(within=10) == 0


async def are_not_called_stuck(patient, *members):
    """What is slow and goes on is not stuck, even if it takes longer than the limit in all."""
    before = {name: patient.log_of(name) for name in await parts_of(patient)}
    patient.begin(*members)
    await asyncio.sleep(1.5 * LIMITS["SENDING_S"])
    patient.end(*members)
    assert {name: patient.log_of(name) for name in before} == before


async def parts_of(patient):
    return [part["part"] for part in (await patient.daemon.until(bool))["parts"]]


async def block(patient, member):
    """The event loop is blocked for 3 s: the log says where, and nobody else is called stuck."""
    before = {name: patient.log_of(name) for name in await parts_of(patient)}
    patient.begin(member)
    count = before["event loop"][0] + 1
    async with asyncio.timeout(PATIENCE):
        while patient.log_of("event loop") != (count, count - 1):
            await asyncio.sleep(0.05)
    await asyncio.sleep(3 - LIMITS["EVENT_LOOP_S"])
    patient.end(member)
    async with asyncio.timeout(PATIENCE):
        while patient.log_of("event loop") != (count, count):
            await asyncio.sleep(0.05)
    await patient.until_ready()
    after = {name: patient.log_of(name) for name in before}
    del before["event loop"], after["event loop"]
    assert after == before
    (*_, entry) = patient.daemon.said("part.stuck", part="event loop")
    assert "hold (" in entry["at"], entry
    assert "faulty_plugins.py" in entry["at"], entry


async def freeze(patient):
    """The whole process does not run for a while: nothing of it is called stuck."""
    before = {name: patient.log_of(name) for name in await parts_of(patient)}
    os.kill(patient.daemon.pid, signal.SIGSTOP)
    await asyncio.sleep(4.5)
    os.kill(patient.daemon.pid, signal.SIGCONT)
    await patient.daemon.until_log('"process.paused"')
    await patient.until_ready()
    assert {name: patient.log_of(name) for name in before} == before


async def is_named_while_it_starts(patient):
    """A sink that cannot be opened keeps the daemon from starting, and is named meanwhile."""
    await patient.daemon.until_log('"part.stuck"')
    (entry,) = patient.daemon.said("part.stuck")
    assert entry["part"] == "sink sink-write-wait"
    assert entry["why"].startswith("opening for ")
    patient.end(OPENING)
    await patient.until_ready()


# Servers that are stopped in the middle ----------------------------------------------------------

WITH_SERVERS = """
version: 1
line: press-3
site: here
state: state
health: {{port: 0}}
summaries: {{every: 1s}}
sources:
  plc: {{type: modbus, host: 127.0.0.1, port: {modbus}, tags: {{flow: {{address: 0}}}}}}
  monitor:
    type: opcua
    url: opc.tcp://127.0.0.1:{opcua}/andon/plant
    insecure: true
    timeout: 2s
    tags: {{vibration: {{node: "nsu=urn:andon:plant;s=Pump.VibrationDE", period: 500ms}}}}
  broker: {{type: mqtt, host: 127.0.0.1, port: {mqtt}, tags: {{level: {{topic: level}}}}}}
sinks:
  cloud:
    type: influx
    version: 1
    url: http://127.0.0.1:{influx}
    database: lines
    timeout: 2s
  lamp: {{type: mqtt, host: 127.0.0.1, port: {mqtt}, timeout: 2s, keepalive: 2s}}
"""


@pytest.mark.skipif(not LONG, reason="of the long run: the servers' time limits add up")
@pytest.mark.server("mosquitto")
@pytest.mark.server("influxd")
@pytest.mark.timeout(600)
async def test_servers_that_are_stopped_in_the_middle_are_named_and_do_not_delay_the_line(tmp_path):
    for name in ("broker", "database"):
        (tmp_path / name).mkdir()
    broker = servers.mosquitto(tmp_path / "broker")
    database = servers.influxdb(tmp_path / "database")
    with broker, database:
        made = f"{database.url}/query?q=CREATE+DATABASE+lines"
        await asyncio.to_thread(urllib.request.urlopen, made, b"", PATIENCE)
        async with PlantProcess.started(7) as plant:
            ready = await plant.event("ready")
            file = tmp_path / "press-3.yaml"
            file.write_text(
                WITH_SERVERS.format(
                    modbus=ready["modbus"],
                    opcua=urlsplit(ready["opcua"]).port,
                    mqtt=broker.port,
                    influx=database.port,
                )
            )
            processes = [broker.process.pid, database.process.pid, plant._process.pid]
            async with limited_daemon(file) as daemon:
                await stopped_in_the_middle(Ward(daemon, tmp_path, None), processes)


async def stopped_in_the_middle(patient, processes):
    await patient.until_ready()
    late = await patient.daemon.late_ticks()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        await patient.until_named(*(Member(name, "SIGSTOP", f"{name}: ") for name in SERVERS))
        # No part of ours is stuck: each has a time limit of its own for its server.
        assert patient.daemon.said("part.stuck") == []
        assert time.monotonic() - began < PATIENCE / 2
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    await patient.until_ready()
    assert await patient.daemon.late_ticks() <= late
    assert patient.daemon.rss < MOST_RSS
    for name in SERVERS:
        kind, _, part = name.partition(" ")
        event = "sink.away" if kind == "sink" else "source.lost"
        whys = [entry["why"] for entry in patient.daemon.said(event, **{kind: part})]
        assert whys
        assert len(whys) == len(set(whys)), "each reason is logged once"
