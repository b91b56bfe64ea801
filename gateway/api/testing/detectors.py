"""The contract of a detector: pure, one score for each window, in the order of tags and alarms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from gateway.api.alarms import Alarm
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Floats, Score, Tag, Window, WindowSpec
from gateway.api.testing.harnesses import DetectorHarness
from gateway.api.testing.plugins import PluginContract

NAME = "mine"
"""The detector's name in the line file."""
START = 1_700_000_000 * SECOND
_WINDOWS = 40


class DetectorContract(PluginContract):
    """What every detector must keep to. Subclass it and override `harness`."""

    group = "andon.detectors"
    needed = ("options", "tags")
    example = "give it `options` as in a line file, and `tags`, a list of Tag"

    @pytest.fixture
    def tags(self, harness: DetectorHarness) -> Mapping[str, Tag]:
        """The tags of the line, by name."""
        return {tag.name: tag for tag in harness.tags}

    @pytest.fixture
    def detector(self, plugin: Any, options: Any, tags: Mapping[str, Tag], places: Places) -> Any:
        """The detector, built as the gateway builds it."""
        return plugin(NAME, options, tags, places)

    @pytest.fixture
    def windows(self, detector: Any, harness: DetectorHarness) -> list[Window]:
        """Successive windows of normal running; after the first ten, with more and more gaps."""
        spec, rng = detector.spec, np.random.default_rng(5)
        rows = spec.length + _WINDOWS * spec.hop
        values = np.stack([harness.normal(tag, rows) for tag in spec.tags], axis=1)
        made = []
        for number in range(_WINDOWS):
            first = number * spec.hop
            part = values[first : first + spec.length].copy()
            part[rng.random(part.shape) < max(0, number - 10) / 60] = np.nan
            made.append(_window(spec, part, START + first * spec.period))
        return made

    def test_it_says_what_it_reads_and_what_it_may_raise(
        self, detector: Any, tags: Mapping[str, Tag]
    ) -> None:
        spec, alarms = detector.spec, detector.alarms
        assert isinstance(spec, WindowSpec)
        assert spec.tags
        assert set(spec.tags) <= set(tags)
        assert min(spec.period, spec.length, spec.hop) >= 1
        assert alarms
        assert all(isinstance(alarm, Alarm) for alarm in alarms)
        assert len({alarm.name for alarm in alarms}) == len(alarms)
        assert {alarm.tag for alarm in alarms if alarm.tag is not None} <= set(spec.tags)
        assert {tag for alarm in alarms for tag in alarm.scope or ()} <= set(spec.tags)

    def test_it_refuses_a_line_without_its_tags(
        self, plugin: Any, options: Any, detector: Any, places: Places
    ) -> None:
        with pytest.raises(ConfigError, match=NAME) as error:
            plugin(NAME, options, {}, places)
        assert any(tag in str(error.value) for tag in detector.spec.tags)

    def test_one_score_for_each_window_in_order(self, detector: Any, windows: list[Window]) -> None:
        scores = detector.score(windows)
        assert [score.at for score in scores] == [window.end for window in windows]
        assert list(detector.score([])) == []

    def test_one_value_for_each_alarm_and_arrays_for_each_tag(
        self, detector: Any, windows: list[Window]
    ) -> None:
        for score in detector.score(windows):
            assert score.values.dtype == np.float64
            assert score.values.shape == (len(detector.alarms),)
            assert 0 <= score.coverage <= 1
            for array in (score.contribution, score.expected, score.actual):
                assert array is None or array.shape == (len(detector.spec.tags),)

    def test_it_judges_normal_running(self, detector: Any, windows: list[Window]) -> None:
        score = detector.score(windows)[0]
        assert not score.blind
        assert not score.idle
        assert np.isfinite(score.values).any()

    def test_the_same_windows_give_the_same_scores(
        self,
        plugin: Any,
        options: Any,
        tags: Mapping[str, Tag],
        places: Places,
        detector: Any,
        windows: list[Window],
    ) -> None:
        scores = detector.score(windows)
        again = plugin(NAME, options, tags, places)
        assert_same(scores, detector.score(windows))
        assert_same(scores, again.score(windows))

    def test_a_score_does_not_depend_on_its_neighbours(
        self, detector: Any, windows: list[Window]
    ) -> None:
        scores = detector.score(windows)
        assert_same(scores, [detector.score([window])[0] for window in windows])
        assert_same(scores, detector.score(windows[::-1])[::-1])

    def test_windows_are_not_written_to(self, detector: Any, windows: list[Window]) -> None:
        before = [(window.values.copy(), window.observed.copy()) for window in windows]
        for window in windows:
            window.values.flags.writeable = window.observed.flags.writeable = False
        detector.score(windows)
        for window, (values, observed) in zip(windows, before, strict=True):
            assert np.array_equal(window.values, values, equal_nan=True)
            assert np.array_equal(window.observed, observed)

    def test_seeing_nothing_it_judges_nothing_and_says_so(self, detector: Any) -> None:
        spec = detector.spec
        [score] = detector.score([_window(spec, np.full((spec.length, len(spec.tags)), np.nan))])
        assert np.isnan(score.values).all(), "a window without a value cannot be judged"
        assert score.coverage == 0
        assert all(tag in score.blind for tag in spec.tags)

    def test_a_tag_that_was_not_observed_is_not_taken_for_zero(
        self, detector: Any, windows: list[Window]
    ) -> None:
        spec = detector.spec
        [normal] = detector.score(windows[:1])
        for column, tag in enumerate(spec.tags):
            unseen, zero = (
                detector.score([_with(spec, windows[0], column, value)])[0].values
                for value in (np.nan, 0.0)
            )
            own = [alarm.tag == tag for alarm in detector.alarms]
            assert np.isnan(unseen[own]).all(), f"{tag}: its alarms cannot be judged without it"
            assert not ((unseen == zero) & (zero != normal.values)).any(), (
                f"{tag}: the score without it is the score with zero in its place"
            )

    def test_the_last_row_is_reported_in_the_order_of_the_tags(
        self, detector: Any, windows: list[Window]
    ) -> None:
        for window, score in zip(windows, detector.score(windows), strict=True):
            if score.actual is not None:
                known = window.observed[-1] & np.isfinite(score.actual)
                assert np.allclose(score.actual[known], window.values[-1][known], rtol=1e-6)

    def test_contributions_sum_to_the_score_and_name_the_strange_tag(
        self, detector: Any, harness: DetectorHarness, windows: list[Window]
    ) -> None:
        spec = detector.spec
        for column, tag in enumerate(spec.tags):
            values = windows[0].values.copy()
            values[:, column] = harness.strange(tag, values[:, column])
            [score] = detector.score([_window(spec, values)])
            if score.contribution is None:
                continue
            assert np.isclose(score.contribution.sum(), score.values[0], rtol=1e-4)
            assert spec.tags[int(np.argmax(score.contribution))] == tag, (
                f"{tag} is strange, and the contributions are {score.contribution} of {spec.tags}"
            )


def _window(spec: WindowSpec, values: Floats, start: int = START) -> Window:
    return Window(start, spec.period, values, ~np.isnan(values))


def _with(spec: WindowSpec, window: Window, column: int, value: float) -> Window:
    values = window.values.copy()
    values[:, column] = value
    return _window(spec, values, window.start)


def assert_same(scores: Sequence[Score], others: Sequence[Score]) -> None:
    """Fails unless the scores are the same, bit by bit."""
    assert len(scores) == len(others)
    for one, other in zip(scores, others, strict=True):
        facts = (one.at, one.coverage, one.model, one.blind, one.idle)
        assert facts == (other.at, other.coverage, other.model, other.blind, other.idle)
        for name in ("values", "contribution", "expected", "actual"):
            first, second = getattr(one, name), getattr(other, name)
            assert (first is None) == (second is None), name
            assert first is None or np.array_equal(first, second, equal_nan=True), name
