import json
from dataclasses import replace

import bundles
import numpy as np
import pytest
from pydantic import ValidationError

from detectors.bundle.manifest import MANIFEST
from detectors.runtime.onnx import LARGEST, OnnxDetector, OnnxOptions
from gateway.api.alarms import Severity
from gateway.api.contracts import ConfigError, ModelError, Places
from gateway.api.model import SECOND, Tag, WindowSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    bundles.write(folder)
    return folder


def build(folder, tags=bundles.TAGS, **more):
    options = OnnxOptions.model_validate({"type": "onnx", "bundle": "pump", **more})
    return OnnxDetector("pump", options, tags, Places(folder, folder))


@pytest.fixture(scope="module")
def detector(folder):
    return build(folder)


@pytest.fixture(scope="module")
def normal():
    return bundles.windows(bundles.recording(400, seed=9))


def without(window, tag, rows):
    values = window.values.copy()
    values[rows, bundles.NAMES.index(tag)] = np.nan
    return bundles.window(values, window.end)


def test_the_window_follows_the_manifest(detector):
    assert detector.spec.tags == bundles.NAMES
    assert (detector.spec.period, detector.spec.length, detector.spec.hop) == (SECOND, 10, 1)


def test_the_alarm_takes_its_threshold_from_the_manifest_unless_it_is_given(folder):
    [given] = build(folder, threshold=50, hysteresis=0.2, severity="high", on_delay="2s").alarms
    assert (given.name, given.threshold, given.hysteresis) == ("anomaly", 50, 10)
    assert (given.severity, given.on_delay, given.tag) == (Severity.HIGH, 2 * SECOND, None)
    [usual] = build(folder).alarms
    assert usual.threshold == pytest.approx(bundles.learnt().threshold)
    assert usual.hysteresis == pytest.approx(usual.threshold / 10)


def test_the_alarm_has_the_options_of_the_line_file(folder):
    words = {"title": "Pump runs strangely", "phrase": "{alarm}: {tags}", "advice": "listen"}
    [alarm] = build(folder, latch=True, minimum_duration="5s", realarm_after="1h", **words).alarms
    assert {name: getattr(alarm, name) for name in words} == words
    assert (alarm.latch, alarm.minimum_duration) == (True, 5 * SECOND)
    assert alarm.realarm_after == 3600 * SECOND


def test_a_count_of_windows_replaces_the_delay_of_the_bundle(folder, tmp_path):
    bundles.write(tmp_path)
    path = tmp_path / "pump" / MANIFEST
    facts = json.loads(path.read_text()) | {"on_delay": "20s", "off_delay": "30s"}
    path.write_text(json.dumps(facts))
    [usual] = build(tmp_path).alarms
    [counted] = build(tmp_path, n_of_m="3 of 5").alarms
    assert (usual.on_delay, usual.off_delay, usual.of_last) == (20 * SECOND, 30 * SECOND, None)
    assert (counted.on_delay, counted.off_delay) == (0, 30 * SECOND)
    assert counted.of_last == (3, 5)


def test_a_budget_of_false_alarms_gives_the_threshold_instead(folder):
    calibration = bundles.learnt().choice.chosen.calibration
    [often] = build(folder, false_alarms="4 per hour").alarms
    [weekly] = build(folder, false_alarms="1 per week").alarms
    assert often.threshold == pytest.approx(calibration.threshold(900 * SECOND))
    # Twenty minutes of data do not support one alarm in a week.
    assert often.threshold < weekly.threshold == pytest.approx(calibration.threshold())


def test_a_budget_that_the_data_does_not_support_gives_a_warning(folder):
    [warning] = build(folder, false_alarms="1 per week").warnings
    assert "one false alarm in 7 days cannot be promised" in warning
    assert "it supports at most one in 59.6 min" in warning
    assert not build(folder, false_alarms="4 per hour").warnings
    assert not build(folder).warnings


def test_a_threshold_that_may_never_be_reached_is_warned_of(folder):
    assert not build(folder, threshold=5.0).warnings
    [warning] = build(folder, threshold=1e6).warnings
    assert warning.startswith("the threshold 1e+06 is above the score ")
    assert "so it may never be reached; that of the model is " in warning


def test_a_budget_and_a_threshold_together_are_refused(folder):
    with pytest.raises(ValidationError, match="give only one of them"):
        build(folder, false_alarms="1 per week", threshold=3)


def test_a_budget_needs_a_bundle_with_a_calibration(tmp_path):
    path = bundles.write(tmp_path)
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps(manifest | {"calibration": None}))
    with pytest.raises(ConfigError, match="train the model again, or set threshold"):
        build(tmp_path, false_alarms="1 per week")


