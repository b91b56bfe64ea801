"""Times of day without a zone, in the zone that the file names."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from connectors.mqtt import MqttOptions
from connectors.mqtt.times import TimeForm, ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("form", "zone", "text", "received", "at"),
    [
        ("iso", None, "2026-07-01T12:00:00", "2026-07-01T12:00:01", "2026-07-01T12:00:00"),
        ("iso", BERLIN, "2026-07-01T12:00:00", "2026-07-01T10:00:01", "2026-07-01T10:00:00"),
        ("iso", BERLIN, "2026-01-01T12:00:00", "2026-01-01T11:00:01", "2026-01-01T11:00:00"),
        ("iso", BERLIN, "2026-07-01 12:00", "2026-07-01T10:00:01", "2026-07-01T10:00:00"),
        ("iso", BERLIN, "2026-07-01T12:00:00Z", "2026-07-01T12:00:01", "2026-07-01T12:00:00"),
        ("iso", BERLIN, "2026-07-01T12:00:00+05:30", "2026-07-01T06:30", "2026-07-01T06:30:00"),
        ("iso", ZoneInfo("Asia/Kolkata"), "2026-07-01T12:00", "2026-07-01T07", "2026-07-01T06:30"),
        # The hour that comes twice: the one nearer to the reception.
        ("iso", BERLIN, "2026-10-25T02:30:00", "2026-10-25T00:30:01", "2026-10-25T00:30:00"),
        ("iso", BERLIN, "2026-10-25T02:30:00", "2026-10-25T01:30:01", "2026-10-25T01:30:00"),
        ("iso", BERLIN, "2026-10-25T02:59:59", "2026-10-25T02:00:00", "2026-10-25T01:59:59"),
        (
            "%d.%m.%Y %H:%M:%S",
            BERLIN,
            "25.10.2026 02:30:00",
            "2026-10-25T01:31",
            "2026-10-25T01:30",
        ),
        ("%m/%d/%Y %I:%M:%S %p", None, "07/01/2026 01:30:00 PM", "2026-07-01", "2026-07-01T13:30"),
        ("%d/%b/%Y:%H:%M:%S %z", BERLIN, "01/Jul/2026:12:00:00 +0200", "2026", "2026-07-01T10:00"),
        ("%Y%m%d%H%M%S", BERLIN, "20260701120000", "2026-07-01", "2026-07-01T10:00:00"),
    ],
)
def test_a_time_of_day_is_read_in_its_zone(form, zone, text, received, at):
    received = utc(received if len(received) > 4 else "2026-07-01T10:00:00")
    assert TimeForm(form, zone).read(text, received) == utc(at)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2026-03-29T02:30:00"),  # the hour that is left out in spring
        ("iso", "29.11.2026 14:03"),
        ("%d.%m.%Y %H:%M:%S", "2026-11-29T14:03:00"),
        ("%d.%m.%Y %H:%M:%S", "31.02.2026 14:03:00"),
        ("ms", "1795898091000ms"),
        ("ms", "0x1A2"),
        ("ms", ""),
        ("s", True),
        ("s", {"nanos": 5}),
        ("s", {"seconds": None}),
    ],
)
def test_a_time_that_does_not_exist_is_none(form, text):
    assert TimeForm(form, BERLIN).read(text, utc("2026-03-29T01:00:00")) is None


def problems(tag):
    tags = {"t": {"topic": "t", "time_path": "at"} | tag}
    with pytest.raises(ValidationError) as caught:
        MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    return {error["loc"][-1]: error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(
    ("tag", "field", "message"),
    [
        ({"time_format": "%H:%M:%S"}, "time_format", "no place for the year, the month, the day"),
        ({"time_format": "%d.%m. %H:%M"}, "time_format", "no place for the year"),
        ({"time_format": "%d.%m.%Y"}, "time_format", "no place for the hour"),
        ({"time_format": "%Y-%m-%d %H:%Q"}, "time_format", "is not a pattern"),
        ({"time_format": "hours"}, "time_format", "must be one of ns, us, ms, s, iso"),
        ({"time_format": "iso", "timezone": "Berlin"}, "timezone", "as in Europe/Berlin"),
        ({"time_format": "iso", "timezone": "../etc/passwd"}, "timezone", "as in Europe/Berlin"),
        ({"time_format": "ms", "timezone": "Europe/Berlin"}, "timezone", "times of day"),
        ({"time_path": None, "timezone": "Europe/Berlin"}, "timezone", "times of day"),
    ],
)
def test_a_wrong_format_or_zone_is_refused(tag, field, message):
    assert message in problems(tag)[field]
