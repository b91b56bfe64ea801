"""Times in payloads (pure).

Promises
- A time that cannot be read is None, never the time of something else.
- A time without a zone is taken in the zone that the file names, else in UTC. In the hour that
  comes twice it is the one nearer to the reception; in the hour that is left out it is no time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from gateway.api.model import SECOND, Nanos

UNITS: dict[str, Nanos] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND}
FORMATS = ("ns", "us", "ms", "s", "iso")
_EPOCH = datetime.fromtimestamp(0, UTC)
_DIGITS = re.compile(r"\s*(\d{1,20})(?:\.(\d{1,12})\d*)?\s*", re.ASCII)
_SECONDS, _NANOS = ("timeInSeconds", "seconds"), ("offsetInNanos", "nanos")


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How times are written: `form` is one of FORMATS or a pattern of strptime."""

    form: str
    zone: ZoneInfo | None = None

    def read(self, value: Any, received: Nanos) -> Nanos | None:
        """The time in ns; None if it is not one of this form."""
        unit = UNITS.get(self.form)
        if unit is not None:
            at = _since_1970(value, unit)
        elif not isinstance(value, str):
            return None
        else:
            at = self._of_calendar(value, received)
        return at if at is not None and 0 <= at < 2**63 else None

    def _of_calendar(self, text: str, received: Nanos) -> Nanos | None:
        try:
            if self.form == "iso":
                moment = datetime.fromisoformat(text.strip())
            else:
                moment = datetime.strptime(text.strip(), self.form)  # noqa: DTZ007 - below
            if moment.tzinfo is not None:
                return _nanos(moment)
            return (
                _nanos(moment.replace(tzinfo=UTC))
                if self.zone is None
                else (_in_zone(moment, self.zone, received))
            )
        except (ValueError, OverflowError):
            return None


def _since_1970(value: Any, unit: Nanos) -> Nanos | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value * unit if abs(value) < 2**63 else None
    if isinstance(value, float):
        return round(value * unit) if isfinite(value) and abs(value) < 2**63 else None
    if isinstance(value, str) and (match := _DIGITS.fullmatch(value)):
        fraction = (match[2] or "").ljust(12, "0")
        return int(match[1]) * unit + int(fraction) * unit // 10**12
    if isinstance(value, dict):  # seconds and nanoseconds, as AWS and protobuf have them
        seconds = next((value[key] for key in _SECONDS if key in value), None)
        nanos = next((value[key] for key in _NANOS if key in value), 0)
        whole, part = _since_1970_number(seconds), _since_1970_number(nanos)
        return None if whole is None or part is None else whole * SECOND + part
    return None


def unit_near(value: Any, now: Nanos) -> str | None:
    """The unit in which a number is a time within a year of `now`; None if there is none."""
    year = 366 * 86400 * SECOND
    times = ((name, _since_1970(value, unit)) for name, unit in UNITS.items())
    return next((name for name, at in times if at is not None and abs(at - now) < year < now), None)


def _since_1970_number(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\d{1,20}", value, re.ASCII) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _nanos(moment: datetime) -> Nanos:
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds * 1000


def _in_zone(moment: datetime, zone: tzinfo, received: Nanos) -> Nanos | None:
    both = [_nanos(moment.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
    real = [at for at in both if _wall_clock(at, zone) == moment.replace(microsecond=0)]
    return min(real, key=lambda at: abs(at - received), default=None)


def _wall_clock(at: Nanos, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at // SECOND, zone).replace(tzinfo=None)
