"""HTML report on a training: the numbers of the JSON report, and plots."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from detectors.evaluation.apply import Judged
from detectors.reporting import plots
from detectors.reporting.alarm_plots import SHOWN, alarm_pictures, spans_of
from detectors.reporting.page import render, safe
from detectors.training.learn import TrainedModel
from detectors.training.report import (
    describe_interval,
    describe_labelled,
    describe_nonstationary,
    warnings,
)
from detectors.training.trial import BudgetVerdict

MAX_TAGS = 36
"""Most tags that are plotted."""
LISTED = 30
"""Most tags and gaps that are listed in a sentence."""
VERDICTS = {
    BudgetVerdict.KEPT.value: "the budget is kept",
    BudgetVerdict.OPEN.value: "consistent with the budget, but the test is too short to prove it",
    BudgetVerdict.BROKEN.value: "the budget is exceeded",
}


def training_page(trained: TrainedModel, report: dict[str, Any], units: Mapping[str, str]) -> str:
    """Renders the page; `report` is from `detectors.training.report`, `units` by tag if known."""
    return render(
        "training.html",
        report,
        units=units,
        plots=_plots(trained, report, units),
        warnings=list(warnings(report)),
        labelled=describe_labelled(report["wrong_windows"]),
        interval=describe_interval(report["false_alarm_interval_hours"]),
        nonstationary=describe_nonstationary(report["wandered"]),
        verdicts=VERDICTS,
        two_sigma=_two_sigma(report["sensitivity"]),
        shown=SHOWN,
        listed=LISTED,
    )


def _plots(
    trained: TrainedModel, report: dict[str, Any], units: Mapping[str, str]
) -> dict[str, Any]:
    pictures: dict[str, Any] = {
        "tags": _tags(trained, report),
        "held_out": _scores(trained.held_out),
        "held_out_alarms": _alarms(trained, trained.held_out, units),
    }
    if trained.trial is not None:
        pictures["test"] = _scores(trained.trial.judged)
        pictures["test_alarms"] = _alarms(trained, trained.trial.judged, units)
    return pictures


def _scores(judged: Judged) -> Markup:
    return safe(plots.scores(judged.at, judged.score, judged.threshold, spans_of(judged)))


def _alarms(trained: TrainedModel, judged: Judged, units: Mapping[str, str]) -> list[Any]:
    windows = trained.prepared.windows
    names, newest = trained.prepared.names, windows.values[:, -1]
    return alarm_pictures(judged, names, windows.ends, newest, units)


def _tags(trained: TrainedModel, report: dict[str, Any]) -> list[tuple[str, Markup]]:
    windows, statistics = trained.prepared.windows, report["tag_statistics"]
    moved = np.array([abs(statistics[name]["moved"]) for name in report["tags"]])
    kept: Sequence[int] = range(len(moved))
    if len(moved) > MAX_TAGS:
        kept = np.argsort(-moved, kind="stable")[:MAX_TAGS].tolist()
    return [
        (report["tags"][n], safe(plots.tag(windows.ends, windows.values[:, -1, n]))) for n in kept
    ]


def _two_sigma(sensitivity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Detection of a jump by two standard deviations, over all tags."""
    if not sensitivity:
        return None
    jumps = [next(each for each in of if each["shift"] == 2) for of in sensitivity.values()]
    delays = [each["delay_s"] for each in jumps if each["delay_s"] is not None]
    return {
        "seen": float(np.mean([each["seen"] for each in jumps])),
        "delay_s": float(np.median(delays)) if delays else None,
    }
