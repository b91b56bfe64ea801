"""What was learnt, for people and as JSON."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detectors.bundle.bundle import Model
from detectors.bundle.phrases import format_count, format_hours
from detectors.calibration.held_out import Interval
from detectors.evaluation.report import alarm_values
from detectors.training.latency import seconds_per_window
from detectors.training.learn import TrainedModel
from detectors.training.prepare import Prepared
from detectors.training.sensitivity import Reaction
from detectors.training.trial import Trial, Verdict, before_test
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

HOUR = 3600 * SECOND
HARDLY = 0.01
"""Share of what it should see below which a model is as good as blind."""


def as_values(learnt: TrainedModel, model: str, path: Path, seconds: float) -> dict[str, Any]:
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
        "wandered": learnt.nonstationary_tags,
        "gaps": [_gap(*ends) for ends in prepared.gaps],
        "tag_statistics": _tag_statistics(prepared),
        "when": list(prepared.running.when),
        "settle": format_duration(prepared.running.settle),
        "idle_windows": prepared.idle,
        "wrong_windows": prepared.wrong,
        "method": str(chosen.core),
        "compared_by": "labelled windows" if len(prepared.faulty) else "faults put in",
        "candidates": [
            {
                "method": str(each.core),
                "sensitivity": round(each.sensitivity, 4),
                "seen": {fault: round(share, 4) for fault, share in each.seen.items()},
            }
            for each in learnt.choice.candidates
        ],
        "seen": round(chosen.sensitivity, 4),
        "microseconds_per_window": round(_microseconds(learnt), 1),
        "threshold": learnt.threshold,
        "delay": format_duration(learnt.delay),
        "normal_running_hours": _hours(chosen.calibration.length),
        "false_alarm_wished_hours": learnt.budget and learnt.budget / HOUR,
        "false_alarm_promised_hours": _hours(chosen.calibration.promised(learnt.budget)),
        "false_alarm_at_most_hours": _hours(chosen.calibration.longest_interval),
        "false_alarm_interval_hours": hours_of(learnt.confidence_interval),
        "too_short": (learnt.budget or 0) > chosen.calibration.longest_interval,
        "held_out_median": float(np.median(learnt.scores)),
        "held_out_highest": float(learnt.scores.max()),
        "held_out_exceedances": learnt.exceedances,
        "held_out_alarms": [alarm_values(each) for each in learnt.held_out.episodes],
        "test": None if learnt.trial is None else _test(learnt.trial),
        "sensitivity": {
            name: [_reaction(each) for each in found] for name, found in learnt.reactions.items()
        },
        "drifted": learnt.has_drifted,
        "seconds": round(seconds, 3),
    }


def _gap(before: Nanos, after: Nanos) -> dict[str, Any]:
    return {"first": _moment(before), "last": _moment(after), "hours": _hours(after - before)}


def _tag_statistics(prepared: Prepared) -> dict[str, dict[str, float]]:
    """Of each tag; `moved` is the newest part's mean against what was before, in spreads."""
    rows = prepared.windows.values[:, -1]
    cut = before_test(len(rows))
    std = rows.std(axis=0)
    columns = {
        "mean": rows.mean(axis=0),
        "std": std,
        "lowest": rows.min(axis=0),
        "highest": rows.max(axis=0),
        "moved": (rows[cut:].mean(axis=0) - rows[:cut].mean(axis=0)) / std,
    }
    return {
        name: {of: float(found[n]) for of, found in columns.items()}
        for n, name in enumerate(prepared.names)
    }


def _test(trial: Trial) -> dict[str, Any]:
    return {
        "first": _moment(int(trial.windows.ends[0])),
        "last": _moment(int(trial.windows.ends[-1])),
        "hours": _hours(trial.length),
        "learnt_hours": _hours(trial.choice.chosen.calibration.length),
        "tags": len(trial.names),
        "method": str(trial.choice.chosen.core),
        "threshold": trial.judged.threshold,
        "windows_above": int((trial.judged.score > trial.judged.threshold).sum()),
        "false_alarms": len(trial.judged.episodes),
        "false_alarms_expected": round(trial.expected, 3),
        "promised_hours": _hours(trial.promised),
        "interval_hours": hours_of(trial.interval),
        "verdict": trial.verdict.value,
        "alarms": [alarm_values(each) for each in trial.judged.episodes],
    }


