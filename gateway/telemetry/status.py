"""What `andon status` shows, as one JSON object: a snapshot of `Health`."""

import os
import time
from dataclasses import asdict, fields
from typing import Any

from gateway import __version__
from gateway.api.alarms import Alert
from gateway.api.json_values import finite
from gateway.api.model import SECOND, Nanos
from gateway.telemetry.health import Health

_FACTS = tuple(each.name for each in fields(Alert))


def alert_facts(alert: Alert) -> dict[str, Any]:
    """An alert as JSON facts."""
    # Not asdict alone, which copies each text: an alarm flood makes thousands of these at once.
    plain = {name: getattr(alert, name) for name in _FACTS}
    facts: dict[str, Any] = finite({**plain, "top_tags": [asdict(top) for top in alert.top_tags]})
    return facts | {"active": alert.is_active}


def snapshot(health: Health, now: Nanos) -> dict[str, Any]:
    """Everything a status page needs; times are UTC nanoseconds, durations seconds."""
    health.record_bytes(now)
    facts: dict[str, Any] = finite(_facts(health, now))
    return facts


def _facts(health: Health, now: Nanos) -> dict[str, Any]:
    return {
        "line": health.line,
        "site": health.site,
        "version": __version__,
        "pid": os.getpid(),
        "http_port": health.http_port,
        "started": health.started,
        "now": now,
        "health": health.overall,
        "clock": {"trusted": not health.clock, "why": health.clock, "steps": health.clock_steps},
        "state_folder": health.state_folder,
        "maintenance": dict(health.maintenance),
        "not_ready": health.unready(),
        "parts": health.beats.facts(),
        "counters": {
            "values_read": sum(s.samples for s in health.sources.values()),
            "windows_scored": sum(d.scored for d in health.detectors.values()),
            "alerts_raised": health.raised,
            "alarms_chattered": health.chattered,
            "summaries": health.summaries,
            "samples_late": health.late,
            "samples_future": health.future,
            "samples_dropped": health.dropped,
            "task_restarts": health.restarts,
            "append_failures": health.append_failures,
        },
        "bytes": {
            "read": health.read_bytes,
            "raw": health.raw.plain,
            "raw_gzip": health.raw.zipped,
            "forwarded": health.sent_bytes,
        },
        "names": health.names,
        "ledger": health.ledger.days(),
        "sources": [_source(source, now) for source in health.sources.values()],
        "tags": health.last_values(now),
        "tag_states": health.freshness.counts(now),
        "detectors": [_detector(detector) for detector in health.detectors.values()],
        "sinks": [dict(d.facts()) for d in health.deliveries.values()],
        "buffer": dict(health.buffer),
        "history": dict(health.history()) if health.history else None,
        "services": [dict(service.facts()) for service in health.services.values()],
        "active": [alert_facts(alert) for alert in health.active.values()],
        "alerts": [alert_facts(alert) for alert in health.alerts],
    }


def _source(source: Any, now: Nanos) -> dict[str, Any]:
    facts = asdict(source)
    newest = source.last_sample_at
    facts["age_s"] = round((now - newest) / SECOND, 1) if newest else None
    facts["since_s"] = round(time.monotonic() - facts.pop("since"), 1)
    return facts


def _detector(detector: Any) -> dict[str, Any]:
    return {
        "name": detector.name,
        "state": detector.state,
        "reason": detector.reason,
        "since": detector.since,
        "model": detector.model,
        "score": detector.score,
        "threshold": detector.threshold,
        "below": detector.below,
        "coverage": detector.coverage,
        "scored": detector.scored,
        "refused": detector.refused,
        "idle": detector.idle,
        "last_at": detector.last_at,
        "alarms": len(detector.alarms),
    }
