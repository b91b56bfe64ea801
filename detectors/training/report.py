"""Report on a training, as plain values and as text."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detectors.bundle.model import Model
from detectors.bundle.phrases import format_count, format_hours
from detectors.calibration.held_out import Interval
from detectors.evaluation.report import alarm_values
from detectors.training.latency import seconds_per_window
from detectors.training.learn import TrainedModel
from detectors.training.prepare import Prepared
from detectors.training.sensitivity import Reaction
from detectors.training.trial import BudgetVerdict, Trial, before_test
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

HOUR = 3600 * SECOND
MIN_SENSITIVITY = 0.01
"""Sensitivity below which a model is reported as useless."""


def as_values(
    trained: TrainedModel, model: str, path: Path, seconds: float, remarks: Sequence[str] = ()
) -> dict[str, Any]:
    """The report as plain values, ready for JSON; `remarks` on the data, a sentence each."""
    prepared, chosen = trained.prepared, trained.choice.chosen
    return {
        "bundle": str(path),
        "model": model,
        "rows": trained.rows,
        "windows": prepared.total,
        "windows_judged": len(trained.scores),
        "first": _moment(int(prepared.windows.ends[0])),
        "last": _moment(int(prepared.windows.ends[-1])),
        "period": format_duration(prepared.windows.period),
        "window": trained.model.frame.length,
        "hop": prepared.hop,
        "tags": list(prepared.names),
        "dropped": trained.left_out,
        "remarks": list(remarks),
        "wandered": trained.nonstationary_tags,
        "gaps": [_gap(*ends) for ends in prepared.gaps],
        "tag_statistics": _tag_statistics(prepared),
        "when": list(prepared.running.when),
        "settle": format_duration(prepared.running.settle),
        "idle_windows": prepared.idle,
        "wrong_windows": prepared.wrong,
        "method": str(chosen.core),
        "compared_by": "labelled windows" if len(prepared.faulty) else "injected faults",
        "candidates": [
            {
                "method": str(each.core),
                "sensitivity": round(each.sensitivity, 4),
                "seen": {fault: round(share, 4) for fault, share in each.seen.items()},
            }
            for each in trained.choice.candidates
        ],
        "seen": round(chosen.sensitivity, 4),
        "microseconds_per_window": round(_microseconds(trained), 1),
        "threshold": trained.threshold,
        "delay": format_duration(trained.delay),
        "normal_running_hours": _hours(chosen.calibration.length),
        "false_alarm_wished_hours": trained.budget and trained.budget / HOUR,
        "false_alarm_promised_hours": _hours(chosen.calibration.promised(trained.budget)),
        "false_alarm_at_most_hours": _hours(chosen.calibration.longest_interval),
        "false_alarm_interval_hours": hours_of(trained.confidence_interval),
        "too_short": (trained.budget or 0) > chosen.calibration.longest_interval,
        "held_out_median": float(np.median(trained.scores)),
        "held_out_highest": float(trained.scores.max()),
        "held_out_exceedances": trained.exceedances,
        "held_out_alarms": [alarm_values(each) for each in trained.held_out.episodes],
        "test": None if trained.trial is None else _test(trained.trial),
        "sensitivity": {
            name: [_reaction(each) for each in reactions]
            for name, reactions in trained.reactions.items()
        },
        "drifted": trained.has_drifted,
        "seconds": round(seconds, 3),
    }


def _gap(before: Nanos, after: Nanos) -> dict[str, Any]:
    return {"first": _moment(before), "last": _moment(after), "hours": _hours(after - before)}


def _tag_statistics(prepared: Prepared) -> dict[str, dict[str, float]]:
    """Statistics by tag; `moved`: shift of the newest part's mean, in standard deviations."""
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
        name: {key: float(column[n]) for key, column in columns.items()}
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