def _reaction(found: Reaction) -> dict[str, Any]:
    return {
        "shift": found.shift,
        "size": found.size,
        "seen": round(found.seen, 4),
        "delay_s": None if found.delay is None else found.delay / SECOND,
    }


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines."""
    yield f"{report['model']} written to {report['bundle']} in {report['seconds']:.1f} s"
    yield from _learnt_from(report)
    yield f"  model       {report['method']}"
    for each in report["candidates"]:
        faults = ", ".join(f"{fault} {share:.0%}" for fault, share in each["seen"].items())
        seen = f"sees {each['sensitivity']:.1%} of {report['compared_by']}"
        yield f"  tried       {each['method']}: {seen}{f' ({faults})' if faults else ''}"
    yield f"  cost        {report['microseconds_per_window']:.3g} µs to score one window here"
    yield (
        f"  threshold   {report['threshold']:.3g}; held-out scores: median "
        f"{report['held_out_median']:.3g}, highest {report['held_out_highest']:.3g}, "
        f"{report['held_out_exceedances']} above"
    )
    yield f"  false alarm {describe_interval(report['false_alarm_interval_hours'])}"
    if report["test"] is not None:
        yield f"  test        {describe_test(report['test'])}"
    if report["delay"] != "0s":
        yield f"  delays      {report['delay']} before an alarm is raised, and before it goes"
    for warning in warnings(report):
        yield f"  warning     {warning}"
    if report.get("report"):
        yield f"  report      {report['report']}"


def _learnt_from(report: dict[str, Any]) -> Iterator[str]:
    yield f"  data        {report['rows']} rows, {report['first']} to {report['last']}"
    yield (
        f"  windows     {report['windows']} of {report['window']} rows of {report['period']}, "
        f"{report['windows_judged']} judged by models that had not seen them"
    )
    if report["when"]:
        settled = f", settled for {report['settle']}" if report["settle"] != "0s" else ""
        yield (
            f"  running     {' and '.join(report['when'])}{settled}; "
            f"{report['idle_windows']} windows in which it was not so are not learnt from"
        )
    if report["wrong_windows"]:
        yield f"  labelled    {describe_labelled(report['wrong_windows'])}"
    if report["gaps"]:
        length = format_hours(sum(gap["hours"] for gap in report["gaps"]))
        yield f"  gaps        {len(report['gaps'])}, {length} in all, over which no window reaches"
    yield f"  tags        {len(report['tags'])}: {', '.join(report['tags'])}"
    for name, why in report["dropped"].items():
        yield f"  left out    {name or 'no name'}: {why}"
    if report["wandered"]:
        yield f"  wandered    {describe_nonstationary(report['wandered'])}"


def describe_labelled(windows: int) -> str:
    """How much the labels kept from being learnt from."""
    return f"{format_count(windows, 'window')} in which something was wrong: not learnt from"


def describe_interval(hours: Sequence[float | None]) -> str:
    """Between which times the true figure lies; `hours` as `hours_of` gives them."""
    low, high = hours
    within = " or rarer" if high is None else f" to {format_hours(high)}"
    least = format_hours(low or 0.0)
    return f"one in {least}{within} of running like this, as counted (nine of ten times)"


def describe_nonstationary(tags: list[str]) -> str:
    """Which tags are judged by their course alone, and what to do about it."""
    return (
        f"{', '.join(tags)}: where the level will be next, so short a recording cannot tell; "
        "judged by its course within a stretch"
    )


def describe_test(test: dict[str, Any]) -> str:
    """How many false alarms the test part had, and what that says."""
    short = format_hours(test["interval_hours"][0])
    said = {
        Verdict.KEPT: "so the budget is kept",
        Verdict.OPEN: f"which agrees with it; so short a test can show one in {short} at the most",
        Verdict.BROKEN: "so the budget is not kept",
    }[Verdict(test["verdict"])]
    return (
        f"{format_count(test['false_alarms'], 'false alarm')} in the newest {format_hours(test['hours'])}, by "
        f"a model made without them; the budget bears {test['false_alarms_expected']:.2g} there, "
        f"{said}"
    )


def warnings(report: dict[str, Any]) -> Iterator[str]:
    """What should keep somebody from trusting the model as it is."""
    if report["too_short"]:
        yield describe_too_short(report)
    if report["test"] is not None and report["test"]["verdict"] == Verdict.BROKEN:
        yield (
            "the newest part had more false alarms than the budget bears: train on more running, "
            "or leave out the tags that caused them if they say nothing of the machine"
        )
    if report["seen"] < HARDLY:
        yield (
            f"it sees hardly any of the {report['compared_by']} "
            f"({report['seen']:.1%}): allow more false alarms, learn from longer running, "
            "or try other --candidates"
        )
    if report["drifted"]:
        yield (
            "the newest part is unlike the rest: the process drifted or changed; "
            "train on longer or steadier running"
        )


def describe_too_short(report: dict[str, Any]) -> str:
    """That the wished budget asks more than the data can say."""
    return (
        f"one false alarm in {format_hours(report['false_alarm_wished_hours'])} cannot be promised "
        f"by {format_hours(report['normal_running_hours'])} of data: it can speak of one in "
        f"{format_hours(report['false_alarm_at_most_hours'])} at the most, for which the threshold is"
    )


def hours_of(interval: Interval) -> list[float | None]:
    """Its ends in hours; None is no limit."""
    return [None if each is None else _hours(each) for each in interval]


def _hours(time: Nanos) -> float:
    return round(time / HOUR, 3)


def _microseconds(learnt: TrainedModel) -> float:
    windows = learnt.prepared.windows.values[:20]
    return 1e6 * seconds_per_window(Model(learnt.graph), windows)


def _moment(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
