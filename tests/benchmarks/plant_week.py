"""A week of the simulated pump skid: its false alarms, and whether each fault is found in time.

A day of normal running is learnt for a budget of one false alarm a day, with the defaults of
`andon train`. Another plant then runs normally for a week. Six others each meet one fault at a
random time of their first day; those that grow take six hours to their full severity and grow on
until the plant trips, where the run ends. Rows come every second, of the tags of
`configs/pump-skid.yaml`; the plant itself moves in steps of 100 ms.

The trip limits are the outermost limits of the plant's own line file: what stands there as
`high_high` or `low_low`, of single readings without a delay. Two are not there:
- discharge pressure: what the pump gives against a closed valve at its mean speed;
- a flow meter that stands still, or a PLC that is away: after the 60 s of its `flat_line` nobody
  knows the flow any more, and a pump must not run so.

Found is a fault by an alarm that is raised between its onset and the trip and names, among the
three tags that caused it most, one that the fault moves. It is the model's alarm, with the delays
of the bundle; of a PLC that is gone it is the source's own, `plc.no_data`.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import yaml

from connectors.simulator.configuration import line_file
from connectors.simulator.faults import FAULTS, FROZEN_SENSOR, PLC_GONE
from connectors.simulator.recording import Recipe, rows
from connectors.simulator.signals import MODBUS, OPCUA, TAGS
from detectors.bundle.phrases import format_hours
from detectors.data.recordings import Recording
from detectors.evaluation.apply import judge
from detectors.runtime.limits import LimitsOptions
from gateway.api.model import SECOND, Nanos, SampleBatch, Tag
from gateway.config.schema import TimingSection
from gateway.core.alerts import AlertMachine
from gateway.core.freshness import DETECTOR, FreshnessWatch

HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
BUDGET = DAY
"""Time between two false alarms that may be borne."""
PERIOD = SECOND
SLOW = 6 * HOUR
LONGEST = 36 * HOUR
"""A fault that has not tripped the plant so long after its onset would not be one."""
TOP = 3
LEARNT, JUDGED, FAULTY = 1, 2, 11
"""Seeds of the plants, the last of the first one with a fault."""

NAMES = tuple(signal.name for signal in (*MODBUS, *OPCUA))
_COLUMNS = [TAGS.index(name) for name in NAMES]
_AT_ONCE = (FROZEN_SENSOR, PLC_GONE)
_GUARD = LimitsOptions.model_validate(yaml.safe_load(line_file())["detectors"]["guard"]).tags
_UNSEEN: Nanos = _GUARD["flow"].flat_line or 0
_CLOSED_VALVE = 7.4  # bar


class Run(NamedTuple):
    """A plant that ran until its end or its trip; `onset` of its fault, ns."""

    recording: Recording
    fault: str | None
    onset: Nanos
    trip: Nanos | None


class Found(NamedTuple):
    """When a fault was found and when it would have tripped the plant, ns after its onset."""

    after: Nanos | None
    trip: Nanos | None

    @property
    def in_time(self) -> bool:
        """Whether it came before the trip; what trips nothing is not found in time either."""
        return self.after is not None and self.trip is not None and self.after < self.trip

    def __str__(self) -> str:
        if self.trip is None:
            return "tripped nothing"
        if not self.in_time:
            return f"MISSED (trip after {format_hours(self.trip / HOUR)})"
        lead = format_hours((self.trip - self.after) / HOUR)
        return f"after {format_hours(self.after / HOUR)}, {lead} before the trip"


class Week(NamedTuple):
    """What came of it: alarms in so many hours of normal running, and each fault."""

    false_alarms: int
    hours: float
    found: dict[str, Found]


def measure(learn, say) -> Week:
    """`learn` makes a detector of a recording and a budget; the plants run in processes."""
    say("a day to learn from, a week, and a plant for each fault")
    with ProcessPoolExecutor() as plants:
        first = plants.submit(run, Recipe(DAY, LEARNT, sample=PERIOD))
        week = plants.submit(run, Recipe(WEEK, JUDGED, sample=PERIOD))
        faulty = plants.map(run, [recipe(fault, n) for n, fault in enumerate(FAULTS)])
        detector = learn(first.result().recording, BUDGET)
        found = {}
        for each in faulty:
            found[each.fault] = found_in(detector, each)
            say(f"{each.fault}: {found[each.fault]}")
        normal = week.result().recording
    alarms = judge(detector, normal).episodes
    return Week(len(alarms), len(normal.times) * PERIOD / HOUR, found)


def recipe(fault: str, number: int) -> Recipe:
    """A fault at a random second of the first day, after an hour."""
    seed = FAULTY + number
    onset = int(np.random.default_rng(seed).integers(HOUR // SECOND, DAY // SECOND)) * SECOND
    length = onset + (2 * _UNSEEN if fault in _AT_ONCE else LONGEST)
    return Recipe(length, seed, sample=PERIOD, fault=fault, fault_after=onset, fault_over=SLOW)


def run(recipe: Recipe) -> Run:
    """Let a plant run."""
    onset = recipe.start + recipe.fault_after
    times, values, trip = [], [], None
    for at, readings in rows(recipe):
        times.append(at)
        values.append([readings[column] for column in _COLUMNS])
        if trips(readings) or (recipe.fault in _AT_ONCE and at >= onset + _UNSEEN):
            trip = at
            break
    found = Recording(NAMES, np.array(times), np.array(values), {})
    if recipe.fault == PLC_GONE:
        found.values[found.times > onset, : len(MODBUS)] = np.nan
    return Run(found, recipe.fault, onset, trip)


def _limits() -> Iterator[tuple[int, float, float]]:
    """Column, low and high of each tag that can trip the plant."""
    for name, limit in _GUARD.items():
        low = -math.inf if limit.low_low is None else limit.low_low
        high = math.inf if limit.high_high is None else limit.high_high
        yield TAGS.index(name), low, high
    yield TAGS.index("discharge_pressure"), -math.inf, _CLOSED_VALVE


_LIMITS = tuple(_limits())


def trips(readings: list[float]) -> bool:
    """Whether a reading is past its trip limit."""
    return any(not low <= readings[column] <= high for column, low, high in _LIMITS)


def found_in(detector, run: Run) -> Found:
    """When the fault of this run was found."""
    raised = silent(run.recording) if run.fault == PLC_GONE else strange(detector, run)
    after = next((at - run.onset for at in raised if at >= run.onset), None)
    return Found(after, None if run.trip is None else run.trip - run.onset)


def strange(detector, run: Run) -> list[Nanos]:
    """When the model's alarms that name a tag of the fault were raised."""
    moved = set(FAULTS[run.fault].moves)
    return [
        episode.raised
        for episode in judge(detector, run.recording).episodes
        if moved & {top.tag for top in episode.top[:TOP]}
    ]


def silent(recording: Recording) -> Iterator[Nanos]:
    """When the alarms about sources without data were raised."""
    timing = TimingSection()
    sources = ["plc"] * len(MODBUS) + ["monitor"] * len(OPCUA)
    tags = [Tag(*each, PERIOD) for each in zip(NAMES, sources, strict=True)]
    watch = FreshnessWatch(tags, timing.stale_periods, timing.hold_periods)
    machine = AlertMachine(DETECTOR, watch.alarms, NAMES)
    for at, row in zip(recording.times.tolist(), recording.values, strict=True):
        came = np.flatnonzero(~np.isnan(row)).astype(np.int32)
        good = np.zeros(len(came), dtype=np.uint8)
        watch.push(SampleBatch(came, np.full(len(came), at), row[came], good), at)
        yield from (alert.at for alert in machine.step(watch.score(at)) if alert.is_active)
