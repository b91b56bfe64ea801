"""The four measurements that andon writes, as finished points of line protocol. Pure.

docs/influx-schema.md describes them field by field; they are fixed.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.api.alarms import Alert, TopTag
from gateway.api.line_protocol import Value, decode, encode
from gateway.api.model import Envelope, Kind, Nanos, Point, Quality, SampleBatch, Summary, Tag
from gateway.core.alarms.maintenance import Change
from gateway.core.alarms.memory import HIDDEN
from gateway.core.alarms.words import Words

ALERT, SUMMARY, GATEWAY = "andon_alert", "andon_summary", "andon_gateway"
CLIP = "andon_clip"


def alert_envelope(alert: Alert, site: str, line: str, alarm_index: int, words: Words) -> Envelope:
    """An alarm's transition as an andon_alert point.

    `alarm_index` (the alarm's place in its detector) is added to the time in nanoseconds, so two
    alarms that change at the same instant do not overwrite each other.
    """
    at = alert.at + alarm_index
    tags = {
        "site": site,
        "line": line,
        "detector": alert.detector,
        "severity": alert.severity.value,
        "tag": alert.tag or "",
    }
    fields: dict[str, Value] = {
        "id": alert.id,
        "alarm": alert.alarm,
        "state": alert.state.value,
        "transition": alert.transition.value,
        "active": alert.is_active,
        "over": alert.is_over,
        "value": float(alert.value),
        "threshold": float(alert.threshold),
        "direction": "below" if alert.below else "above",
        "excess": _excess(alert),
        "peak": float(alert.peak),
        "coverage": float(alert.coverage),
        "opened_at": int(alert.opened_at),
        "top_tags": ",".join(top.tag for top in alert.top_tags),
        "cause": words.causes(alert.top_tags),
        "causes": _causes(alert.top_tags, words.tags),
        "model": alert.model,
        "message": alert.message,
        "in_flood": alert.in_flood,
    }
    # What does not apply is left out: an empty text costs bytes and says nothing.
    fields |= {name: value for name, value in _details(alert).items() if value}
    return Envelope(Kind.ALERT, at, encode(Point(ALERT, tags, fields, at)))


def _excess(alert: Alert) -> float:
    """How far the value is beyond its threshold; above zero only if the alarm is active and shown.

    Alert rules of other systems compare it with zero. An act after the return carries the peak.
    """
    excess = (-1.0 if alert.below else 1.0) * float(alert.value - alert.threshold)
    is_shown = alert.is_active and alert.state not in HIDDEN
    return excess if is_shown else min(excess, 0.0)


def _causes(top_tags: Sequence[TopTag], line_tags: Mapping[str, Tag]) -> str:
    """The causes for programs, as JSON: what is not known is left out."""
    rows = []
    for top in top_tags:
        tag = line_tags.get(top.tag)
        row = {
            "tag": top.tag,
            "share": round(top.share, 4),
            "actual": top.actual,
            "expected": top.expected,
            "unit": (tag.unit if tag else "") or None,
            "name": (tag.name_of(top.actual) if tag else "") or None,
            "reason": top.reason or None,
        }
        rows.append({key: value for key, value in row.items() if _is_known(value)})
    return json.dumps(rows, ensure_ascii=False)


def _is_known(value: object) -> bool:
    # JSON has no NaN.
    return value is not None and (not isinstance(value, float) or math.isfinite(value))


def _details(alert: Alert) -> dict[str, Value]:
    """What only some transitions have."""
    return {
        "began_at": int(alert.began_at),
        "window_start": int(alert.window_start),
        "window_end": int(alert.window_end),
        "regime": alert.regime,
        "config": alert.config,
        "ne107": alert.ne107,
        "advice": alert.advice,
        "by": alert.by,
        "reason": alert.reason,
        "verdict": alert.verdict,
        "acknowledged_by": alert.acknowledged_by,
        "caused_by": alert.caused_by,
    }


def summary_envelope(summary: Summary, site: str, line: str) -> Envelope:
    """One interval of one tag as an andon_summary point, timed at the interval's end."""
    fields: dict[str, Value] = {"count": int(summary.count), "bad": int(summary.bad)}
    numbers = {
        "mean": summary.mean,
        "std": summary.std,
        "min": summary.min,
        "max": summary.max,
        "last": summary.last,
        "coverage": summary.coverage,
    }
    fields |= {name: float(value) for name, value in numbers.items() if value is not None}
    if summary.last_name:
        fields["last_name"] = summary.last_name
    tags = {"site": site, "line": line, "tag": summary.tag}
    body = encode(Point(SUMMARY, tags, fields, summary.end))
    return Envelope(Kind.SUMMARY, summary.end, body)


def clip_envelopes(
    samples: SampleBatch, names: Mapping[int, str], site: str, line: str
) -> list[Envelope]:
    """Raw samples as andon_clip points; `names` are the tags' by their index.

    A bad sample has its quality and no value.
    """
    keys = {n: {"site": site, "line": line, "tag": name} for n, name in names.items()}
    columns = (samples.tag, samples.at, samples.value, samples.quality)
    envelopes: list[Envelope] = []
    for tag, at, value, quality in zip(*(column.tolist() for column in columns), strict=True):
        fields = {"value": value, "quality": Quality(quality).name.lower()}
        envelopes.append(Envelope(Kind.CLIP, at, encode(Point(CLIP, keys[tag], fields, at))))
    return envelopes


def clip_report(fields: Mapping[str, Value], site: str, line: str, at: Nanos) -> Envelope:
    """The contents and the gaps of a clip, as an andon_clip point without a tag."""
    body = encode(Point(CLIP, {"site": site, "line": line}, fields, at))
    return Envelope(Kind.CLIP, at, body)


def restamped(envelope: Envelope, clock: str, shift: Nanos) -> Envelope:
    """The same point, with `clock` as the reason to doubt its time, and shifted by an epoch."""
    point = decode(envelope.body)
    fields = {**point.fields, "clock": clock} if clock else point.fields
    at = point.at + shift
    return replace(envelope, at=at, body=encode(Point(point.measurement, point.tags, fields, at)))


def gap_envelope(
    kind: Kind, reason: str, count: int, since: Nanos, until: Nanos, site: str, line: str, at: Nanos
) -> Envelope:
    """A gap marker: an andon_gateway point that reports lost points and the span of their times."""
    fields: dict[str, Value] = {
        "gap_class": kind.name.lower(),
        "gap_reason": reason,
        "gap_count": count,
        "gap_from": since,
        "gap_to": until,
    }
    return gateway_envelope(fields, site, line, at)


def maintenance_fields(change: Change) -> dict[str, Value]:
    """The fields of an andon_gateway point at the begin and at the end of maintenance."""
    return {
        "maintenance": change.transition != "ended",
        "maintenance_by": change.by,
        "maintenance_why": change.why,
    }


def gateway_envelope(fields: Mapping[str, Value], site: str, line: str, at: Nanos) -> Envelope:
    """The daemon's own state as an andon_gateway point."""
    body = encode(Point(GATEWAY, {"site": site, "line": line}, fields, at))
    return Envelope(Kind.GATEWAY, at, body)
