"""An alert as it was, from the facts in the journal. Pure.

Promises
- Facts of another version are read as far as they are known; what cannot be an alert is None.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gateway.api.alarms import AlarmState, Alert, Severity, TopTag, Transition

_NUMBERS = ("value", "threshold", "peak", "coverage")


def remembered_alert(facts: Mapping[str, Any]) -> Alert | None:
    """The alert of these facts; None if they lack something that it needs."""
    known = {each.name: facts[each.name] for each in fields(Alert) if each.name in facts}
    try:
        # JSON has no NaN: a number that was none is null.
        numbers = {n: math.nan if facts[n] is None else float(facts[n]) for n in _NUMBERS}
        states = {
            "state": AlarmState(facts["state"]),
            "severity": Severity(facts["severity"]),
            "transition": Transition(facts["transition"]),
        }
        top_tags = tuple(TopTag(**top) for top in facts["top_tags"])
        return Alert(**{**known, **numbers, **states, "top_tags": top_tags})
    except (KeyError, TypeError, ValueError):
        return None
