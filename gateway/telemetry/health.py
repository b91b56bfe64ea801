"""The state of the daemon in one place, for status, metrics, /readyz and andon_gateway.

Promises
- Plain counters and facts, written by one task each, read by anyone between two awaits.
- *No anomaly*, *cannot judge* and *nothing to judge* are kept apart: a detector that is blind, or
  idle because its machine does not run, says so and why.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, cast

import numpy as np

from gateway.api.alarms import Alert, Transition
from gateway.api.model import SECOND, Nanos, Quality, SampleBatch, Tag
from gateway.core.alarms.maintenance import Maintenance
from gateway.core.alarms.memory import HIDDEN
from gateway.core.byte_ledger import Ledger
from gateway.core.device_status import DeviceStatus
from gateway.core.freshness import Freshness, FreshnessWatch
from gateway.core.grid import FUTURE_LIMIT
from gateway.telemetry.detector_health import DetectorHealth
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.raw_estimate import RawEstimate
from gateway.telemetry.services import LocalService
from gateway.telemetry.source_health import SourceHealth

_TELLING = (Transition.RAISED, Transition.UPDATED)
"""Transitions whose message says what is wrong."""
RECENT = 100
"""Alert transitions that `andon status` can show."""


class Delivery(Protocol):
    """The part of a forwarder that health reads."""

    name: str

    @property
    def up(self) -> bool: ...

    @property
    def error(self) -> str: ...

    @property
    def sent_bytes(self) -> int: ...

    @property
    def clip_bytes(self) -> int: ...

    @property
    def is_local(self) -> bool: ...

    def facts(self) -> Mapping[str, object]: ...


class Health:
    """The health of one line; `beats` is the table of its parts."""

    def __init__(
        self,
        line: str,
        site: str,
        tags: Sequence[Tag],
        freshness: FreshnessWatch,
        beats: Heartbeats | None = None,
    ) -> None:
        self.line, self.site, self.tags = line, site, tuple(tags)
        self.freshness, self.beats = freshness, beats or Heartbeats()
        self.started = time.time_ns()
        self.http_port = 0
        self.services = {name: LocalService(name) for name in ("health", "control")}
        self.sources = {name: SourceHealth(name) for name in dict.fromkeys(t.source for t in tags)}
        self.detectors: dict[str, DetectorHealth] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.buffer: Mapping[str, object] = {}
        self.history: Callable[[], Mapping[str, object]] | None = None
        self.alerts: deque[Alert] = deque(maxlen=RECENT)
        self._open: dict[tuple[str, str], Alert] = {}
        self.raised = self.chattered = 0
        self.restarts = 0
        self.clock = ""
        """Why the clock is not trusted; empty while it is."""
        self.clock_steps = 0
        self.names: Mapping[str, Mapping[str, str]] = {}
        """The names of states and severities in the line's language; see `Words.names`."""
        self.maintenance: Mapping[str, object] = Maintenance().facts()
        """Whether the line is in maintenance, since when, by whom and why."""
        self.state_folder = ""
        """Why the state folder or its disk is not as it should be; empty while it is."""
        self.late = 0
        self.future = 0
        self.dropped = 0
        self.summaries = 0
        self.raw = RawEstimate(self.tags, site, line)
        self.ledger = Ledger()
        self.append_failures = 0
        self.dropped_points = 0
        self._last = np.full(len(self.tags), np.nan)
        self._last_at = np.zeros(len(self.tags), dtype=np.int64)

    def note_samples(self, batch: SampleBatch, now: Nanos) -> None:
        """Samples that reached the line; the line's tag indices."""
        self.raw.note(batch, now)
        # A value from the future is no last value: it would stand there until then.
        good = (batch.quality == Quality.GOOD) & (batch.at <= now + FUTURE_LIMIT)
        self._last[batch.tag[good]] = batch.value[good]
        self._last_at[batch.tag[good]] = batch.at[good]

    def note_alert(self, alert: Alert) -> None:
        """A transition that is on disk."""
        self.alerts.append(alert)
        self.raised += alert.transition is Transition.RAISED
        self.chattered += alert.transition is Transition.RAISED and alert.chattering
        key = alert.detector, alert.alarm
        known = self._open.get(key)
        if alert.is_over and alert.transition is Transition.COMMENTED:
            # It was over before, and the alarm may have come again since.
            return
        if alert.is_over:
            self._open.pop(key, None)
        elif alert.transition in _TELLING or known is None:
            self._open[key] = alert
        else:
            # What is wrong is still what the activation said.
            self._open[key] = replace(
                known,
                state=alert.state,
                is_active=alert.is_active,
                acknowledged_by=alert.acknowledged_by,
                verdict=alert.verdict,
                by=alert.by or known.by,
                reason=alert.reason if alert.by else known.reason,
                shelved_until=alert.shelved_until,
                is_hidden=alert.is_hidden,
                chattering=alert.chattering,
            )

    def take_up(self, standing: Iterable[Alert]) -> None:
        """The alarms that the last run left open."""
        self._open |= {(alert.detector, alert.alarm): alert for alert in standing}

    @property
    def open(self) -> list[Alert]:
        """The alarms that are not normal, the one whose condition began first at the top."""
        return sorted(self._open.values(), key=lambda alert: alert.began_at or alert.opened_at)

    @property
    def active(self) -> dict[str, Alert]:
        """Those whose condition holds and that are not hidden, by their ids."""
        return {a.id: a for a in self.open if a.is_active and a.state not in HIDDEN}

    def note_clock(self, why: str, step: Nanos) -> bool:
        """Why the clock is not trusted, and its step just now; True if the former is news."""
        self.clock_steps += bool(step)
        news = why != self.clock
        self.clock = why
        return news

    @property
    def sent_bytes(self) -> int:
        """Bytes that left this machine."""
        return sum(delivery.sent_bytes for delivery in self._leaving)

    @property
    def _leaving(self) -> list[Delivery]:
        return [delivery for delivery in self.deliveries.values() if not delivery.is_local]

    @property
    def read_bytes(self) -> int:
        return sum(source.wire_bytes for source in self.sources.values())

    def record_bytes(self, now: Nanos) -> None:
        """Enter into the ledger what was read and sent since the last time."""
        sent = {f"sent.{delivery.name}": delivery.sent_bytes for delivery in self._leaving}
        counters = {"read": self.read_bytes, "raw": self.raw.plain, "raw_gzip": self.raw.zipped}
        clips = {"clips": sum(delivery.clip_bytes for delivery in self._leaving)}
        self.ledger.update(counters | clips | sent, now)

    @property
    def overall(self) -> str:
        """'blind' when a detector cannot judge, else 'degraded' or 'ok'.

        Degraded is a line of which a part is away or stuck, or which has given points up. Nothing
        is judged while a part is stuck that all detectors depend on.
        """
        stuck = self.beats.stuck()
        if any(d.state in ("blind", "failed") for d in self.detectors.values()):
            return "blind"
        if any(each.restart_helps for each in stuck):
            return "blind"
        up = [s.up for s in self.sources.values()] + [d.up for d in self.deliveries.values()]
        wrong = stuck or self.given_up or self.state_folder
        return "ok" if all(up) and not wrong else "degraded"

    @property
    def words(self) -> str:
        """The line's state for systemd, in one row."""
        return "; ".join([f"{self.line}: {self.overall}", *map(str, self.beats.stuck())])

    @property
    def given_up(self) -> list[str]:
        """Which points were given up, one sentence each; see gateway/buffer/given_up.py."""
        return list(cast("Sequence[str]", self.buffer.get("given_up_why", ())))

    def unready(self) -> list[str]:
        """What does not work, one sentence each; empty if the whole line works."""
        stuck = self.beats.stuck()
        away = [
            f"source {s.name}: {s.error or 'no data yet'}"
            for s in self.sources.values()
            if not s.up
        ]
        away += [
            f"detector {d.name}: {d.sentence}"
            for d in self.detectors.values()
            if d.state not in ("ok", "idle") and not d.is_stuck
        ]
        if self.state_folder:
            away.append(f"state folder: {self.state_folder}")
        if self.clock:
            away.append(f"clock: not trusted, {self.clock.replace('_', ' ')}")
        away += [f"sink {d.name}: {d.error}" for d in self.deliveries.values() if not d.up]
        return [*map(str, stuck), *self.given_up, *away]

    def gateway_fields(self, now: Nanos) -> dict[str, float | int | bool | str]:
        """The fields of one andon_gateway point."""
        fields: dict[str, float | int | bool | str] = {
            "health": self.overall,
            "values_read": sum(s.samples for s in self.sources.values()),
            "windows_scored": sum(d.scored for d in self.detectors.values()),
            "alerts_raised": self.raised,
            "alerts_active": len(self.active),
            "samples_late": self.late,
            "samples_dropped": self.dropped + self.future,
            "points_dropped": self.dropped_points + int(str(self.buffer.get("dropped", 0))),
            "bytes_read": self.read_bytes,
            "bytes_raw": self.raw.plain,
            "bytes_raw_gzip": self.raw.zipped,
            "bytes_forwarded": self.sent_bytes,
            "buffered_alerts": int(str(self.buffer.get("alerts", 0))),
            "buffered_summaries": int(str(self.buffer.get("summaries", 0))),
            "sources_up": sum(s.up for s in self.sources.values()),
            "sources": len(self.sources),
            "maintenance": bool(self.maintenance["on"]),
        }
        fields |= {f"tags_{state}": n for state, n in self.freshness.counts(now).items()}
        fields["tags_wrong_time"] = sum(n for _, n in self.freshness.offsets().values())
        fields |= {f"day_bytes_{flow}": n for flow, n in self.ledger.today(now).items()}
        for detector in self.detectors.values():
            farthest = detector.take_farthest()
            if detector.threshold is not None and farthest is not None:
                fields[f"score_{detector.name}"] = farthest
                fields[f"threshold_{detector.name}"] = detector.threshold
        return fields

    def last_values(self, now: Nanos) -> list[dict[str, object]]:
        """Each tag with its last good value, how old that is, its state and the reason for it.

        `ne107` is what that means for its sensor: normal, or one of the four classes.
        """
        states, status = self.freshness.states(now), self.freshness.status(now)
        ages = (now - self._last_at) / SECOND
        # What is ahead of the clock has no age.
        ages = np.where(ages < -FUTURE_LIMIT / SECOND, np.nan, np.maximum(ages, 0.0))
        reasons = {
            **self.freshness.suspicions(status, now, exact=True),
            **self.freshness.reasons(now, exact=True),
        }
        return [
            {
                "tag": tag.name,
                "source": tag.source,
                "unit": tag.unit,
                "value": None if np.isnan(value) else float(value),
                "name": tag.name_of(float(value)),
                "state": Freshness(int(state)).name.lower(),
                "reason": reasons.get(number, ""),
                "ne107": DeviceStatus(int(status[number])).name.lower(),
                "age_s": None if np.isnan(value + age) else round(float(age), 1),
            }
            for number, (tag, value, state, age) in enumerate(
                zip(self.tags, self._last, states, ages, strict=True)
            )
        ]
