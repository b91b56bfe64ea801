"""The limit of an alarm in the unit of its tag, for what shows both. Pure."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

KINDS = frozenset({"low_low", "low", "high", "high_high"})
"""Alarms of a tag whose threshold is a value of it; of others it is a rate or a time."""


def limit_of(alarm: Mapping[str, Any], tag: str) -> float | None:
    """The limit of this tag, of an alarm as JSON; None if it has none in the tag's unit."""
    threshold = alarm.get("threshold")
    if alarm.get("tag") != tag or str(alarm.get("alarm")).rpartition(".")[2] not in KINDS:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        return None
    return float(threshold) if isfinite(threshold) else None
