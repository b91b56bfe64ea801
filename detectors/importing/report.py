"""What came of an import, for people and as JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detectors.importing.job import Imported
from gateway.options import format_duration


def as_values(done: Imported, path: Path) -> dict[str, Any]:
    """The report as plain values."""
    manifest, form, scores, verdict = done
    return {
        "bundle": str(path),
        "model": manifest.model,
        "kind": form.kind,
        "layout": form.layout,
        "period": format_duration(manifest.period),
        "window": manifest.window,
        "tags": [tag.name for tag in manifest.tags],
        "threshold": manifest.threshold,
        "calibration_windows": len(scores),
        "calibration_median": float(np.median(scores)),
        "calibration_highest": float(scores.max()),
        "calibration_exceedances": int((scores > manifest.threshold).sum()),
        "quantization": None if verdict is None else verdict._asdict(),
    }


def as_text(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines."""
    yield f"{report['model']} written to {report['bundle']}"
    yield (
        f"  model       a {report['kind']} of {len(report['tags'])} tags ({report['layout']}): "
        f"{', '.join(report['tags'])}"
    )
    yield f"  windows     {report['window']} rows of {report['period']}"
    yield (
        f"  threshold   {report['threshold']:.3g}; held-out scores of "
        f"{report['calibration_windows']} windows: median {report['calibration_median']:.3g}, "
        f"highest {report['calibration_highest']:.3g}, {report['calibration_exceedances']} above"
    )
    verdict = report["quantization"]
    if verdict is not None:
        kept = "kept" if verdict["taken"] else f"not kept: {verdict['why']}"
        yield (
            f"  8 bits      {kept}; {verdict['speed_up']:.2f} times as fast, ranks agree by "
            f"{verdict['rank_correlation']:.4f}, {verdict['flipped']:.2%} of decisions differ"
        )
