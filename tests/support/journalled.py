"""A line file, and a buffer with a journal as a daemon leaves it."""

import time
from contextlib import closing

from gateway.api.model import SECOND, Kind
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.store import Store
from gateway.core.alarms.journal import note, of_alert

HOUR = 3600 * SECOND
LINE = """
version: 1
line: press
site: here
state: state
history: {}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: 1
    tags: {flow: {address: 0, unit: m3/h}}
"""


def facts(at, transition, state, *, opened_at, alarm="flow.high", **more):
    made = {
        "id": f"guard.{alarm}-{opened_at // 10**6:x}", "detector": "guard", "alarm": alarm,
        "at": at, "opened_at": opened_at, "began_at": opened_at - SECOND,
        "transition": transition, "state": state, "severity": "high", "value": 87.2,
        "threshold": 85.0, "peak": 88.1, "below": False, "tag": "flow", "model": "",
        "coverage": 1.0, "message": f"Flow high: {transition}", "advice": "Close the valve.",
        "by": "", "reason": "", "verdict": "", "acknowledged_by": "", "caused_by": "",
        "active": state != "normal",
        "top_tags": [
            {"tag": "flow", "share": 1.0, "actual": 87.2, "expected": None, "reason": ""}
        ],
    }  # fmt: skip
    return made | more


def journal(now):
    """A start two hours ago, and an alarm that was raised an hour ago and seen by a person."""
    opened_at = now - HOUR
    seen = {"by": "anna", "acknowledged_by": "anna"}
    return [
        note(now - 2 * HOUR, "andon 1.0 started: nothing is known of an earlier run"),
        of_alert(facts(opened_at, "raised", "unacknowledged", opened_at=opened_at)),
        of_alert(
            facts(opened_at + 60 * SECOND, "acknowledged", "acknowledged", opened_at=opened_at,
                  reason="on my way", **seen)
        ),
        of_alert(
            facts(opened_at + 90 * SECOND, "commented", "acknowledged", opened_at=opened_at,
                  verdict="real", **seen)
        ),
        of_alert(facts(opened_at + 120 * SECOND, "returned", "normal", opened_at=opened_at,
                       verdict="real")),
    ]  # fmt: skip


def line_with(folder, entries=None):
    """The line file of a line with these entries, whose daemon does not run."""
    file, state = folder / "press.yaml", folder / "state"
    file.write_text(LINE)
    state.mkdir()
    with closing(
        Store(state / "buffer.db", 10**9, {"cloud": frozenset(Kind)}, time.time_ns)
    ) as store:
        store.append([], {}, journal(time.time_ns()) if entries is None else entries)
        page = store.journal(JournalQuery(1))
    return file, page.entries()[0].id
