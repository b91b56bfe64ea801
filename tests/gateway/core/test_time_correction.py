"""A clock that is known to be wrong: its times are replaced, or corrected by a steady offset."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import batch, tag

from gateway.api.model import SECOND, Quality, SampleBatch
from gateway.core.time_correction import UNMEASURED, UNSTEADY, TimeCorrection

S = SECOND
T0 = 1_700_000_000 * S
HOUR, YEAR = 3600, 31_557_600


class Source:
    """Samples of tag `flow`, one a second, with an offset in seconds; the offset left over."""

    def __init__(self, timestamp="corrected", period=S):
        self.times = TimeCorrection([tag("flow", period=period), tag("speed")], timestamp)
        self.now = T0
        self.last = None

    def push(self, offset):
        self.now += S
        self.last = self.times.apply(batch(self.now + round(offset * S), 1.0), self.now)
        return (int(self.last.at[0]) - self.now) / S

    def go(self, *offsets):
        return [self.push(offset) for offset in offsets]

    @property
    def is_good(self):
        return self.last.quality[0] == Quality.GOOD

    @property
    def reason(self):
        return self.last.reasons.get(0, "")


def test_without_the_line_files_word_nothing_is_changed():
    for timestamp in ("source", "server"):
        source = Source(timestamp)
        sample = batch(T0 + 7200 * S, 1.0)
        assert source.times.apply(sample, T0) is sample


def test_receive_takes_the_arrival():
    source = Source("receive")
    assert source.go(7200, -7200, 0) == [0, 0, 0]
    assert source.is_good


@pytest.mark.parametrize(
    ("offset", "by"),
    [
        (2 * HOUR, "-2 h"), (-2 * HOUR, "+2 h"), (HOUR, "-1 h"), (-5 * HOUR, "+5 h"),
        (-24 * YEAR, "+24 years"), (75 * YEAR, "-75 years"), (30, "-30 s"),
        (-90, "+1 min 30 s"), (5.5 * HOUR, "-5 h 30 min"), (-3, "+3 s"),
    ],
)  # fmt: skip
def test_a_steady_offset_is_subtracted_and_said(offset, by):
    source = Source()
    assert source.go(*[offset] * 4) == [0] * 4
    assert (source.is_good, source.reason) == (False, UNMEASURED)
    assert source.go(offset, offset + 0.5, offset - 0.5) == pytest.approx([0, 0.5, -0.5])
    assert source.is_good
    assert source.times.corrected == {"flow": by}
    assert [(list(c.tags), c.by) for c in source.times.news()] == [(["flow"], by)]
    assert source.times.news() == []


def test_a_right_clock_is_left_alone():
    source = Source()
    assert source.go(0, -0.3, 0.8, -0.9, 0) == pytest.approx([0, -0.3, 0.8, -0.9, 0])
    assert source.is_good
    assert source.times.corrected == {}


@pytest.mark.parametrize(
    "offsets",
    [
        [-second for second in range(2, 60)],
        [7200 + 5 * (second % 2) for second in range(60)],
        [7200 + 3 * second for second in range(60)],
    ],
    ids=["stands still", "jumps", "runs fast"],
)
def test_an_offset_that_is_not_steady_is_not_corrected_and_the_tag_is_bad(offsets):
    source = Source()
    source.go(*offsets)
    assert (source.is_good, source.reason) == (False, UNSTEADY)
    assert source.times.corrected == {}


def test_one_stray_sample_is_uncertain_and_does_not_end_the_correction():
    source = Source()
    source.go(*[7200] * 6, 7190)
    assert not source.is_good
    assert source.go(7200) == [0]
    assert source.is_good


def test_a_clock_that_is_set_to_another_wrong_time_is_measured_anew():
    source = Source()
    source.go(*[7200] * 6)
    source.go(*[3600] * 4)
    assert not source.is_good
    assert source.go(3600) == [0]
    assert source.times.corrected == {"flow": "-1 h"}


def test_a_clock_that_is_set_right_passes_at_once_and_the_correction_ends():
    source = Source()
    source.go(*[7200] * 6)
    source.times.news()
    assert source.go(0, 0) == [0, 0]
    assert source.is_good
    source.go(*[0] * 60)
    assert source.times.corrected == {}
    assert [change.by for change in source.times.news()] == [""]


def test_values_that_a_connector_confirms_between_changes_do_not_disturb():
    source = Source()
    assert source.go(*[7200, 0, 0] * 5)[-6:] == [0] * 6
    source.go(7200)
    assert source.is_good


def test_each_tag_has_its_own_offset_and_bad_samples_stay_as_they_are():
    source = Source()
    for _ in range(6):
        source.now += S
        samples = SampleBatch(
            np.array([0, 1], dtype=np.int32),
            np.array([source.now + 7200 * S, source.now]),
            np.array([1.0, np.nan]),
            np.array([Quality.GOOD, Quality.BAD], dtype=np.uint8),
            reasons={1: "timeout"},
        )
        last = source.times.apply(samples, source.now)
    assert last.at.tolist() == [source.now, source.now]
    assert last.quality.tolist() == [Quality.GOOD, Quality.BAD]
    assert last.reasons == {1: "timeout"}


def test_a_burst_keeps_its_distances():
    source = Source()
    source.go(*[7200] * 6)
    at = source.now + np.array([7198, 7199, 7200]) * S
    burst = replace(batch(0, 1.0, 1.0, 1.0), tag=np.zeros(3, dtype=np.int32), at=at)
    assert ((source.times.apply(burst, source.now).at - source.now) // S).tolist() == [-2, -1, 0]


def test_an_empty_batch_is_no_matter():
    source = Source()
    assert len(source.times.apply(batch(T0), T0)) == 0


def test_a_drifting_clock_is_told_again_when_its_correction_reads_otherwise():
    source = Source()
    told = []
    for second in range(600):
        source.push(7200 + 0.3 * second)
        told += [change.by for change in source.times.news()]
    assert told[0] == "-2 h"
    assert len(told) == len(set(told)) <= 4
