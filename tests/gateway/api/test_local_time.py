from datetime import UTC, timedelta, timezone

from gateway.api.local_time import local_time
from gateway.api.model import SECOND

AT = 1_767_264_123 * SECOND


def test_a_time_is_spelled_in_a_named_zone():
    assert local_time(AT, zone=UTC) == "2026-01-01 10:42:03"
    assert local_time(AT, "%H:%M", timezone(timedelta(hours=2))) == "12:42"


def test_the_machines_own_zone_is_the_usual_one(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert local_time(AT) == "2026-01-01 19:42:03"
    finally:
        monkeypatch.undo()
        time.tzset()
