"""What a model of the simulated plant must detect, and must not."""

from datetime import UTC, datetime

import numpy as np
import pytest

from connectors.simulator.faults import MOVED_TAGS
from connectors.simulator.recording import Recipe, rows
from connectors.simulator.signals import MODBUS, OPCUA, TAGS
from detectors.data.recordings import Recording
from detectors.data.resample import cut_windows
from detectors.runtime.onnx import OnnxDetector, OnnxOptions
from detectors.training.learn import learn
from detectors.training.prepare import TrainingOptions
from detectors.training.publish import ModelIdentity, manifest_for, write_bundle
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Tag

NAMES = tuple(signal.name for signal in (*MODBUS, *OPCUA))
PERIOD = SECOND // 2
ON_DELAY = 4  # periods
FAULT_AT = 60


TRIPS = {"bearing_wear": ("bearing_temperature_de", 90), "cavitation": ("suction_pressure", 0.2)}
"""Outermost limits of the plant's line file."""


def record(seed, seconds, fault=None, over=None):
    recipe = Recipe(seconds * SECOND, seed, fault=fault, fault_after=FAULT_AT * SECOND)
    recorded = list(rows(recipe._replace(fault_over=over)))
    values = np.array([readings for _, readings in recorded])
    columns = [TAGS.index(name) for name in NAMES]
    return Recording(NAMES, np.array([at for at, _ in recorded]), values[:, columns], {})


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plant")
    learnt = learn(record(1, 7200), TrainingOptions(), lambda _step: None)
    identity = ModelIdentity(id="plant", version="1", created=datetime(2026, 1, 1, tzinfo=UTC))
    write_bundle(folder / "plant", manifest_for(learnt, identity, {}), learnt.graph)
    options = OnnxOptions.model_validate({"type": "onnx", "bundle": "plant"})
    tags = {name: Tag(name, "plant", PERIOD) for name in NAMES}
    return OnnxDetector("plant", options, tags, Places(folder, folder))


def judge(detector, recording):
    scores = detector.score(cut_windows(recording, PERIOD, detector.spec.length, 1, {}))
    over = np.array([score.values[0] > detector.alarms[0].threshold for score in scores])
    held = np.convolve(over, np.ones(ON_DELAY + 1), "valid") == ON_DELAY + 1
    return [scores[row + ON_DELAY] for row in np.flatnonzero(held)]


@pytest.mark.parametrize("seed", range(11, 16))
def test_normal_running_of_another_plant_raises_no_alarm(detector, seed):
    assert judge(detector, record(seed, 600)) == []


def test_a_pause_of_a_few_seconds_raises_no_alarm(detector):
    """As after a restart, or a lost source: the plant kept running."""
    recording = record(11, 600)
    for first in range(100, 1100, 50):
        recording.values[first : first + 5] = np.nan
    assert judge(detector, recording) == []


@pytest.mark.parametrize("fault", sorted(set(MOVED_TAGS) - {"plc_gone"}))
@pytest.mark.parametrize("seed", [21, 22])
def test_every_fault_is_detected_soon_and_a_tag_that_it_moves_is_named(detector, fault, seed):
    recording = record(seed, 90, fault)
    onset = int(recording.times[0]) - PERIOD + FAULT_AT * SECOND
    alarms = judge(detector, recording)
    assert onset < alarms[0].at <= onset + 15 * SECOND
    top = np.argsort(-alarms[0].contribution)[:3]
    assert {NAMES[column] for column in top} & set(MOVED_TAGS[fault])


@pytest.mark.parametrize("fault", TRIPS)
def test_a_slow_fault_is_detected_before_the_plant_trips(detector, fault):
    recording = record(23, 900, fault, over=480 * SECOND)
    tag, limit = TRIPS[fault]
    values = recording.values[:, NAMES.index(tag)]
    trip = recording.times[np.flatnonzero((values > limit) != (values[0] > limit))[0]]
    onset = int(recording.times[0]) - PERIOD + FAULT_AT * SECOND
    assert onset < judge(detector, recording)[0].at < onset + (trip - onset) // 2
