"""A week of the pump skid with hand-made time: noise, load changes, maintenance, eight faults.

The line is the real one: line file, limits, a trained model, alarm machines and a buffer on disk.
Only the connectors are left out: what they would have read is handed to the line. A person
acknowledges each alarm some minutes after it was raised.

`python alarm_week.py LINE.yaml FOLDER HOURS GRID_S FIRST` plays it in a process that can be killed
at any time, with the rows of FOLDER/rows.npy: it writes a byte to stdout for each tick, once that
is on disk.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import bundles
import numpy as np
import structlog

from connectors.simulator.configuration import line_file
from connectors.simulator.faults import FAULTS, PLC_GONE
from connectors.simulator.pump import EPOCH, Plant
from connectors.simulator.signals import MODBUS, OPCUA, TAGS
from gateway.api import line_protocol
from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Kind, Nanos, Quality, SampleBatch
from gateway.buffer import Buffer, open_buffer
from gateway.config.build import build_detectors
from gateway.config.load import LineConfig, load
from gateway.core.alarms.acts import acknowledge
from gateway.line.line import Line
from gateway.line.window_store import EVERY_S, WindowStore

HOUR = 3600
NAMES = tuple(signal.name for signal in (*MODBUS, *OPCUA))
_COLUMNS = [TAGS.index(name) for name in NAMES]
MONITOR_GONE, BAD_SENSOR = "monitor_gone", "bad_sensor"
SENSOR = "vibration_nde"
MOVES = {
    **{name: fault.moves for name, fault in FAULTS.items()},
    MONITOR_GONE: tuple(signal.name for signal in OPCUA),
    BAD_SENSOR: (SENSOR,),
}
ORDER = (
    *("cavitation", "frozen_sensor", "drifting_sensor", MONITOR_GONE),
    *("sticking_valve", PLC_GONE, "bearing_wear", BAD_SENSOR),
)
LONGEST_S = {"drifting_sensor": 4 * HOUR, "bearing_wear": 8 * HOUR}
"""Of a fault that grows slowly; any other one lasts for an hour at most."""
ACK_EVERY_S = 300
WORLD, TRAINING = 2, 3
"""Seeds of the plants."""
LONGEST_SETTLE_S = 900
"""As long as the temperatures need after a stop."""
SINK = "journal"


class Fault(NamedTuple):
    """Seconds after the start; a slow one takes `over` to its full severity."""

    name: str
    onset: int
    end: int
    over: float | None


class Course(NamedTuple):
    """What happens when: `stops` are begin and end of the maintenance, in s."""

    hours: int
    grid: int
    faults: tuple[Fault, ...]
    stops: tuple[tuple[int, int], ...]


def course(hours: int, grid: int, seed: int = 1) -> Course:
    """Eight faults in as many stretches of the time, at random; maintenance in two of the gaps."""
    rng, slot = np.random.default_rng(seed), hours * HOUR // 9
    faults = []
    for number, name in enumerate(ORDER, 1):
        onset = int(number * slot + rng.uniform(0, 0.2) * slot)
        length = min(LONGEST_S.get(name, HOUR), int(0.35 * slot))
        over = 0.6 * length if name in LONGEST_S else None
        faults.append(Fault(name, onset, onset + length, over))
    stops = [(int(n * slot + 0.7 * slot), int(n * slot + 0.7 * slot + 0.1 * slot)) for n in (2, 5)]
    return Course(hours, grid, tuple(faults), tuple(stops))


class World:
    """What the sources of the line deliver, tick by tick."""

    def __init__(self, course: Course, rows: np.ndarray | None = None) -> None:
        self.course = course
        self.rows = simulated(course, WORLD) if rows is None else rows
        self._all = np.arange(len(NAMES), dtype=np.int32)
        self._sensor = NAMES.index(SENSOR)

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, tick: int) -> Nanos:
        return EPOCH + (tick + 1) * self.course.grid * SECOND

    def active(self, tick: int) -> frozenset[str]:
        now = (tick + 1) * self.course.grid
        return frozenset(f.name for f in self.course.faults if f.onset < now <= f.end)

    def batch(self, tick: int) -> SampleBatch | None:
        """All that arrives with a tick."""
        wrong = self.active(tick)
        tags = self._all
        if PLC_GONE in wrong:
            tags = tags[len(MODBUS) :]
        if MONITOR_GONE in wrong:
            tags = tags[: len(MODBUS)]
        values = self.rows[tick, tags].copy()
        quality = np.zeros(len(tags), dtype=np.uint8)
        reasons = {}
        if BAD_SENSOR in wrong:
            place = int(np.flatnonzero(tags == self._sensor)[0])
            values[place], quality[place] = np.nan, Quality.BAD
            reasons = {self._sensor: "BadSensorFailure"}
        times = np.full(len(tags), self.at(tick), dtype=np.int64)
        return SampleBatch(tags, times, values, quality, reasons=reasons)

    def note_sources(self, line: Line, tick: int) -> None:
        """What the tasks that read would have said of their sources."""
        wrong = self.active(tick)
        for source, fault in (("plc", PLC_GONE), ("monitor", MONITOR_GONE)):
            health = line.health.sources[source]
            health.up = fault not in wrong
            health.error = "" if health.up else "connection refused"


def simulated(course: Course, seed: int) -> np.ndarray:
    """float64[tick, tag]; the plant makes a step each second."""
    plant = Plant(seed, step=SECOND)
    onsets = {f.onset: f for f in course.faults if f.name in FAULTS}
    ends = {f.end for f in course.faults}
    ticks = course.hours * HOUR // course.grid
    rows = np.empty((ticks, len(NAMES)))
    for second in range(ticks * course.grid):
        plant.is_running = not any(begin <= second < end for begin, end in course.stops)
        if second in ends:
            plant.clear()
        if second in onsets:
            plant.inject(onsets[second].name, onsets[second].over)
        plant.step()
        if (second + 1) % course.grid == 0:
            readings = plant.readings()
            rows[second // course.grid] = [readings[column] for column in _COLUMNS]
    return rows


def write_line(folder: Path, course: Course, hours: int, *, tried: bool = True) -> Path:
    """A line file in `folder`, and a model that is trained on so many hours of normal running of
    another plant; with `tried` also tested on the newest part of them, which takes as long again.
    """
    from detectors.data.recordings import Recording
    from detectors.training.learn import learn
    from detectors.training.prepare import TrainingOptions
    from detectors.training.publish import ModelIdentity, manifest_for, write_bundle

    grid = course.grid
    normal = simulated(Course(hours, grid, (), ()), TRAINING)
    times = EPOCH + (np.arange(len(normal), dtype=np.int64) + 1) * grid * SECOND
    recording = Recording(NAMES, times, normal, {})
    if tried:
        options = TrainingOptions(period=grid * SECOND)
        model = learn(recording, options, lambda _step: None, ("pca",))
    else:
        model = bundles.untried(recording, "pca", window=None)
    identity = ModelIdentity(id="pump", version="1", created=datetime(2026, 1, 1, tzinfo=UTC))
    units = {signal.name: signal.unit for signal in (*MODBUS, *OPCUA)}
    write_bundle(folder / "pump", manifest_for(model, identity, units), model.graph)
    # The detector's own period first: the sources are to have the same.
    checked = f"    period: {grid}s\n    {_RUNNING}    settle: 60s\n"
    text = line_file(bundle="pump").replace("    period: 1s\n", checked)
    text = text.replace("period: 500ms", f"period: {grid}s")
    settle = min(LONGEST_SETTLE_S, course.hours * HOUR // 90)
    text = text.replace("bundle: pump\n", f"bundle: pump\n    {_RUNNING}    settle: {settle}s\n")
    text = text.replace("flat_line: 60s", f"flat_line: {max(60, 12 * grid)}s")
    file = folder / "pump-skid.yaml"
    file.write_text(f"{text}\nstate: state\nhealth: {{port: 0}}\n")
    return file


_RUNNING = "when: speed > 1000\n"


class Killed(Exception):  # noqa: N818 - it is what happens, not an error
    """The process is gone, with all that was not on disk."""


class Disk:
    """The buffer of a line, which is killed before or after an append."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self.kill = ""

    async def append(self, *given: Any) -> None:
        if self.kill == "before":
            raise Killed
        await self._buffer.append(*given)

    async def load_checkpoint(self, name: str) -> bytes | None:
        return await self._buffer.load_checkpoint(name)

    def note(self, loss: object) -> None:
        raise AssertionError(f"there is room, and yet there is {loss}")


