"""The status of a daemon of another version: what it does not know is filled in.

A package that was updated asks the daemon that still runs with the old one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.cli.pieces import Facts

_TOP_TAG = {"tag": "–", "share": 0.0, "actual": None, "expected": None, "reason": ""}
_ALERT = {
    "id": "–",
    "detector": "",
    "severity": "high",
    "state": "–",
    "at": 0,
    "message": "",
    "tag": None,
    "active": False,
    "top_tags": [_TOP_TAG],
}
_DETECTOR = {
    "name": "–",
    "state": "–",
    "reason": "",
    "since": 0,
    "score": None,
    "threshold": None,
    "below": False,
    "scored": 0,
}
_SOURCE = {
    "name": "–",
    "up": True,
    "error": "",
    "since_s": 0.0,
    "age_s": None,
    "samples": 0,
    "losses": 0,
    "lost_samples": 0,
    "corrected": {},
    "diagnostics": (),
}
_SINK = {"name": "–", "up": True, "error": "", "sent_bytes": 0, "spent": 0, "budget": None}
_DAY = {"day": "–", "read": 0, "raw_gzip": 0, "sent": 0, "clips": 0}
_TAG = {
    "tag": "–",
    "value": None,
    "unit": "",
    "name": "",
    "state": "–",
    "reason": "",
    "age_s": None,
    "source": "–",
}
_SERVICE = {"name": "–", "open": 0, "streams": 0, "ended": {}}
_STATUS = {
    "line": "–",
    "site": "–",
    "health": "–",
    "now": 0,
    "started": 0,
    "not_ready": (),
    "counters": {"values_read": 0, "windows_scored": 0},
    "tags": [_TAG],
    "tag_states": {},
    "detectors": [_DETECTOR],
    "sources": [_SOURCE],
    "sinks": [_SINK],
    "ledger": [_DAY],
    "names": {"state": {}, "severity": {}, "ne107": {}},
    "history": None,
    "services": [_SERVICE],
    "active": [_ALERT],
    "alerts": [_ALERT],
}
_HISTORY = {"bytes": 0, "oldest_at": 0, "dropped": 0, "error": "", "clips": None}
_CLIPS = {"cut": 0, "left_out": 0}


def completed(facts: Facts) -> Facts:
    """The status with all that a page shows; "–" stands for a name that is not known."""
    status = _filled(facts, _STATUS)
    if status["history"]:
        status["history"] = _filled(status["history"], _HISTORY)
        if status["history"]["clips"]:
            status["history"]["clips"] = _filled(status["history"]["clips"], _CLIPS)
    return status


def _filled(facts: Facts, model: Facts) -> dict[str, Any]:
    """These facts, and what they lack of the model; a list of the model has one element for all."""
    filled = dict(facts)
    for key, standard in model.items():
        is_list = isinstance(standard, list)
        if key not in filled:
            filled[key] = [] if is_list else standard
        elif is_list and isinstance(filled[key], Sequence):
            filled[key] = [_filled(each, standard[0]) for each in filled[key]]
        elif isinstance(standard, Mapping) and isinstance(filled[key], Mapping):
            filled[key] = _filled(filled[key], standard)
    return filled
