"""Report on an import, as plain values and as text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detectors.bundle.phrases import format_count
from detectors.importing.job import Imported
from detectors.importing.verdict import warnings
from detectors.training.report import HOUR, describe_interval, describe_too_short, hours_of
from gateway.api.options import format_duration


def as_values(imported: Imported, path: Path) -> dict[str, Any]:
    """The report as plain values, ready for JSON."""
    manifest, signature, limit, budget, quantization, trial, objection, inputs = imported
    scores, calibration = limit.scores, limit.calibration
    return {
        "bundle": str(path),
        "model": manifest.model,
        "kind": signature.kind,
        "layout": signature.layout,
        "period": format_duration(manifest.period),
        "window": manifest.window,
        "tags": [tag.name for tag in manifest.tags],
        "threshold": manifest.threshold,
        "calibration_windows": len(scores),
        "calibration_median": float(np.median(scores)),
        "calibration_highest": float(scores.max()),
        "calibration_exceedances": int((scores > manifest.threshold).sum()),
        "normal_running_hours": calibration.length / HOUR,
        "false_alarm_wished_hours": budget and budget / HOUR,
        "false_alarm_at_most_hours": calibration.longest_interval / HOUR,
        "false_alarm_interval_hours": hours_of(limit.confidence_interval),
        "too_short": (budget or 0) > calibration.longest_interval,
        "delay": format_duration(manifest.on_delay),
        "trial": {
            "windows": len(trial.every),
            "raised": round(trial.raised, 4),
            "seen": {kind: round(share, 4) for kind, share in trial.share_of_kind.items()},
            "ignored": trial.ignored,
            "silent": trial.silent,
            "falling": trial.falling,
        },
        "warnings": [*filter(None, [objection]), *warnings(trial)],
        "remarks": list(inputs.remarks),
        "quantization": None if quantization is None else quantization._asdict(),
    }


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines of text."""
    yield f"{report['model']} written to {report['bundle']}"
    yield (
        f"  model       a {report['kind']} of {len(report['tags'])} tags ({report['layout']}): "
        f"{', '.join(report['tags'])}"
    )
    for remark in report["remarks"]:
        yield f"  note        {remark}"
    yield f"  windows     {report['window']} rows every {report['period']}"
    yield (
        f"  threshold   {report['threshold']:.3g}; held-out scores of "
        f"{report['calibration_windows']} windows: median {report['calibration_median']:.3g}, "
        f"highest {report['calibration_highest']:.3g}, {report['calibration_exceedances']} above"
    )
    yield f"  false alarm {describe_interval(report['false_alarm_interval_hours'])}"
    yield f"  trial       {_describe_trial(report['trial'])}"
    yield (
        "  note        if the model was trained on this data, it will do worse on other data: "
        "check with andon backtest"
    )
    if report["delay"] != "0s":
        yield f"  delays      {report['delay']} before an alarm is raised, and before it clears"
    if report["too_short"]:
        yield f"  warning     {describe_too_short(report)}"
    for warning in report["warnings"]:
        yield f"  warning     {warning}"
    quantization = report["quantization"]
    if quantization is not None:
        yield f"  8 bits      {_describe_quantization(quantization)}"


def _describe_trial(trial: dict[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in trial["seen"].items())
    count = format_count(trial["windows"], "disturbed window")
    return f"{trial['raised']:.0%} of {count} score above the threshold ({kinds})"


def _describe_quantization(quantization: dict[str, Any]) -> str:
    if not quantization["taken"]:
        return f"not kept: {quantization['why']}"
    return (
        f"kept: {quantization['speed_up']:.2f} times as fast, rank correlation "
        f"{quantization['rank_correlation']:.4f}, {quantization['flipped']:.2%} of decisions differ"
    )
