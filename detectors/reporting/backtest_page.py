"""The page on a backtest: its figures are those of the JSON report, its plots drawn here."""

from typing import Any

import numpy as np

from detectors.bundle.bundle import Manifest
from detectors.data.recordings import Recording
from detectors.evaluation.apply import Judged
from detectors.evaluation.metrics import spans
from detectors.reporting import plots
from detectors.reporting.alarm_plots import SHOWN, alarm_pictures, spans_of
from detectors.reporting.page import drawn, render
from gateway.api.model import Bools

EVENTS = 200
"""Labelled events that are listed at the most."""


def backtest_page(
    manifest: Manifest,
    recording: Recording,
    judged: Judged,
    labels: Bools | None,
    report: dict[str, Any],
) -> str:
    """The page; `judged` has a row for each row of the recording, as `labels` have."""
    events = [] if labels is None else spans(labels)
    wrong = [(int(judged.at[a]), int(judged.at[b - 1])) for a, b in events]
    units = {tag.name: tag.unit for tag in manifest.tags}
    pictures = {
        "scores": drawn(
            plots.scores(judged.at, judged.score, judged.threshold, spans_of(judged), wrong)
        ),
        "alarms": alarm_pictures(judged, recording.names, judged.at, recording.values, units),
    }
    came = [delay for delay in report.get("delays_s", ()) if delay is not None]
    right = ["yes" if alarm["right"] else "false alarm" for alarm in report["alarms"]]
    return render(
        "backtest.html",
        report,
        model=manifest.model,
        plots=pictures,
        right=None if labels is None else right,
        median_delay=float(np.median(came)) if came else None,
        shown=SHOWN,
        most_events=EVENTS,
    )