def test_normal_windows_stay_below_the_threshold(detector, normal):
    highest = max(score.values[0] for score in detector.score(normal))
    assert highest < detector.alarms[0].threshold


@pytest.mark.parametrize("tag", bundles.NAMES)
def test_the_shifted_tag_contributes_most(detector, normal, tag):
    column = bundles.NAMES.index(tag)
    values = normal[0].values.copy()
    values[3:, column] += 3 * bundles.recording().values.std(axis=0)[column]
    [score] = detector.score([bundles.window(values)])
    assert score.values[0] > detector.alarms[0].threshold
    assert score.contribution.argmax() == column


def test_contributions_sum_to_the_score_exactly(detector, normal):
    for score in detector.score(normal):
        assert score.contribution.sum() == pytest.approx(score.values[0], rel=1e-14)
        assert (score.contribution >= 0).all()


def test_expected_follows_from_the_other_tags(detector, normal):
    true = normal[0].values[-1].copy()
    values = normal[0].values.copy()
    values[:, bundles.NAMES.index("flow")] += 5
    [score] = detector.score([bundles.window(values)])
    wrong, right = score.actual[1], score.expected[1]
    assert wrong == pytest.approx(true[1] + 5)
    assert abs(right - true[1]) < 0.5


def test_a_score_names_its_model_its_time_and_its_coverage(detector, normal):
    [score] = detector.score([without(normal[0], "flow", slice(3, 5))])
    assert score.model == "pump@1"
    assert score.at == normal[0].end
    assert score.coverage == 1 - 2 / 40
    assert score.blind == ""


def test_a_window_is_scored_independently_of_the_others(detector, normal):
    mixed = [
        without(window, "flow", slice(0, 9 if n % 7 == 0 else 2)) for n, window in enumerate(normal)
    ]
    together = detector.score(mixed)
    for window, score in zip(mixed, together, strict=True):
        [alone] = detector.score([window])
        assert np.array_equal(alone.values, score.values, equal_nan=True)
        assert alone.blind == score.blind
        if not score.blind:
            assert np.array_equal(alone.contribution, score.contribution)
            assert np.array_equal(alone.expected, score.expected)


def test_a_tag_without_data_makes_the_detector_blind_and_is_named(detector, normal):
    missing = without(without(normal[0], "flow", slice(None)), "speed", slice(4, None))
    [score] = detector.score([missing])
    assert np.isnan(score.values).all()
    assert score.blind == "no data for speed, flow"
    assert score.contribution is None


def test_coverage_is_checked_per_tag_and_the_limit_itself_suffices(folder, normal):
    some = without(normal[0], "flow", slice(0, 2))
    less = without(normal[0], "flow", slice(0, 3))
    assert [score.blind for score in build(folder).score([some, less])] == ["", "no data for flow"]
    [strict] = build(folder, min_coverage=0.9).score([some])
    assert strict.blind == "no data for flow"


def test_a_tag_without_its_newest_value_makes_it_blind_whatever_came_before(detector, normal):
    (score,) = detector.score([without(normal[0], "flow", [-1])])
    assert score.blind == "no data for flow"
    assert np.isnan(score.values).all()


def test_blind_windows_keep_their_order_among_the_others(detector, normal):
    some = [normal[0], without(normal[1], "flow", slice(None)), normal[2]]
    scores = detector.score(some)
    assert [bool(score.blind) for score in scores] == [False, True, False]
    assert [score.at for score in scores] == [window.end for window in some]


def test_an_extreme_value_gives_a_large_score_and_no_nan(detector, normal):
    for extreme in (1e300, -1e300, np.finfo(np.float64).max):
        values = normal[0].values.copy()
        values[-1, 0] = extreme
        [score] = detector.score([bundles.window(values)])
        assert detector.alarms[0].threshold < score.values[0] < np.inf
        assert score.contribution.argmax() == 0


def test_no_windows_give_no_scores(detector):
    assert detector.score([]) == []


def test_a_tag_of_the_model_missing_from_the_line_is_refused_with_a_suggestion(folder):
    tags = {name: tag for name, tag in bundles.TAGS.items() if name != "flow"}
    tags["flow_1"] = replace(bundles.TAGS["flow"], name="flow_1")
    with pytest.raises(ConfigError, match="no tag 'flow' in this line, did you mean 'flow_1'"):
        build(folder, tags)


def test_a_tag_in_another_unit_is_refused(folder):
    tags = bundles.TAGS | {"pressure": replace(bundles.TAGS["pressure"], unit="kPa")}
    with pytest.raises(ConfigError, match="pressure is in 'kPa' here and in 'bar' in the model"):
        build(folder, tags)
    unknown = bundles.TAGS | {"pressure": replace(bundles.TAGS["pressure"], unit="")}
    assert build(folder, unknown).spec.tags == bundles.NAMES


