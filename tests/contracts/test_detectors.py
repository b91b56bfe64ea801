"""What every detector promises, tried on every one that is registered."""

from importlib.metadata import entry_points

import bundles
import numpy as np
import pytest
from pydantic import BaseModel

from gateway.api.contracts import ConfigError, Places
from gateway.api.model import Alarm, Window, WindowSpec

RECIPES = {
    "limits": {
        "type": "limits",
        "tags": {
            "speed": {"high_high": 3, "high": 2, "low": -2, "hysteresis": 0.1},
            "flow": {"rate_of_change": 1, "flat_line": "5s"},
        },
    },
    "onnx": {"type": "onnx", "bundle": "pump"},
}
INSTALLED = sorted(entry.name for entry in entry_points(group="andon.detectors"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detectors")
    bundles.write(folder)
    return folder


def plugin(name):
    assert name in RECIPES, f"the detector {name!r} needs a recipe here"
    [entry] = entry_points(group="andon.detectors", name=name)
    return entry.load()


@pytest.fixture(scope="module", params=INSTALLED)
def detector(request, folder):
    made = plugin(request.param)
    options = made.Options.model_validate(RECIPES[request.param])
    return made("sut", options, bundles.TAGS, Places(folder, folder))


def some_windows(detector, count=40, seed=5):
    """Windows as the detector asks for, with gaps of all sizes in some."""
    spec, rng = detector.spec, np.random.default_rng(seed)
    columns = [bundles.NAMES.index(tag) for tag in spec.tags]
    rows = bundles.recording(count + spec.length, seed).values[:, columns]
    made = []
    for number in range(count):
        values = rows[number : number + spec.length].copy()
        values[rng.random(values.shape) < number / count / 2] = np.nan
        start = bundles.START + number * spec.hop * spec.period
        made.append(Window(start, spec.period, values, ~np.isnan(values)))
    return made


def same(one, other):
    assert (one.at, one.coverage, one.model, one.blind) == (
        other.at, other.coverage, other.model, other.blind
    )  # fmt: skip
    for name in ("values", "contribution", "expected", "actual"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        assert first is None or np.array_equal(first, second, equal_nan=True)


def test_at_least_the_built_in_detectors_are_registered():
    assert {"limits", "onnx"} <= set(INSTALLED)


def test_it_says_what_it_wants_and_what_it_may_raise(detector):
    assert isinstance(detector.spec, WindowSpec)
    assert set(detector.spec.tags) <= set(bundles.TAGS)
    assert detector.spec.length >= 1
    assert detector.alarms
    assert all(isinstance(alarm, Alarm) for alarm in detector.alarms)
    names = [alarm.name for alarm in detector.alarms]
    assert len(names) == len(set(names))


def test_one_score_for_each_window_in_order(detector):
    windows = some_windows(detector)
    scores = detector.score(windows)
    assert [score.at for score in scores] == [window.end for window in windows]


def test_one_value_for_each_alarm_and_arrays_for_each_tag(detector):
    for score in detector.score(some_windows(detector)):
        assert score.values.dtype == np.float64
        assert score.values.shape == (len(detector.alarms),)
        assert 0 <= score.coverage <= 1
        for array in (score.contribution, score.expected, score.actual):
            assert array is None or array.shape == (len(detector.spec.tags),)


def test_the_same_windows_give_the_same_scores(detector):
    windows = some_windows(detector)
    for one, other in zip(detector.score(windows), detector.score(windows), strict=True):
        same(one, other)


def test_a_score_does_not_depend_on_its_neighbours(detector):
    windows = some_windows(detector)
    for window, score in zip(windows, detector.score(windows), strict=True):
        [alone] = detector.score([window])
        same(alone, score)


def test_windows_are_not_written_to(detector):
    windows = some_windows(detector)
    before = [(window.values.copy(), window.observed.copy()) for window in windows]
    for window in windows:
        window.values.flags.writeable = window.observed.flags.writeable = False
    detector.score(windows)
    for window, (values, observed) in zip(windows, before, strict=True):
        assert np.array_equal(window.values, values, equal_nan=True)
        assert np.array_equal(window.observed, observed)


def test_seeing_nothing_it_judges_nothing_and_says_so(detector):
    shape = (detector.spec.length, len(detector.spec.tags))
    nothing = Window(0, detector.spec.period, np.full(shape, np.nan), np.zeros(shape, dtype=bool))
    [score] = detector.score([nothing])
    assert np.isnan(score.values).all()
    assert score.coverage == 0
    assert all(tag in score.blind for tag in detector.spec.tags)


def test_no_windows_give_no_scores(detector):
    assert list(detector.score([])) == []


@pytest.mark.parametrize("name", INSTALLED)
def test_its_options_refuse_what_they_do_not_know(name):
    options = plugin(name).Options
    assert issubclass(options, BaseModel)
    with pytest.raises(ValueError, match="nonsense"):
        options.model_validate(RECIPES[name] | {"nonsense": 1})


@pytest.mark.parametrize("name", INSTALLED)
def test_it_refuses_a_line_without_its_tags(name, folder):
    made = plugin(name)
    options = made.Options.model_validate(RECIPES[name])
    with pytest.raises(ConfigError, match="sut: no tag 'speed'"):
        made("sut", options, {}, Places(folder, folder))