class Run:
    """A line that is played over a world, and killed and started again meanwhile."""

    def __init__(self, file: Path, folder: Path, world: World) -> None:
        self.config, self.world, self._folder = load(file), world, folder
        self.detectors = build_detectors(self.config)
        self.restarts = 0

    async def play(
        self, kills: Mapping[int, tuple[str, int]], first: int = 0, *, on_tick=None
    ) -> list[Mapping[str, Any]]:
        """The stored transitions. `kills`: by tick, how it is killed and the ticks it is away."""
        tick, last = first, len(self.world)
        while tick < last:
            tick = await self._live(tick, last, kills, on_tick)
        async with self._open() as buffer:
            return await stored(buffer)

    def _open(self):
        path = self._folder / str(self.restarts)
        accepts = {SINK: frozenset({Kind.ALERT})}
        return open_buffer(path / "buffer.db", self.config.file.buffer, accepts)

    async def _live(self, tick: int, last: int, kills, on_tick) -> int:
        """One life of the daemon; the tick of the next one."""
        config, world = self.config, self.world
        self.now = world.at(tick) - world.course.grid * SECOND + SECOND // 2 + 1
        async with self._open() as buffer:
            disk = Disk(buffer)
            line = Line(
                config, self.detectors, disk, self.now, clock=lambda: self.now, in_thread=False
            )
            await line.restore()
            windows = WindowStore(self._local(config))
            line.recall(windows.load())
            saved, saved_at = dict[str, Any](), self.now
            while tick < last:
                how, away = kills.get(tick, ("", 0))
                disk.kill = how
                with contextlib.suppress(Killed):
                    await self._tick(line, tick)
                if self.now - saved_at >= EVERY_S * SECOND or on_tick:
                    saved, saved_at = {n: a.copy() for n, a in line.memory().items()}, self.now
                tick += 1
                if on_tick:
                    windows.save(saved)
                    on_tick()
                if how:
                    windows.save(saved)
                    self._keep_disk()
                    return tick + away
        return last

    def _local(self, config: LineConfig) -> LineConfig:
        from dataclasses import replace

        places = replace(config.places, state=self._folder / str(self.restarts))
        return replace(config, places=places)

    def _keep_disk(self) -> None:
        """What a kill leaves: the files as they are, with the old ones still open."""
        old = self._folder / str(self.restarts)
        self.restarts += 1
        shutil.copytree(old, self._folder / str(self.restarts))

    async def _tick(self, line: Line, tick: int) -> None:
        self.world.note_sources(line, tick)
        batch = self.world.batch(tick)
        if batch is not None:
            line.inbox.put(batch, 0)
        self.now = self.world.at(tick) + SECOND // 2
        seen = [
            asyncio.ensure_future(line.act(alert.id, acknowledge("anna"), "anna"))
            for alert in self._waiting(line, tick)
        ]
        if seen:
            await asyncio.sleep(0)
        try:
            await line.tick(self.now)
        finally:
            for act in seen:
                if not act.done():
                    act.cancel()
                with contextlib.suppress(CommandRefused, asyncio.CancelledError):
                    await act

    def _waiting(self, line: Line, tick: int):
        """The alarms that a person acknowledges now: he comes by every five minutes."""
        if tick * self.world.course.grid % ACK_EVERY_S:
            return []
        return [a for a in line.health.open if not a.acknowledged_by]


