"""What was learnt, for people and as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detectors.training.learn import Learnt
from gateway.model import SECOND, Nanos
from gateway.options import format_duration


def as_values(learnt: Learnt, model: str, path: Path, seconds: float) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "bundle": str(path),
        "model": model,
        "rows": learnt.rows,
        "windows_fitted": learnt.fitted,
        "windows_calibrated": learnt.calibrated,
        "first": _moment(learnt.first),
        "last": _moment(learnt.last),
        "period": format_duration(learnt.period),
        "window": learnt.length,
        "hop": learnt.hop,
        "tags": list(learnt.names),
        "dropped": learnt.dropped,
        "components": len(learnt.pca.components),
        "variance": learnt.pca.variance,
        "threshold": learnt.threshold,
        "calibration_median": float(np.median(learnt.scores)),
        "calibration_highest": float(learnt.scores.max()),
        "calibration_exceedances": learnt.exceedances,
        "drifted": learnt.has_drifted,
        "seconds": round(seconds, 3),
    }


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines."""
    yield f"{report['model']} written to {report['bundle']} in {report['seconds']:.1f} s"
    yield f"  data        {report['rows']} rows, {report['first']} to {report['last']}"
    yield (
        f"  windows     {report['windows_fitted']} to learn from, "
        f"{report['windows_calibrated']} held out; {report['window']} rows of "
        f"{report['period']}"
    )
    yield f"  tags        {len(report['tags'])}: {', '.join(report['tags'])}"
    for name, why in report["dropped"].items():
        yield f"  left out    {name}: {why}"
    yield f"  model       {report['components']} components, {report['variance']:.1%} of variance"
    yield (
        f"  threshold   {report['threshold']:.3g}; held-out scores: median "
        f"{report['calibration_median']:.3g}, highest {report['calibration_highest']:.3g}, "
        f"{report['calibration_exceedances']} above"
    )
    if report["drifted"]:
        yield (
            "  warning     the held-out part is unlike the part before it, so the threshold is "
            "high: the process drifted or changed; train on longer or steadier running"
        )


def _moment(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