def test_a_missing_bundle_is_refused_with_its_path(tmp_path):
    with pytest.raises(ModelError, match=str(tmp_path / "pump")):
        build(tmp_path)


def test_an_unknown_option_is_refused(folder):
    with pytest.raises(ValidationError, match="treshold"):
        build(folder, treshold=5)


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A bundle trained with a gate on the valve, which is not a tag of the model."""
    folder = tmp_path_factory.mktemp("gated")
    path = bundles.write(folder)
    manifest = json.loads((path / MANIFEST).read_text())
    gate = {"when": ["valve == 1"], "settle": "2s", "units": {"valve": "%"}}
    (path / MANIFEST).write_text(json.dumps(manifest | {"gate": gate}))
    return folder


WITH_VALVE = bundles.TAGS | {"valve": Tag("valve", "plc", SECOND, "%")}


def test_a_line_uses_the_gate_of_the_training_unless_its_file_gives_another(gated):
    assert build(gated, WITH_VALVE).spec == WindowSpec((*bundles.NAMES, "valve"), SECOND, 12)
    assert build(gated, WITH_VALVE, settle="0s").spec.length == 10
    assert build(gated, WITH_VALVE, when="speed > -9").spec == WindowSpec(bundles.NAMES, SECOND, 12)
    assert build(gated, WITH_VALVE, when=[]).spec == WindowSpec(bundles.NAMES, SECOND, 10)


def test_a_window_has_the_same_score_with_and_without_a_gate(gated, folder, normal):
    [without] = build(folder).score(normal[10:11])
    values = np.column_stack((np.vstack((normal[0].values[-2:], normal[10].values)), np.ones(12)))
    [behind] = build(gated, WITH_VALVE).score([bundles.window(values, normal[10].end)])
    assert np.array_equal(behind.values, without.values)
    assert np.array_equal(behind.contribution, [*without.contribution, 0.0])
    values[1, -1] = 0
    [settling] = build(gated, WITH_VALVE).score([bundles.window(values)])
    assert settling.idle == "settling (valve == 1 % for 10 s of 12 s)"
    assert settling.model == "pump@1"


def test_the_tag_of_a_trained_gate_must_exist_in_its_unit(gated):
    with pytest.raises(ConfigError, match="no tag 'valve' in this line"):
        build(gated)
    other = bundles.TAGS | {"valve": Tag("valve", "plc", SECOND, "mm")}
    with pytest.raises(ConfigError, match="valve is in 'mm' here and in '%' in the model"):
        build(gated, other)
    # A gate in the line file is in the line's own units.
    assert build(gated, other, when="valve > 3").spec.tags[-1] == "valve"


def test_a_tag_that_only_the_gate_uses_is_not_monitored_for_drift(gated):
    reference = build(gated, WITH_VALVE).reference
    assert len(reference.edges) == len(bundles.NAMES) + 2
    assert reference.edges[-2] == ()


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (np.inf, "infinity"),
        (-np.inf, "infinity"),
        (np.nan, "NaN"),
        (1e307, "a score beyond 1e+300"),
    ],
)
def test_a_score_that_is_no_number_makes_it_blind(folder, normal, score, said):
    detector = build(folder)
    real = detector._model.run

    class Unreal:
        def run(self, windows):
            given = real(windows)
            return given._replace(score=np.array([given.score[0], score]))

    detector._model = Unreal()
    first, second = detector.score(normal[:2])
    assert (first.blind, second.blind) == ("", f"the model returned {said}")
    assert np.isfinite(first.values).all()
    assert np.isnan(second.values).all()


def test_contributions_and_expected_rows_that_are_no_numbers_cost_no_score(folder, normal):
    detector = build(folder)
    real = detector._model.run

    class Unreal:
        def run(self, windows):
            given = real(windows)
            wrong = np.full_like(given.contribution, np.inf)
            return given._replace(contribution=wrong, expected=-wrong)

    detector._model = Unreal()
    [score] = detector.score(normal[:1])
    assert np.isfinite(score.values).all()
    assert not score.blind
    assert score.contribution.tolist() == [LARGEST] * 4
    assert np.isnan(score.expected).all()


def test_a_calibration_that_overflows_is_refused(tmp_path):
    bundle = bundles.write(tmp_path)
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["calibration"] |= {"spread": 1e308, "tail_spread": 1e308, "counted": []}
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="gives no threshold for false_alarms"):
        build(tmp_path, false_alarms="1 per month")
