"""A week of the simulated pump skid: false alarms, and whether each fault is detected in time.

The model is trained on a day of normal running for a budget of one false alarm a day, with the
defaults of `andon train`. Another plant then runs normally for a week. Six others have one fault
each at a random time of their first day; gradual faults take six hours to their full severity and
grow further until the plant trips, which ends the run. There is one row a second, with the tags of
`configs/pump-skid.yaml`; the plant is simulated in steps of 100 ms.

The trip limits are the outermost limits of the plant's line file, `high_high` or `low_low`, on
single readings without a delay. Two are not in the file:
- discharge pressure: that of the pump against a closed valve at its mean speed;
- a frozen flow meter, or a lost PLC: after the 60 s of `flat_line` the flow is unknown, and a pump
  must not run like that.

A fault is detected by an alarm that is raised between its onset and the trip and names, among its
three strongest tags, one that the fault moves. It is the model's alarm, with the delays of the
bundle; for a lost PLC it is the source's own, `plc.no_data`.
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
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.freshness import DETECTOR, FreshnessWatch

HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
BUDGET = DAY
"""Allowed time between two false alarms."""
PERIOD = SECOND
SLOW = 6 * HOUR
LONGEST = 36 * HOUR
"""Longest run after the onset; a fault that has not tripped the plant by then is none."""
TOP = 3
TRAINING, NORMAL, FAULTY = 1, 2, 11
"""Seeds of the plants; the last is that of the first plant with a fault."""

NAMES = tuple(signal.name for signal in (*MODBUS, *OPCUA))
_COLUMNS = [TAGS.index(name) for name in NAMES]
_AT_ONCE = (FROZEN_SENSOR, PLC_GONE)
_GUARD = LimitsOptions.model_validate(yaml.safe_load(line_file())["detectors"]["guard"]).tags
_UNKNOWN: Nanos = _GUARD["flow"].flat_line or 0
_CLOSED_VALVE = 7.4  # bar


class Run(NamedTuple):
    """Recording of a plant until its end or its trip; `onset` of its fault, ns."""

    recording: Recording
    fault: str | None
    onset: Nanos
    trip: Nanos | None


class Detection(NamedTuple):
    """Times at which a fault was detected and tripped the plant, ns after its onset."""

    after: Nanos | None
    trip: Nanos | None

    @property
    def in_time(self) -> bool:
        """Whether the fault was detected before the trip; False without a trip."""
        return self.after is not None and self.trip is not None and self.after < self.trip

    def __str__(self) -> str:
        if self.trip is None:
            return "no trip"
        if not self.in_time:
            return f"MISSED (trip after {format_hours(self.trip / HOUR)})"
        lead = format_hours((self.trip - self.after) / HOUR)
        return f"after {format_hours(self.after / HOUR)}, {lead} before the trip"


class Week(NamedTuple):
    """Result: false alarms, hours of normal running, and the detection of each fault."""

    false_alarms: int
    hours: float
    detections: dict[str, Detection]


def measure(train, on_step) -> Week:
    """`train` makes a detector from a recording and a budget; the plants run in processes."""
    on_step("a day of training data, a week, and a plant for each fault")
    with ProcessPoolExecutor() as plants:
        first = plants.submit(run, Recipe(DAY, TRAINING, sample=PERIOD))
        week = plants.submit(run, Recipe(WEEK, NORMAL, sample=PERIOD))
        faulty = plants.map(run, [recipe(fault, n) for n, fault in enumerate(FAULTS)])
        detector = train(first.result().recording, BUDGET)
        detections = {}
        for each in faulty:
            detections[each.fault] = detection_in(detector, each)
            on_step(f"{each.fault}: {detections[each.fault]}")
        normal = week.result().recording
    alarms = judge(detector, normal).episodes
    return Week(len(alarms), len(normal.times) * PERIOD / HOUR, detections)


def recipe(fault: str, number: int) -> Recipe:
    """A fault at a random second of the first day, after an hour."""
    seed = FAULTY + number
    onset = int(np.random.default_rng(seed).integers(HOUR // SECOND, DAY // SECOND)) * SECOND
    length = onset + (2 * _UNKNOWN if fault in _AT_ONCE else LONGEST)
    return Recipe(length, seed, sample=PERIOD, fault=fault, fault_after=onset, fault_over=SLOW)


def run(recipe: Recipe) -> Run:
    """Simulate a plant until its end or its trip."""
    onset = recipe.start + recipe.fault_after
    times, values, trip = [], [], None
    for at, readings in rows(recipe):
        times.append(at)
        values.append([readings[column] for column in _COLUMNS])
        if trips(readings) or (recipe.fault in _AT_ONCE and at >= onset + _UNKNOWN):
            trip = at
            break
    recording = Recording(NAMES, np.array(times), np.array(values), {})
    if recipe.fault == PLC_GONE:
        recording.values[recording.times > onset, : len(MODBUS)] = np.nan
    return Run(recording, recipe.fault, onset, trip)


def _limits() -> Iterator[tuple[int, float, float]]:
    """Column, low and high of each tag that can trip the plant."""
    for name, limit in _GUARD.items():
        low = -math.inf if limit.low_low is None else limit.low_low
        high = math.inf if limit.high_high is None else limit.high_high
        yield TAGS.index(name), low, high
    yield TAGS.index("discharge_pressure"), -math.inf, _CLOSED_VALVE


_LIMITS = tuple(_limits())


def trips(readings: list[float]) -> bool:
    """Whether a reading exceeds its trip limit."""
    return any(not low <= readings[column] <= high for column, low, high in _LIMITS)


def detection_in(detector, run: Run) -> Detection:
    """The detection of the fault of this run."""
    raised = no_data(run.recording) if run.fault == PLC_GONE else anomalies(detector, run)
    after = next((at - run.onset for at in raised if at >= run.onset), None)
    return Detection(after, None if run.trip is None else run.trip - run.onset)


def anomalies(detector, run: Run) -> list[Nanos]:
    """Times at which the model's alarms that name a tag of the fault were raised."""
    moved = set(FAULTS[run.fault].moves)
    return [
        episode.raised
        for episode in judge(detector, run.recording).episodes
        if moved & {top.tag for top in episode.top[:TOP]}
    ]


def no_data(recording: Recording) -> Iterator[Nanos]:
    """Times at which the alarms about sources without data were raised."""
    timing = TimingSection()
    sources = ["plc"] * len(MODBUS) + ["monitor"] * len(OPCUA)
    tags = [Tag(*each, PERIOD) for each in zip(NAMES, sources, strict=True)]
    watch = FreshnessWatch(tags, timing.stale_periods, timing.hold_periods)
    machine = AlarmMachine(DETECTOR, watch.alarms, NAMES)
    for at, row in zip(recording.times.tolist(), recording.values, strict=True):
        known = np.flatnonzero(~np.isnan(row)).astype(np.int32)
        good = np.zeros(len(known), dtype=np.uint8)
        watch.push(SampleBatch(known, np.full(len(known), at), row[known], good), at)
        yield from (alert.at for alert in machine.step(watch.score(at)) if alert.is_active)
