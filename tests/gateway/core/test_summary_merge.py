"""Several summaries of one tag as one of a longer interval, by value."""

import math

import numpy as np
import pytest

from gateway.api.line_protocol import decode, encode
from gateway.api.model import SECOND, Envelope, Kind, Point
from gateway.core.summary_merge import INTERVAL, key_of, merge_summaries, merged, summary_of

MINUTE = 60 * SECOND
TAGS = {"site": "plant", "line": "skid", "tag": "flow"}


def summary(end, samples=(), bad=0, tags=TAGS, **fields):
    """The point of an interval with these samples, that ends at `end` minutes."""
    values = {"count": len(samples), "bad": bad}
    if samples:
        values |= {
            "mean": float(np.mean(samples)),
            "std": float(np.std(samples)),
            "min": float(min(samples)),
            "max": float(max(samples)),
            "last": float(samples[-1]),
        }
    return Point("andon_summary", tags, {**values, "coverage": 1.0, **fields}, end * MINUTE)


def stored(*points):
    pairs = enumerate(points, 1)
    return [Envelope(Kind.SUMMARY, point.at, encode(point), key=key) for key, point in pairs]


def test_a_quarter_of_an_hour_is_merged():
    assert INTERVAL == 900 * SECOND


def test_counts_extremes_and_the_last_value_merge_exactly():
    whole = merged(
        [summary(3, [5.0, 1.0], bad=2), summary(1, [9.0]), summary(2, [4.0, 4.0], bad=1)]
    )
    assert (whole.measurement, whole.tags, whole.at) == ("andon_summary", TAGS, 3 * MINUTE)
    fields = whole.fields
    assert (fields["count"], fields["bad"]) == (5, 3)
    assert (fields["min"], fields["max"], fields["last"]) == (1.0, 9.0, 1.0)


def test_mean_and_spread_are_those_of_all_samples():
    first, second = [1.0, 2.0, 6.0], [10.0, 30.0]
    fields = merged([summary(1, first), summary(2, second)]).fields
    assert fields["mean"] == pytest.approx(np.mean(first + second), rel=1e-12)
    assert fields["std"] == pytest.approx(np.std(first + second), rel=1e-12)


def test_a_high_level_keeps_its_small_spread():
    first, second = [1e6 + 1e-3, 1e6 - 1e-3], [1e6 + 2e-3, 1e6]
    fields = merged([summary(1, first), summary(2, second)]).fields
    assert fields["std"] == pytest.approx(np.std(first + second), rel=1e-4)


def test_silence_merges_to_silence_and_counts_for_nothing_beside_values():
    silent = merged([summary(1, coverage=0.0), summary(2, bad=1, coverage=0.0)])
    assert silent.fields == {"count": 0, "bad": 1, "coverage": 0.0}
    fields = merged([summary(1, [3.0, 5.0]), summary(2, coverage=0.0)]).fields
    assert (fields["count"], fields["mean"], fields["last"], fields["coverage"]) == (
        2,
        4.0,
        5.0,
        0.5,
    )


def test_one_alone_stays_as_it_is():
    one = summary(1, [3.0, 5.0], bad=1)
    assert merged([one]).fields == one.fields


def test_coverage_is_the_mean_of_the_parts_and_none_is_zero():
    parts = [summary(1, [1.0], coverage=0.25), summary(2, [1.0], coverage=1.0)]
    third = summary(3, [1.0])
    del third.fields["coverage"]
    assert merged([*parts, third]).fields["coverage"] == pytest.approx(1.25 / 3)
    old = summary(1, [1.0])
    del old.fields["bad"]
    assert merged([old, summary(2, [1.0])]).fields["bad"] == 0


def test_the_newest_doubt_of_the_clock_and_the_last_name_stay():
    whole = merged([
        summary(1, [1.0], clock="stepped", last_name="open"),
        summary(3, [1.0], last_name="shut"),
        summary(2, [1.0], clock="behind_points"),
    ])  # fmt: skip
    assert (whole.fields["clock"], whole.fields["last_name"]) == ("behind_points", "shut")
    plain = merged([summary(1, [1.0], last_name="open"), summary(2, [1.0])])
    assert not {"clock", "last_name"} & set(plain.fields)


def test_only_a_summary_is_one():
    assert summary_of(stored(summary(1, [1.0]))[0]) == summary(1, [1.0])
    for body in (b"\xff nonsense", b"andon_alert count=1i 5", b"andon_summary,tag=a mean=1.0 5"):
        assert summary_of(Envelope(Kind.SUMMARY, 1, body)) is None


def test_the_end_of_an_interval_belongs_to_it():
    keys = [key_of(summary(minute, [1.0]))[1] for minute in (1, 15, 16, 30, 31)]
    assert keys == [0, 0, 1, 1, 2]
    assert key_of(summary(1))[0] == "line=skid,site=plant,tag=flow"


def test_summaries_of_one_series_and_interval_go_for_one_under_the_last_number():
    level = {**TAGS, "tag": "level"}
    parts = stored(
        summary(1, [1.0]),
        summary(1, [7.0], tags=level),
        summary(2, [3.0]),
        summary(16, [9.0]),
        summary(14, [5.0]),
    )
    (written,), gone = merge_summaries(parts)
    assert gone == [1, 3, 5]
    assert (written.kind, written.key, written.at) == (Kind.SUMMARY, 5, 14 * MINUTE)
    assert decode(written.body).fields["mean"] == 3.0


def test_the_highest_number_counts_whatever_the_order():
    parts = stored(summary(2, [1.0]), summary(1, [3.0]))
    (written,), gone = merge_summaries(parts[::-1])
    assert (written.key, sorted(gone), written.at) == (2, [1, 2], 2 * MINUTE)


def test_what_has_no_second_is_left_alone():
    foreign = Envelope(Kind.SUMMARY, 1, b"nonsense", key=9)
    assert merge_summaries([*stored(summary(1, [1.0]), summary(16, [1.0])), foreign]) == ([], [])
    assert merge_summaries([]) == ([], [])


def test_several_series_are_merged_each_for_itself():
    level = {**TAGS, "tag": "level"}
    parts = stored(*(summary(n, [float(n)], tags=tags) for n in (1, 2) for tags in (TAGS, level)))
    written, gone = merge_summaries(parts)
    assert [each.key for each in written] == [3, 4]
    assert sorted(gone) == [1, 2, 3, 4]
    assert all(math.isclose(decode(each.body).fields["mean"], 1.5) for each in written)


def test_a_nanosecond_behind_the_end_begins_the_next_interval():
    ends = [Point("andon_summary", TAGS, {"count": 0}, INTERVAL + later) for later in (0, 1, 2)]
    assert [key_of(end)[1] for end in ends] == [0, 1, 1]
