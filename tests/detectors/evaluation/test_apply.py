import bundles
import numpy as np
import pytest

from detectors.evaluation import apply
from detectors.evaluation.apply import detector_for, judge
from detectors.runtime.onnx import OnnxDetector, OnnxOptions
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Quality, SampleBatch
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.align import Aligner


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return bundles.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def faulty():
    source = bundles.recording(300, seed=5)
    source.values[150:180, 1] += 8
    source.values[220:260, 2] = np.nan
    return source


def live(bundle, source, **alarm):
    """Ends, scores and alarms of a running line, fed sample by sample."""
    options = OnnxOptions.model_validate({"type": "onnx", "bundle": bundle.name, **alarm})
    detector = OnnxDetector("pump", options, bundles.TAGS, Places(bundle.parent, bundle.parent))
    tags = [bundles.TAGS[name] for name in source.names]
    start = int(source.times[0]) - SECOND
    aligner = Aligner({"pump": detector.spec}, tags, lateness=0, hold_periods=3, now=start - 1)
    machine = AlarmMachine("pump", detector.alarms, detector.spec.tags)
    rows = []
    for at, values in zip(source.times, source.values, strict=True):
        known = np.flatnonzero(~np.isnan(values))
        good = np.full(len(known), Quality.GOOD, dtype=np.uint8)
        when = np.full(len(known), at, dtype=np.int64)
        aligner.push(SampleBatch(known.astype(np.int32), when, values[known], good))
        for window in aligner.advance(int(at)).get("pump", []):
            score = detector.score([window])[0]
            machine.step(score)
            rows.append((window.end, score.values[0], bool(machine.active)))
    return rows


@pytest.mark.parametrize("alarm", [{}, {"on_delay": "4s", "off_delay": "20s"}])
def test_offline_and_live_scores_are_identical(bundle, faulty, alarm):
    judged = judge(detector_for(bundle, **alarm), faulty)
    by_end = {end: (score, active) for end, score, active in live(bundle, faulty, **alarm)}
    rows = [by_end[end] for end in judged.at.tolist()]
    assert np.array_equal(judged.score, [score for score, _ in rows], equal_nan=True)
    assert judged.alarm.tolist() == [active for _, active in rows]
    assert judged.alarm.any()
    assert not judged.alarm[:100].any()


def test_later_data_changes_nothing(bundle, faulty):
    whole = judge(detector_for(bundle), faulty)
    cut = faulty._replace(times=faulty.times[:200], values=faulty.values[:200])
    part = judge(detector_for(bundle), cut)
    assert np.array_equal(part.score, whole.score[: len(part.score)], equal_nan=True)


def test_a_gap_has_no_score(bundle, faulty):
    judged = judge(detector_for(bundle), faulty)
    assert np.isnan(judged.score).sum() > 20


def test_each_sample_has_the_window_that_ends_with_its_cell(bundle, faulty):
    judged = judge(detector_for(bundle), faulty)
    beside = judged.at_times(judged.at[5:8] - SECOND // 3)
    assert np.array_equal(beside.score, judged.score[5:8])
    early = judged.at_times(judged.at[:1] - 5 * SECOND)
    assert np.isnan(early.score).all()
    assert not early.alarm.any()


def test_a_missing_column_is_named(bundle, faulty):
    with pytest.raises(ConfigError, match="no column for the model's tags pressure"):
        judge(detector_for(bundle), faulty.only(["speed", "flow", "current"]))


def test_less_than_a_window_is_refused(bundle):
    with pytest.raises(ConfigError, match=r"shorter than one window of the model \(10 rows\)"):
        judge(detector_for(bundle), bundles.recording(5))


def test_an_invalid_delay_is_refused(bundle):
    with pytest.raises(ConfigError, match="on_delay"):
        detector_for(bundle, on_delay="5 parsecs")


def test_the_progress_is_reported(bundle, faulty, monkeypatch):
    monkeypatch.setattr(apply, "CHUNK", 100)
    shares = []
    judged = judge(detector_for(bundle), faulty, shares.append)
    assert shares == [*(start / len(judged.at) for start in range(0, len(judged.at), 100)), 1.0]
    assert len(shares) > 2