async def stored(buffer: Buffer) -> list[Mapping[str, Any]]:
    """The transitions on disk in the order in which they were stored."""
    points = [line_protocol.decode(e.body) for e in await buffer.lease(SINK, 10**6, 2**30)]
    return [{**point.fields, **point.tags, "at": point.at} for point in points]


def killed_for_real(file: Path, folder: Path, world: World, lives: Sequence[int]) -> int:
    """Play a world in processes that SIGKILL ends after so many ticks each, and then to its end;
    the number of kills.
    """
    (folder / "0").mkdir(parents=True)
    np.save(folder / "rows.npy", world.rows)
    words = [str(file), str(folder), str(world.course.hours), str(world.course.grid)]
    first = kills = 0
    for ticks in (*lives, len(world)):
        command = [sys.executable, __file__, *words, str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            done = len(process.stdout.read(ticks))
            process.kill()
            done += len(process.stdout.read())
        kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), "it ended by itself"
        # The tick that was under way may be on disk: it is not played twice.
        first += done + 1
        if first >= len(world):
            break
    return kills


async def stored_in(file: Path, folder: Path, world: World) -> list[Mapping[str, Any]]:
    """The transitions that earlier processes left on disk."""
    return await Run(file, folder, world).play({}, first=len(world))


if __name__ == "__main__":
    _file, _folder, _hours, _grid, _first = sys.argv[1:]
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    _rows = np.load(Path(_folder) / "rows.npy")
    _world = World(course(int(_hours), int(_grid)), _rows)
    _run = Run(Path(_file), Path(_folder), _world)
    asyncio.run(_run.play({}, int(_first), on_tick=lambda: os.write(1, b".")))
