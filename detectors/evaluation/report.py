"""Report on a backtest, as plain values and as text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from detectors.evaluation.apply import Episode, Judged
from detectors.evaluation.metrics import (
    average_precision,
    baselines,
    count,
    delays,
    hours,
    spans,
    vus_pr,
    without_recovery,
)
from gateway.api.model import SECOND, Bools, Nanos

WEEK_HOURS = 168.0
LONGEST_TOLERANCE = 60
"""Largest tolerance of VUS-PR in rows."""


def as_values(judged: Judged, labels: Bools | None, grace: Nanos) -> dict[str, Any]:
    """The report as plain values; `judged` has the rows of `labels`. Undefined numbers are None."""
    labelled = np.zeros(len(judged.at), dtype=np.bool_) if labels is None else labels
    hit = set(judged.number[labelled].tolist())
    false = sum(number not in hit for number in range(len(judged.episodes)))
    length = hours(judged.at, ~labelled)
    report = {
        "first": moment(int(judged.at[0])),
        "last": moment(int(judged.at[-1])),
        "rows": len(judged.at),
        "idle_rows": int(judged.idle.sum()),
        "blind_rows": int((np.isnan(judged.score) & ~judged.idle).sum()),
        "threshold": judged.threshold,
        "highest_score": _number(np.nanmax(judged.score, initial=-np.inf)),
        "alarms": [
            alarm_values(episode) | {"right": None if labels is None else number in hit}
            for number, episode in enumerate(judged.episodes)
        ],
        "normal_hours": length,
        "false_alarms": false,
        "false_alarms_per_hour": _number(false / length if length else np.nan),
        "false_alarms_per_week": _number(false / length * WEEK_HOURS if length else np.nan),
    }
    return report if labels is None else report | _labelled(judged, labels, grace)


def alarm_values(episode: Episode) -> dict[str, Any]:
    """One alarm: times, highest score, and the tags that caused it with their shares."""
    return {
        "raised": moment(episode.raised),
        "cleared": None if episode.cleared is None else moment(episode.cleared),
        "peak": episode.peak,
        "tags": [{"tag": top.tag, "share": top.share} for top in episode.top],
    }


def _labelled(judged: Judged, labels: Bools, grace: Nanos) -> dict[str, Any]:
    event_delays = delays(judged.at, labels, judged.alarm)
    kept = without_recovery(labels, judged.at, grace)
    events = [
        _event(judged, rows, delay) for rows, delay in zip(spans(labels), event_delays, strict=True)
    ]
    return {
        "events": len(event_delays),
        "events_found": sum(delay is not None for delay in event_delays),
        "events_alarmed_before": sum(event["alarmed_before"] for event in events),
        "delays_s": [None if delay is None else delay / SECOND for delay in event_delays],
        "labelled": events,
        "rates": _rates(labels, judged.alarm),
        "grace_s": grace / SECOND,
        "rates_without_recovery": _rates(labels[kept], judged.alarm[kept]),
        "average_precision": _number(average_precision(labels, judged.score)),
        "vus_pr": _number(vus_pr(labels, judged.score, LONGEST_TOLERANCE)),
    }


def _event(judged: Judged, rows: tuple[int, int], delay: Nanos | None) -> dict[str, Any]:
    """One labelled event, whether its first alarm was raised before it, and that alarm's tags."""
    start, end = rows
    alarms = judged.number[start:end]
    first = [judged.episodes[number] for number in alarms[alarms >= 0][:1]]
    return {
        "first": moment(int(judged.at[start])),
        "last": moment(int(judged.at[end - 1])),
        "delay_s": None if delay is None else delay / SECOND,
        "alarmed_before": any(alarm.raised < judged.at[start] for alarm in first),
        "tags": [tag for alarm in first for tag in alarm_values(alarm)["tags"]],
    }


def _rates(labels: Bools, alarms: Bools) -> dict[str, float | None]:
    counts = count(labels, alarms)
    least = baselines(counts)
    rates = {"f1": counts.f1, "far": counts.far, "mar": counts.mar}
    rates |= {"f1_always": least.always, "f1_random": least.random}
    return {name: _number(value) for name, value in rates.items()}


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines of text."""
    yield f"{report['rows']} rows, {report['first']} to {report['last']}"
    for remark in report.get("remarks", ()):
        yield f"  note          {remark}"
    if report["idle_rows"]:
        yield f"  idle          {report['idle_rows']} rows while the machine was not running"
    yield f"  blind         {report['blind_rows']} rows without a score"
    yield (
        f"  scores        highest {_shown(report['highest_score'])}, "
        f"threshold {report['threshold']:.4g}"
    )
    yield (
        f"  alarms        {len(report['alarms'])}, of which {report['false_alarms']} false in "
        f"{report['normal_hours']:.4g} normal hours: {_shown(report['false_alarms_per_hour'])} an "
        f"hour, {_shown(report['false_alarms_per_week'])} a week"
    )
    if "events" not in report:
        yield "  labels        none (--labels COLUMN), so every alarm counts as false"
        return
    before = report["events_alarmed_before"]
    already = f", {before} of them by an alarm raised before the event" if before else ""
    yield f"  events        {report['events_found']} of {report['events']} detected{already}"
    yield f"  delays        {', '.join(_seconds(delay) for delay in report['delays_s']) or '-'}"
    for name, title in (("rates", "all rows"), ("rates_without_recovery", "with grace")):
        rates = {key: _shown(value) for key, value in report[name].items()}
        yield (
            f"  {title:13} F1 {rates['f1']} (always alarming {rates['f1_always']}, at random "
            f"{rates['f1_random']}), FAR {rates['far']}, MAR {rates['mar']}"
        )
    yield (
        f"  ranking       average precision {_shown(report['average_precision'])}, VUS-PR "
        f"{_shown(report['vus_pr'])}"
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _seconds(delay: float | None) -> str:
    return "missed" if delay is None else f"{delay:g} s"


def moment(at: Nanos) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds")
