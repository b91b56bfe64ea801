"""The columns made of everything that a server may report."""

import math
import os
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from asyncua import ua

from connectors.opcua.columns import OpcUaColumns, ValueRule, bad_batch, is_good, seconds
from gateway.api.model import SECOND, Quality

ARRIVED = 1_772_366_400 * SECOND
MOMENT = datetime(2026, 3, 1, 11, 59, 58, 123_456, tzinfo=UTC)
MOMENT_NS = 1_772_366_398_123_456_000
NEVER = datetime(1601, 1, 1, tzinfo=UTC)
ENDLESS = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def data(value, status=ua.StatusCodes.Good, source=MOMENT, server=None):
    return ua.DataValue(ua.Variant(value), ua.StatusCode(status), source, server)


def changes(*values, clock="source", index=0):
    items = [ua.MonitoredItemNotification(index, each) for each in values]
    return OpcUaColumns([ValueRule(), ValueRule()], clock).changes(items, ARRIVED)


@pytest.mark.parametrize(
    ("raw", "value"),
    [(1.5, 1.5), (7, 7.0), (True, 1.0), (False, 0.0), (-(2**63), -(2.0**63)), (2**64 - 1, 2.0**64)],
)
def test_a_number_is_a_value(raw, value):
    batch = changes(data(raw))
    assert batch.value.tolist() == [value]
    assert batch.quality.tolist() == [Quality.GOOD]


@pytest.mark.parametrize(
    "raw",
    [
        None,
        math.nan,
        math.inf,
        -math.inf,
        "1450",
        "",
        b"\x01",
        [1.0, 2.0],
        MOMENT,
        ua.NodeId(1),
    ],
)
def test_anything_but_a_finite_number_is_bad_and_its_neighbour_is_not(raw):
    batch = changes(data(raw), data(2.5))
    assert math.isnan(batch.value[0])
    assert batch.value[1] == 2.5
    assert batch.quality.tolist() == [Quality.BAD, Quality.GOOD]


def test_an_empty_data_value_is_bad_at_its_arrival():
    batch = changes(ua.DataValue(Value=None, StatusCode=None))
    assert (batch.at.tolist(), batch.quality.tolist()) == ([ARRIVED], [Quality.BAD])
    assert math.isnan(batch.value[0])


def test_an_omitted_status_is_good():
    silent = ua.DataValue(Value=ua.Variant(3.0), StatusCode=None)
    assert changes(silent).quality.tolist() == [Quality.GOOD]
    assert is_good(silent)
    assert not is_good(data(3.0, ua.StatusCodes.BadSensorFailure))


@pytest.mark.parametrize(
    ("status", "quality"),
    [
        (0x00000000, Quality.GOOD),
        (0x00960000, Quality.GOOD),  # good, local override
        (0x40900000, Quality.UNCERTAIN),  # uncertain, last usable value
        (0x80000000, Quality.BAD),
        (0x808C0000, Quality.BAD),  # bad, sensor failure
        (0xC0000000, Quality.BAD),  # a severity that the standard reserves
    ],
)
def test_the_severity_of_a_status_is_the_quality(status, quality):
    batch = changes(data(4.0, status))
    assert batch.quality.tolist() == [quality]
    assert np.isnan(batch.value[0]) == (quality is Quality.BAD)


@pytest.mark.parametrize(
    ("status", "lost"),
    [
        (0x00000480, 1),
        (0x40900480, 1),
        (0x00000400, 0),  # a data value's info bits without the overflow
        (0x00000080, 0),  # the same bit where it means something else
        (0x00000880, 0),
    ],
)
def test_only_the_overflow_mark_of_a_data_value_counts_as_lost(status, lost):
    assert changes(data(1.0, status), data(2.0)).lost == lost


@pytest.mark.parametrize("wrong", [None, NEVER, ENDLESS, datetime(1999, 12, 31, tzinfo=UTC)])
def test_an_implausible_time_is_replaced_by_the_next_best(wrong):
    later = MOMENT + timedelta(seconds=1)
    assert changes(data(1.0, source=wrong, server=later)).at.tolist() == [MOMENT_NS + SECOND]
    assert changes(data(1.0, source=wrong, server=wrong)).at.tolist() == [ARRIVED]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            datetime(1970, 1, 1, tzinfo=UTC),
            "its source time is of 1970; the server's or ours is used",
        ),
        (
            datetime(1999, 12, 31, tzinfo=UTC),
            "its source time is of 1999; the server's or ours is used",
        ),
        (NEVER, "its source time is of 1601; the server's or ours is used"),
        (ENDLESS, "its source time is of 9999; the server's or ours is used"),
        (None, None),
        (datetime(2000, 1, 1, tzinfo=UTC), None),
        (MOMENT, None),
    ],
)
def test_a_source_time_that_is_not_used_is_said_until_there_is_one_again(source, said):
    columns = OpcUaColumns([ValueRule()], "source")
    columns.changes(
        [ua.MonitoredItemNotification(0, data(1.0, source=source, server=MOMENT))], ARRIVED
    )
    assert columns.accepted.get(0) == said
    columns.changes([ua.MonitoredItemNotification(0, data(1.0))], ARRIVED)
    assert columns.accepted == {}


