"""Names that columns of times have."""

import re

_NAMES = (
    "timestamp", "time", "datetime", "at", "time_stamp", "date_time", "date time", "date/time",
    "zeitstempel", "datum/uhrzeit", "datum uhrzeit", "datumzeit", "datum", "date", "zeit",
    "uhrzeit", "zeitpunkt", "clock", "_time", "ts", "epoch", "unixtime", "unix", "unix_time",
    "t", "when", "recorded_at", "created_at", "logged_at", "horodatage", "date heure", "heure",
    "fecha", "hora", "fecha/hora", "data", "ora", "data/ora", "tijd", "datum/tijd", "tid",
    "source_timestamp", "sourcetimestamp", "server_timestamp", "local time", "utc",
)  # fmt: skip


def rank(name: str) -> int | None:
    """How much a name says that a column holds the times, 0 the most; None if it does not."""
    plain = re.sub(r"\s*[\[(<].*[\])>]\s*$", "", name.strip().lower())
    return _NAMES.index(plain) if plain in _NAMES else None


def is_time_name(name: str) -> bool:
    """Whether a column of this name may be expected to hold times."""
    return rank(name) is not None
