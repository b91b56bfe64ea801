"""What was learnt, for people and as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detectors.training.learn import Learnt
from gateway.model import SECOND, Nanos
from gateway.options import format_duration

HOUR = 3600 * SECOND


def as_values(learnt: Learnt, model: str, path: Path, seconds: float) -> dict[str, Any]:
    """The report as plain values."""
    prepared, chosen = learnt.prepared, learnt.choice.chosen
    return {
        "bundle": str(path),
        "model": model,
        "rows": learnt.rows,
        "windows": prepared.total,
        "windows_judged": len(learnt.scores),
        "first": _moment(int(prepared.windows.ends[0])),
        "last": _moment(int(prepared.windows.ends[-1])),
        "period": format_duration(prepared.windows.period),
        "window": learnt.model.frame.length,
        "hop": prepared.hop,
        "tags": list(prepared.names),
        "dropped": learnt.left_out,
        "method": str(chosen.core),
        "candidates": [
            {"method": str(each.core), "sensitivity": round(each.sensitivity, 4)}
            for each in learnt.choice.candidates
        ],
        "threshold": learnt.threshold,
        "delay": format_duration(learnt.delay),
        "normal_running_hours": round(chosen.calibration.length / HOUR, 3),
        "false_alarm_wished_hours": learnt.budget and learnt.budget / HOUR,
        "false_alarm_at_most_hours": round(chosen.calibration.furthest / HOUR, 3),
        "false_alarm_interval_hours": [round(each / HOUR, 3) for each in learnt.sureness],
        "too_short": (learnt.budget or 0) > chosen.calibration.furthest,
        "held_out_median": float(np.median(learnt.scores)),
        "held_out_highest": float(learnt.scores.max()),
        "held_out_exceedances": learnt.exceedances,
        "drifted": learnt.has_drifted,
        "seconds": round(seconds, 3),
    }


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines."""
    yield f"{report['model']} written to {report['bundle']} in {report['seconds']:.1f} s"
    yield f"  data        {report['rows']} rows, {report['first']} to {report['last']}"
    yield (
        f"  windows     {report['windows']} of {report['window']} rows of {report['period']}, "
        f"{report['windows_judged']} judged by models that had not seen them"
    )
    yield f"  tags        {len(report['tags'])}: {', '.join(report['tags'])}"
    for name, why in report["dropped"].items():
        yield f"  left out    {name}: {why}"
    yield f"  model       {report['method']}"
    for each in report["candidates"]:
        yield f"  tried       {each['method']}: sees {each['sensitivity']:.1%} of shifted tags"
    yield (
        f"  threshold   {report['threshold']:.3g}; held-out scores: median "
        f"{report['held_out_median']:.3g}, highest {report['held_out_highest']:.3g}, "
        f"{report['held_out_exceedances']} above"
    )
    low, high = (f"{hours:.3g} h" for hours in report["false_alarm_interval_hours"])
    yield f"  false alarm one in {low} to {high} of running like this (nine of ten estimates)"
    if report["delay"] != "0s":
        yield f"  delays      {report['delay']} before an alarm is raised, and before it goes"
    if report["too_short"]:
        yield (
            f"  warning     one false alarm in {report['false_alarm_wished_hours']:g} h cannot be "
            f"promised by {report['normal_running_hours']:.3g} h of data: it can speak of one in "
            f"{report['false_alarm_at_most_hours']:.3g} h at the most, for which the threshold is"
        )
    if report["drifted"]:
        yield (
            "  warning     the newest part is unlike the rest: the process drifted or changed; "
            "train on longer or steadier running"
        )


def _moment(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