def _reaction(reaction: Reaction) -> dict[str, Any]:
    return {
        "shift": reaction.shift,
        "size": reaction.size,
        "seen": round(reaction.seen, 4),
        "delay_s": None if reaction.delay is None else reaction.delay / SECOND,
    }


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines of text."""
    yield f"{report['model']} written to {report['bundle']} in {report['seconds']:.1f} s"
    yield from _training_data(report)
    yield f"  model       {report['method']}"
    for each in report["candidates"]:
        faults = ", ".join(f"{fault} {share:.0%}" for fault, share in each["seen"].items())
        detected = f"detects {each['sensitivity']:.1%} of {report['compared_by']}"
        yield f"  tried       {each['method']}: {detected}{f' ({faults})' if faults else ''}"
    yield f"  cost        {report['microseconds_per_window']:.3g} µs per window on this machine"
    yield (
        f"  threshold   {report['threshold']:.3g}; held-out scores: median "
        f"{report['held_out_median']:.3g}, highest {report['held_out_highest']:.3g}, "
        f"{report['held_out_exceedances']} above"
    )
    yield f"  false alarm {describe_interval(report['false_alarm_interval_hours'])}"
    if report["test"] is not None:
        yield f"  test        {describe_test(report['test'])}"
    if report["delay"] != "0s":
        yield f"  delays      {report['delay']} before an alarm is raised, and before it clears"
    for warning in warnings(report):
        yield f"  warning     {warning}"
    if report.get("report"):
        yield f"  report      {report['report']}"


def _training_data(report: dict[str, Any]) -> Iterator[str]:
    yield f"  data        {report['rows']} rows, {report['first']} to {report['last']}"
    for remark in report["remarks"]:
        yield f"  note        {remark}"
    yield (
        f"  windows     {report['windows']} of {report['window']} rows every {report['period']}, "
        f"{report['windows_judged']} scored by models not fitted on them"
    )
    if report["when"]:
        settled = f", settled for {report['settle']}" if report["settle"] != "0s" else ""
        yield (
            f"  running     {' and '.join(report['when'])}{settled}; "
            f"{report['idle_windows']} other windows are not used"
        )
    if report["wrong_windows"]:
        yield f"  labelled    {describe_labelled(report['wrong_windows'])}"
    if report["gaps"]:
        length = format_hours(sum(gap["hours"] for gap in report["gaps"]))
        yield f"  gaps        {len(report['gaps'])}, {length} in total; no window spans a gap"
    yield f"  tags        {len(report['tags'])}: {', '.join(report['tags'])}"
    for name, why in report["dropped"].items():
        yield f"  left out    {name or 'no name'}: {why}"
    if report["wandered"]:
        yield f"  drifting    {describe_nonstationary(report['wandered'])}"


def describe_labelled(windows: int) -> str:
    """Describes the windows left out because of labels."""
    return f"{format_count(windows, 'window')} with labelled rows, not used for training"


def describe_interval(hours: Sequence[float | None]) -> str:
    """Describes the confidence interval between two false alarms; `hours` as of `hours_of`."""
    low, high = hours
    upper = " or rarer" if high is None else f" to {format_hours(high)}"
    lower = format_hours(low or 0.0)
    return f"one in {lower}{upper}, in similar running (90 % confidence)"


def describe_nonstationary(tags: list[str]) -> str:
    """Describes the non-stationary tags and their treatment."""
    return (
        f"{', '.join(tags)}: the level drifted during the recording, so only changes within a "
        "window count; record longer to include the level"
    )


def describe_test(test: dict[str, Any]) -> str:
    """Describes the number of false alarms in the test part, and what follows."""
    short = format_hours(test["interval_hours"][0])
    conclusion = {
        BudgetVerdict.KEPT: "so the budget is kept",
        BudgetVerdict.OPEN: f"which is consistent with it; it can show at most one in {short}",
        BudgetVerdict.BROKEN: "so the budget is exceeded",
    }[BudgetVerdict(test["verdict"])]
    return (
        f"{format_count(test['false_alarms'], 'false alarm')} in the newest "
        f"{format_hours(test['hours'])}, with a model trained without them; the budget allows "
        f"{test['false_alarms_expected']:.2g}, {conclusion}"
    )


def warnings(report: dict[str, Any]) -> Iterator[str]:
    """Yields the reasons not to trust the model as it is."""
    if report["too_short"]:
        yield describe_too_short(report)
    if report["test"] is not None and report["test"]["verdict"] == BudgetVerdict.BROKEN:
        yield (
            "the newest part had more false alarms than the budget allows: train on longer "
            "running, or leave out the tags that caused them if they do not reflect the machine"
        )
    if report["seen"] < MIN_SENSITIVITY:
        yield (
            f"the model detects hardly any of the {report['compared_by']} "
            f"({report['seen']:.1%}): allow more false alarms, train on longer running, "
            "or try other --candidates"
        )
    if report["drifted"]:
        yield (
            "the newest part differs from the rest: the process drifted or changed; "
            "train on longer or steadier running"
        )


def describe_too_short(report: dict[str, Any]) -> str:
    """Describes a budget that the data does not support."""
    return (
        f"one false alarm in {format_hours(report['false_alarm_wished_hours'])} cannot be promised "
        f"by {format_hours(report['normal_running_hours'])} of data: it supports at most one in "
        f"{format_hours(report['false_alarm_at_most_hours'])}, and the threshold is set for that"
    )


def hours_of(interval: Interval) -> list[float | None]:
    """The limits of an interval in hours; None is unbounded."""
    return [None if each is None else _hours(each) for each in interval]


def _hours(time: Nanos) -> float:
    return round(time / HOUR, 3)


def _microseconds(trained: TrainedModel) -> float:
    windows = trained.prepared.windows.values[:20]
    return 1e6 * seconds_per_window(Model(trained.graph), windows)


def _moment(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
