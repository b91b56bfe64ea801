"""The bytes of each day: read, what a raw forwarder would have sent, sent. Pure.

Promises
- Days are those of UTC. It is kept for a month, and across restarts: a crash costs what came since
  the last report.
- It is fed with counters that start at zero with the daemon, as often as one likes.
"""

import json
from collections.abc import Mapping

import numpy as np

from gateway.api.model import SECOND, Nanos

KEPT = 31
Flows = dict[str, int]
"""Bytes by flow: `read`, `raw`, `raw_gzip`, `sent.<sink>` for each sink, of these all `clips`."""


class Ledger:
    """Days by name (2026-01-31), each with its flows."""

    def __init__(self) -> None:
        self._days: dict[str, Flows] = {}
        self._seen: Flows = {}

    def update(self, counters: Mapping[str, int], now: Nanos) -> None:
        """What the counters grew by since the last time belongs to the present day."""
        today = self._days.setdefault(day_of(now), {})
        for flow, count in counters.items():
            today[flow] = today.get(flow, 0) + count - self._seen.get(flow, 0)
        self._seen = dict(counters)
        for day in sorted(self._days)[:-KEPT]:
            del self._days[day]

    def today(self, now: Nanos) -> Flows:
        """The flows of the present day so far."""
        return totals(self._days.get(day_of(now), {}))

    def days(self) -> list[dict[str, object]]:
        """Every day that is kept as plain facts, the newest first."""
        return [
            {"day": day, **totals(flows), "sent_by": _sent(flows)}
            for day, flows in sorted(self._days.items(), reverse=True)
        ]

    def checkpoint(self) -> bytes:
        """Everything that `restore` takes."""
        return json.dumps(self._days, sort_keys=True).encode()

    def restore(self, state: bytes) -> None:
        """Go on with the days of the last run."""
        self._days = json.loads(state)


def day_of(now: Nanos) -> str:
    """2026-01-31"""
    return str(np.datetime64(now // SECOND, "s").astype("datetime64[D]"))


def totals(flows: Flows) -> Flows:
    """The flows with those of all sinks as one, `sent`."""
    named = {flow: flows.get(flow, 0) for flow in ("read", "raw", "raw_gzip", "clips")}
    return named | {"sent": sum(_sent(flows).values())}


def _sent(flows: Flows) -> Flows:
    return {flow[5:]: count for flow, count in flows.items() if flow.startswith("sent.")}
