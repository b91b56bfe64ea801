"""Quiet hours: whether they are now, and when they end. Pure: the time is an argument."""

from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from gateway.api.model import SECOND, Nanos
from gateway.sinks.notify.options import QuietHours


def quiet_until(hours: QuietHours, now: Nanos) -> Nanos | None:
    """When the quiet hours that hold at `now` end; None if none hold.

    By the wall clock of their zone: on the night of a change to summer time they are shorter.
    """
    zone: tzinfo | None = ZoneInfo(hours.time_zone) if hours.time_zone else None
    here = datetime.fromtimestamp(now / SECOND, zone)
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    for day in (here.date() - timedelta(days=1), here.date()):
        begins = _at(day, start, zone)
        ends = _at(day if end > start else day + timedelta(days=1), end, zone)
        if begins <= now < ends:
            return ends
    return None


def _at(day: object, at: time, zone: tzinfo | None) -> Nanos:
    moment = datetime.combine(day, at, zone)  # type: ignore[arg-type]
    return round(moment.timestamp()) * SECOND
