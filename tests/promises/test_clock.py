"""Promise: a clock that steps, starts in 1970 or is behind stops no timer and doubles no point."""

import asyncio
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from fakes import LastValue, MemoryStore, batch, tag
from rig import Rig

from gateway.api import line_protocol
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Envelope, Kind
from gateway.buffer.store import Store
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.clock import DOUBTED, RELEASED, ClockWatch
from gateway.demo.processes import PlantProcess
from gateway.line.line import Line

S = SECOND
HOUR = 3600 * S
T0 = RELEASED // HOUR * HOUR + 1000 * HOUR
TAGS = (tag("flow"), tag("level"))


class Plant:
    """A line and its clocks; each `go` is one second of the plant, whatever the clock says."""

    def __init__(self, wall=T0, **alarm):
        self.wall, self.monotonic, self.store = wall, 100 * S, MemoryStore()
        self.alarm = alarm
        self.line = self.started()

    def started(self):
        file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
        places = Places(Path(), Path())
        config = LineConfig(
            Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, places, "digest"
        )
        watch = ClockWatch(lambda: self.monotonic, lambda: False)
        detectors = {"pump": LastValue("flow", **self.alarm)}
        return Line(config, detectors, self.store, self.wall, lambda: self.wall, clock_watch=watch)

    async def go(self, *values, step=0):
        """A value of both tags each second; None is silence. The clock is stepped beforehand."""
        self.wall += step
        for value in values:
            if value is not None:
                sample = batch(self.wall + S // 2, value, 1.0)
                self.line.inbox.put(sample, 0)
            self.wall += S
            self.monotonic += S
            await self.line.tick(self.wall + S // 2)

    async def restart(self, step=0):
        self.wall += step
        self.monotonic = 3 * S
        self.line = self.started()
        await self.line.restore()

    def points(self, kind):
        return [line_protocol.decode(row.body) for row in self.store.rows if row.kind is kind]

    def alerts(self):
        return [(p.fields["alarm"], p.fields["active"]) for p in self.points(Kind.ALERT)]

    def clock_words(self, kind):
        return [point.fields.get("clock", "") for point in self.points(kind)]


def keys(points):
    """What a server takes for the same point."""
    return [(p.measurement, tuple(sorted(p.tags.items())), p.at) for p in points]


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_a_step_of_an_hour_sticks_and_hastens_no_delay(step):
    plant = Plant(on_delay=5 * S, off_delay=5 * S)
    await plant.go(*[5] * 5, *[20] * 3)
    await plant.go(*[20] * 4, step=step)
    assert plant.alerts() == []
    await plant.go(*[20] * 4)
    assert plant.alerts() == [("anomaly", True)]
    await plant.go(*[5] * 3)
    await plant.go(*[5] * 4, step=step)
    assert plant.alerts() == [("anomaly", True)]
    await plant.go(*[5] * 4)
    assert plant.alerts() == [("anomaly", True), ("anomaly", False)]


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_a_step_makes_no_tag_stale_and_hides_none(step):
    plant = Plant()
    await plant.go(*[5] * 20)
    await plant.go(None, step=step)
    await plant.go(*[5] * 5)
    assert plant.alerts() == []
    await plant.go(*[None] * 10, step=step)
    assert plant.alerts() == [("plc.lost", True)]


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_summaries_and_the_gateways_own_points_go_on_after_a_step(step):
    plant = Plant()
    await plant.go(*[5] * 70)
    before = len(plant.points(Kind.SUMMARY)), len(plant.points(Kind.GATEWAY))
    await plant.go(*[5] * 130, step=step)
    assert len(plant.points(Kind.SUMMARY)) >= before[0] + 2 * len(TAGS)
    assert len(plant.points(Kind.GATEWAY)) >= before[1] + 2


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_an_hour_that_comes_twice_doubles_no_id_and_overwrites_no_point(is_restarted):
    plant = Plant()
    hour = [5, 20, 20, 5, *[5] * 70, 20, 5] * 2
    await plant.go(*hour)
    if is_restarted:
        await plant.restart(step=-len(hour) * S)
        await plant.go(*hour)
    else:
        await plant.go(*hour, step=-len(hour) * S)
    points = [line_protocol.decode(row.body) for row in plant.store.rows]
    assert len(set(keys(points))) == len(points)
    raised = [p.fields["id"] for p in plant.points(Kind.ALERT) if p.fields["active"]]
    assert len(raised) == len(set(raised)) >= 7


async def test_an_alarm_keeps_its_id_over_a_clock_that_goes_back():
    plant = Plant()
    await plant.go(5, 20, 20)
    await plant.go(20, 20, 5, 5, step=-HOUR)
    raised, cleared = plant.points(Kind.ALERT)
    assert raised.fields["id"] == cleared.fields["id"]


async def test_points_say_why_the_clock_was_not_trusted_when_they_were_made():
    plant = Plant(wall=30 * S)
    await plant.go(5, 20, 5, 5)
    await plant.go(5, 20, 5, 5, step=T0)
    plant.monotonic += DOUBTED
    plant.wall += DOUBTED
    await plant.go(5, 5)
    await plant.go(20, 5)
    words = plant.clock_words(Kind.ALERT)
    assert words == ["before_release"] * 2 + ["stepped"] * 2 + [""] * 2
    assert plant.line.health.clock == ""
    assert plant.line.health.clock_steps == 1


async def test_a_start_in_1970_again_and_again_raises_each_alarm_under_an_id_of_its_own():
    plant = Plant(wall=30 * S)
    for _ in range(3):
        await plant.go(5, 20, 5)
        await plant.restart(step=30 * S - plant.wall)
    raised = [p.fields["id"] for p in plant.points(Kind.ALERT) if p.fields["active"]]
    assert len(set(raised)) == 3
    assert len(set(keys(plant.points(Kind.ALERT)))) == 6


async def test_late_and_doubled_samples_raise_nothing_twice():
    plant = Plant()
    await plant.go(5, 20)
    for _ in range(3):
        plant.line.inbox.put(batch(plant.wall - S // 2, 20, 1.0), 0)
        plant.line.inbox.put(batch(plant.wall - 30 * S, 99, 1.0), 0)
    await plant.go(5, 5)
    assert plant.alerts() == [("anomaly", True), ("anomaly", False)]
    assert plant.line.health.late > 0


def test_a_clock_that_is_not_trusted_makes_no_summary_too_old(tmp_path):
    late = [T0]
    sinks = {"cloud": frozenset(Kind)}
    path = tmp_path / "b.db"
    with closing(Store(path, 10**9, sinks, lambda: late[0], max_age=24 * HOUR)) as store:
        store.append([Envelope(Kind.SUMMARY, T0, b"summary")], {})
        late[0] += 10**6 * HOUR
        store.maintain(expire=False)
        assert store.stats()["summaries"] == 1
        store.maintain()
        assert store.stats()["summaries"] == 0


# The daemon itself, its wall clock that of the machine plus what a file says.
DAEMON = """
import runpy, sys, time
from pathlib import Path
offset, real = Path(sys.argv.pop(1)), time.time_ns
time.time_ns = lambda: real() + int(offset.read_text() or 0)
time.time = lambda: time.time_ns() / 1e9
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""
LINE = """
version: 1
line: pump
site: here
state: state
health: {{port: 0}}
summaries: {{every: 1s}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 200ms
    tags: {{flow: {{address: 0, table: input, data_type: float32}}}}
detectors:
  guard: {{type: limits, period: 500ms, tags: {{flow: {{high: 1000}}}}}}
"""


async def test_the_daemon_itself_goes_on_from_1970_to_today_and_an_hour_back(tmp_path):
    offset, file = tmp_path / "offset", tmp_path / "line.yaml"
    offset.write_text(str(30 * S - time.time_ns()))
    async with PlantProcess.started(7) as plant:
        file.write_text(LINE.format(port=(await plant.event("ready"))["modbus"]))
        rig = Rig(plant, file, tmp_path)
        command = [sys.executable, "-c", DAEMON, str(offset), "run", str(file)]
        with (tmp_path / "andon.log").open("wb") as log:
            daemon = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            for number, (shift, why) in enumerate(
                [(None, "before_release"), (0, "stepped"), (-HOUR, "stepped")]
            ):
                if shift is not None:
                    offset.write_text(str(shift))
                there = await rig.until(lambda f, n=number: f["clock"]["steps"] == n)
                went_on = await rig.until(lambda f, t=there: has_gone_on(t, f))
                assert went_on["clock"]["why"] in (why, "")
                assert (went_on["health"], went_on["alerts"]) == ("ok", [])
                assert went_on["counters"]["task_restarts"] == 0
        finally:
            daemon.terminate()
            await daemon.wait()


def has_gone_on(before, now):
    """Windows were judged and summaries made since."""
    return all(
        now["counters"][n] >= before["counters"][n] + 3 for n in ("windows_scored", "summaries")
    )
