"""The page on what was learnt: its figures are those of the JSON report, its plots drawn here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from detectors.evaluation.apply import Judged
from detectors.reporting import plots
from detectors.reporting.alarm_plots import SHOWN, alarm_pictures, spans_of
from detectors.reporting.page import drawn, render
from detectors.training.learn import TrainedModel
from detectors.training.report import (
    describe_interval,
    describe_labelled,
    describe_nonstationary,
    warnings,
)
from detectors.training.trial import Verdict

MAX_TAGS = 36
"""Tags that are drawn at the most."""
LISTED = 30
"""Tags and gaps that are listed at the most where a sentence names them."""
VERDICTS = {
    Verdict.KEPT.value: "the budget is kept",
    Verdict.OPEN.value: "that agrees with it, but so short a test proves little",
    Verdict.BROKEN.value: "the budget is not kept",
}


def training_page(learnt: TrainedModel, report: dict[str, Any], units: Mapping[str, str]) -> str:
    """The page; `report` is that of `detectors.training.report`, `units` by tag where known."""
    return render(
        "training.html",
        report,
        units=units,
        plots=_plots(learnt, report, units),
        warnings=list(warnings(report)),
        labelled=describe_labelled(report["wrong_windows"]),
        confidence_interval=describe_interval(report["false_alarm_interval_hours"]),
        wandering=describe_nonstationary(report["wandered"]),
        verdicts=VERDICTS,
        quick=_quick(report["sensitivity"]),
        shown=SHOWN,
        listed=LISTED,
    )


def _plots(
    learnt: TrainedModel, report: dict[str, Any], units: Mapping[str, str]
) -> dict[str, Any]:
    pictures: dict[str, Any] = {
        "tags": _tags(learnt, report),
        "held_out": _scores(learnt.held_out),
        "held_out_alarms": _alarms(learnt, learnt.held_out, units),
    }
    if learnt.trial is not None:
        pictures["test"] = _scores(learnt.trial.judged)
        pictures["test_alarms"] = _alarms(learnt, learnt.trial.judged, units)
    return pictures


def _scores(judged: Judged) -> Markup:
    return drawn(plots.scores(judged.at, judged.score, judged.threshold, spans_of(judged)))


def _alarms(learnt: TrainedModel, judged: Judged, units: Mapping[str, str]) -> list[Any]:
    windows = learnt.prepared.windows
    names, newest = learnt.prepared.names, windows.values[:, -1]
    return alarm_pictures(judged, names, windows.ends, newest, units)


def _tags(learnt: TrainedModel, report: dict[str, Any]) -> list[tuple[str, Markup]]:
    windows, statistics = learnt.prepared.windows, report["tag_statistics"]
    moved = np.array([abs(statistics[name]["moved"]) for name in report["tags"]])
    kept: Sequence[int] = range(len(moved))
    if len(moved) > MAX_TAGS:
        kept = np.argsort(-moved, kind="stable")[:MAX_TAGS].tolist()
    return [
        (report["tags"][n], drawn(plots.tag(windows.ends, windows.values[:, -1, n]))) for n in kept
    ]


def _quick(sensitivity: Mapping[str, Any]) -> dict[str, Any] | None:
    """What becomes of a jump by two spreads, over all tags."""
    if not sensitivity:
        return None
    found = [next(each for each in of if each["shift"] == 2) for of in sensitivity.values()]
    delays = [each["delay_s"] for each in found if each["delay_s"] is not None]
    return {
        "seen": float(np.mean([each["seen"] for each in found])),
        "delay_s": float(np.median(delays)) if delays else None,
    }
