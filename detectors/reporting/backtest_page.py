"""HTML report on a backtest: the numbers of the JSON report, and plots."""

from typing import Any

import numpy as np

from detectors.bundle.manifest import Manifest
from detectors.data.recordings import Recording
from detectors.evaluation.apply import Judged
from detectors.evaluation.metrics import spans
from detectors.reporting import plots
from detectors.reporting.alarm_plots import SHOWN, alarm_pictures, spans_of
from detectors.reporting.page import render, safe
from gateway.api.model import Bools

EVENTS = 200
"""Most labelled events that are listed."""


def backtest_page(
    manifest: Manifest,
    recording: Recording,
    judged: Judged,
    labels: Bools | None,
    report: dict[str, Any],
) -> str:
    """Renders the page; `judged` and `labels` have one row for each row of the recording."""
    events = [] if labels is None else spans(labels)
    labelled = [(int(judged.at[a]), int(judged.at[b - 1])) for a, b in events]
    units = {tag.name: tag.unit for tag in manifest.tags}
    pictures = {
        "scores": safe(
            plots.scores(judged.at, judged.score, judged.threshold, spans_of(judged), labelled)
        ),
        "alarms": alarm_pictures(judged, recording.names, judged.at, recording.values, units),
    }
    delays = [delay for delay in report.get("delays_s", ()) if delay is not None]
    results = ["true alarm" if alarm["right"] else "false alarm" for alarm in report["alarms"]]
    return render(
        "backtest.html",
        report,
        model=manifest.model,
        plots=pictures,
        results=None if labels is None else results,
        median_delay=float(np.median(delays)) if delays else None,
        shown=SHOWN,
        most_events=EVENTS,
    )
