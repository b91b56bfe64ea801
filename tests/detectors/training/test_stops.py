"""A pump that stops is not an anomaly: the simulated plant, trained and run with a gate."""

from datetime import UTC, datetime

import numpy as np
import pytest

from connectors.simulator.configuration import line_file
from connectors.simulator.recording import Recipe, rows
from connectors.simulator.signals import MODBUS, OPCUA, TAGS
from detectors.data.recordings import Recording
from detectors.evaluation.apply import detector_for, judge
from detectors.training.learn import learn
from detectors.training.prepare import TrainingOptions
from detectors.training.publish import ModelIdentity, manifest_for, write_bundle
from detectors.training.running import Running
from gateway.api import line_protocol
from gateway.api.model import SECOND, Kind, SampleBatch
from gateway.config.build import build_detectors
from gateway.config.load import load
from gateway.line.replay import Replay

NAMES = tuple(signal.name for signal in (*MODBUS, *OPCUA))
COLUMNS = [TAGS.index(name) for name in NAMES]
PERIOD = SECOND // 2
SETTLE = 20 * SECOND
STOP, START = 240 * SECOND, 300 * SECOND
FAULT = 480 * SECOND
GATE = Running(("speed > 2000",), SETTLE)


def record(seconds, **recipe):
    recorded = list(rows(Recipe(seconds * SECOND, sample=PERIOD, **recipe)))
    values = np.array([readings for _, readings in recorded])[:, COLUMNS]
    return Recording(NAMES, np.array([at for at, _ in recorded]), values, {})


@pytest.fixture(scope="module")
def learnt():
    stops = [(n * 300 * SECOND, 60 * SECOND) for n in range(1, 6)]
    return learn(
        record(1800, seed=1, stops=stops), TrainingOptions(running=GATE), lambda _: None, ("pca",)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, learnt):
    folder = tmp_path_factory.mktemp("stops")
    identity = ModelIdentity(id="pump", version="1", created=datetime(2026, 1, 1, tzinfo=UTC))
    manifest = manifest_for(learnt, identity, {"speed": "rpm"})
    write_bundle(folder / "models" / "pump", manifest, learnt.graph)
    guarded = "    type: limits\n    when: speed > 2000\n    settle: 20s\n"
    text = line_file().replace("    type: limits\n", guarded)
    (folder / "line.yaml").write_text(f"{text}\nstate: state\n")
    return folder


@pytest.fixture(scope="module")
def day():
    """Ten minutes in which the pump stops for a minute, and later its bearing wears out."""
    return record(
        600, seed=5, stops=[(STOP, START - STOP)], fault="bearing_wear", fault_after=FAULT
    )


async def played(folder, recording):
    """(seconds since the start, fields) of every alert that a line of this file would send."""
    config = load(folder / "line.yaml")
    points = []
    replay = Replay(config, build_detectors(config), points.append)
    count = len(NAMES)
    assert [tag.name for tag in config.tags] == list(NAMES)
    samples = SampleBatch(
        np.tile(np.arange(count, dtype=np.int32), len(recording.times)),
        np.repeat(recording.times, count),
        recording.values.ravel(),
        np.zeros(recording.values.size, dtype=np.uint8),
    )
    start = int(recording.times[0]) - PERIOD
    await replay.play_samples(start, samples, int(recording.times[-1]))
    alerts = [line_protocol.decode(point.body) for point in points if point.kind is Kind.ALERT]
    return [((point.at - start) // SECOND, point.fields) for point in alerts]


def test_standstill_is_not_used_for_training(learnt):
    assert learnt.prepared.idle > 5 * (60 * SECOND + SETTLE) // PERIOD
    lowest = learnt.prepared.windows.values[:, :, NAMES.index("speed")].min()
    assert lowest > 2000


async def test_a_stop_and_a_start_raise_no_alarm_and_a_fault_while_running_does(folder, day):
    raised = [(at, fields) for at, fields in await played(folder, day) if fields["active"]]
    assert raised, "the fault"
    assert all(at * SECOND >= FAULT for at, _ in raised)
    models = [fields for _, fields in raised if fields["alarm"] == "anomaly"]
    assert models[0]["top_tags"].startswith("vibration_de")


def test_the_detector_is_idle_during_a_stop_and_scores_again_after_settling(folder, day):
    judged = judge(detector_for(folder / "models" / "pump"), day)
    since = judged.at - int(day.times[0]) + PERIOD
    stopped = (since > STOP + 5 * SECOND) & (since < START + SETTLE)
    assert judged.idle[stopped].all()
    assert not judged.idle[since < STOP].any()
    window = 29 * PERIOD
    # It takes a few seconds until the drive has brought the pump to 2000 rpm.
    assert not judged.idle[since > START + SETTLE + window + 5 * SECOND].any()
    assert np.array_equal(np.isnan(judged.score), judged.idle)


def test_without_its_gate_the_same_stop_is_an_alarm(folder, day):
    judged = judge(detector_for(folder / "models" / "pump", when=[]), day)
    since = judged.at - int(day.times[0]) + PERIOD
    assert judged.alarm[(since > STOP) & (since < START)].any()


async def test_an_alarm_that_is_active_when_the_pump_stops_is_suppressed_by_design(folder):
    broken = record(
        300, seed=6, stops=[(180 * SECOND, 300 * SECOND)], fault="cavitation",
        fault_after=60 * SECOND,
    )  # fmt: skip
    alerts = [(at, f) for at, f in await played(folder, broken) if f["alarm"] == "anomaly"]
    (raised_at, raised), (over_at, over) = alerts
    assert 60 < raised_at < 120
    assert 180 < over_at < 180 + 5 + 20
    assert (over["state"], over["active"]) == ("suppressed_by_design", False)
    assert over["id"] == raised["id"]
    assert over["message"].endswith("not running (speed > 2000 rpm is false)")