def test_a_clock_that_stopped_at_the_start_of_2000_is_not_replaced():
    start = datetime(2000, 1, 1, tzinfo=UTC)
    (at,) = changes(data(1.0, source=start, server=MOMENT)).at.tolist()
    assert at == 946_684_800 * SECOND


@pytest.mark.parametrize(
    ("clock", "at"),
    [("source", MOMENT_NS), ("server", MOMENT_NS + SECOND), ("receive", ARRIVED)],
)
def test_the_clock_is_the_one_that_was_chosen(clock, at):
    both = data(1.0, server=MOMENT + timedelta(seconds=1))
    assert changes(both, clock=clock).at.tolist() == [at]


def test_times_are_exact_to_the_microsecond_and_each_has_its_own():
    moments = [MOMENT + timedelta(microseconds=k) for k in range(500)]
    times = changes(*(data(1.0, source=each) for each in moments), data(1.0, source=None)).at
    assert times.tolist() == [*(MOMENT_NS + 1000 * k for k in range(500)), ARRIVED]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_zone_of_the_machine_does_not_matter(monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        wire = ua.datetime_to_win_epoch(MOMENT)
        assert seconds(ua.win_epoch_to_datetime(wire)) == MOMENT_NS / SECOND
        assert math.isnan(seconds(ua.win_epoch_to_datetime(0)))
        assert math.isnan(seconds(ua.win_epoch_to_datetime(2**63 - 1)))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert os.environ.get("TZ") != zone


def test_a_notification_that_is_empty_or_of_an_unknown_item_is_left_out():
    items = [
        ua.MonitoredItemNotification(2, data(1.0)),
        ua.MonitoredItemNotification(0, None),
        ua.MonitoredItemNotification(1, data(50.0)),
    ]
    batch = OpcUaColumns([ValueRule(), ValueRule()], "source").changes(items, ARRIVED)
    assert (batch.tag.tolist(), batch.value.tolist()) == ([1], [50.0])


def test_an_empty_response_is_an_empty_batch():
    batch = changes()
    assert len(batch) == len(batch.at) == len(batch.value) == len(batch.quality) == 0


def test_a_read_value_has_the_time_of_the_read_whatever_its_own_time():
    tags = np.array([1, 0], dtype=np.int32)
    values = [data(50.0, source=NEVER), data(None, ua.StatusCodes.BadNodeIdUnknown)]
    at = np.full(2, ARRIVED)
    batch = OpcUaColumns([ValueRule(), ValueRule()], "source").read_batch(tags, values, at)
    assert batch.at.tolist() == [ARRIVED, ARRIVED]
    assert batch.quality.tolist() == [Quality.GOOD, Quality.BAD]


@pytest.mark.parametrize(
    ("own", "at"),
    [
        (MOMENT, MOMENT_NS),  # between the two polls: when it changed
        (MOMENT - timedelta(seconds=9), ARRIVED),  # before the last poll: it is unchanged
        (MOMENT + timedelta(seconds=9), ARRIVED),  # ahead of the server's own clock
        (NEVER, ARRIVED),
        (None, ARRIVED),
    ],
)
def test_a_polled_value_has_its_own_time_only_if_it_changed_since_the_last_poll(own, at):
    last = np.array([ARRIVED - 5 * SECOND])
    times = OpcUaColumns([ValueRule(), ValueRule()], "source").poll_times(
        [data(1.0, source=own)], ARRIVED, last
    )
    assert times.tolist() == [at]


def test_a_bad_batch_has_one_bad_sample_of_each_tag():
    batch = bad_batch(np.array([3, 5], dtype=np.int32), ARRIVED, {3: "gone"})
    assert (batch.tag.tolist(), batch.at.tolist()) == ([3, 5], [ARRIVED, ARRIVED])
    assert np.isnan(batch.value).all()
    assert batch.reasons == {3: "gone"}
    assert batch.quality.tolist() == [Quality.BAD, Quality.BAD]


def test_columns_have_the_types_of_the_model():
    for batch in (
        changes(),
        changes(data(1)),
        changes(data("x")),
        bad_batch(np.array([0], np.int32), 0, {}),
    ):
        kinds = [batch.tag.dtype, batch.at.dtype, batch.value.dtype, batch.quality.dtype]
        assert kinds == [np.int32, np.int64, np.float64, np.uint8]


def test_numbers_are_the_same_whether_or_not_something_else_is_among_them():
    plain = [data(raw) for raw in (1.5, 2, True)]
    assert changes(*plain).value.tolist() == changes(*plain, data("x")).value.tolist()[:3]
