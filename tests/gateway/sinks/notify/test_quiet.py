from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.api.model import SECOND
from gateway.sinks.notify.options import QuietHours
from gateway.sinks.notify.quiet import quiet_until

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(start="22:00", end="06:00", time_zone="Europe/Berlin")
LUNCH = QuietHours(start="12:00", end="13:30", time_zone="Europe/Berlin")


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        (NIGHT, "2026-01-01T21:59:59", None),
        (NIGHT, "2026-01-01T22:00:00", "2026-01-02T06:00:00"),
        (NIGHT, "2026-01-02T00:30:00", "2026-01-02T06:00:00"),
        (NIGHT, "2026-01-02T05:59:59", "2026-01-02T06:00:00"),
        (NIGHT, "2026-01-02T06:00:00", None),
        (LUNCH, "2026-01-01T11:59:59", None),
        (LUNCH, "2026-01-01T12:00:00", "2026-01-01T13:30:00"),
        (LUNCH, "2026-01-01T13:30:00", None),
        # The night of the change to summer time, and of the change back.
        (NIGHT, "2026-03-29T01:30:00", "2026-03-29T06:00:00"),
        (NIGHT, "2026-10-25T02:30:00", "2026-10-25T06:00:00"),
    ],
)
def test_quiet_hours_hold_from_their_start_to_their_end(hours, now, until):
    assert quiet_until(hours, at(now)) == (None if until is None else at(until))


def test_without_a_zone_the_clock_of_the_machine_counts():
    hours = QuietHours(start="00:00", end="23:59")
    noon = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - that is what is tested
    now = round(noon.timestamp()) * SECOND
    assert quiet_until(hours, now) == now + (11 * 60 + 59) * 60 * SECOND
