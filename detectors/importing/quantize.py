"""Static int8 quantization of an imported model, kept only if it is faster and as accurate.

Promises
- Calibrated with data, never dynamic: a window's score must not depend on the rest of its batch.
- It is kept only if it ranks the held-out windows as before, decides as before, and is faster on
  this machine; otherwise the model stays as it is, with the reason.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.bundle.model import INPUT, Model
from detectors.importing.perturb import perturbed
from detectors.training.latency import seconds_per_window
from gateway.api.model import Floats

MIN_RANK_CORRELATION = 0.95
"""Spearman's correlation, over held-out windows and the same ones perturbed."""
MAX_FLIPPED = 0.001
"""Share of decisions that may differ, over the same windows."""
MIN_SPEED_UP = 1.05
CALIBRATION_WINDOWS = 500
_LAYERS = ["MatMul", "Gemm", "Conv"]


class Quantization(NamedTuple):
    """Effect of 8 bits: rank correlation, share of flipped decisions, and speed-up factor."""

    taken: bool
    why: str
    rank_correlation: float
    flipped: float
    speed_up: float


def quantized(
    graph: bytes, fitted: Floats, held_out: Floats, threshold: float
) -> tuple[bytes, Quantization]:
    """Quantizes a graph: the graph to use and the result. Windows float64[window, time, tag]."""
    small = _static_int8(graph, fitted[:: -(-len(fitted) // CALIBRATION_WINDOWS)])
    windows = np.concatenate((held_out, perturbed(held_out)))
    before, after = Model(graph), Model(small)
    result = judge(
        before.run(windows).score,
        after.run(windows).score,
        threshold,
        seconds_per_window(before, held_out) / seconds_per_window(after, held_out),
    )
    return (small if result.taken else graph), result


def judge(before: Floats, after: Floats, threshold: float, speed_up: float) -> Quantization:
    """Decides whether scores float64[window] of the quantized model may replace the original's."""
    ranks = _rank_correlation(before, after)
    flipped = float(np.mean((before > threshold) != (after > threshold)))
    reasons = [
        reason
        for applies, reason in (
            (not np.isfinite(after).all(), "it returns NaN or infinity for some windows"),
            (not ranks >= MIN_RANK_CORRELATION, f"its ranking differs (correlation {ranks:.4f})"),
            (not flipped <= MAX_FLIPPED, f"{flipped:.2%} of the decisions differ"),
            (
                not speed_up >= MIN_SPEED_UP,
                f"it is not faster on this machine (factor {speed_up:.2f})",
            ),
        )
        if applies
    ]
    return Quantization(not reasons, "; ".join(reasons), ranks, flipped, speed_up)


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's correlation, with ties in order of time."""
    ranks = [np.argsort(np.argsort(each, kind="stable"), kind="stable") for each in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _static_int8(graph: bytes, windows: Floats) -> bytes:
    from onnxruntime.quantization import QuantFormat, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(graph)
        # The library logs advice on preprocessing on the root logger, whatever the model is.
        logging.disable(logging.WARNING)
        try:
            quantize_static(
                before,
                after,
                _Reader(windows),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                op_types_to_quantize=_LAYERS,
            )
        finally:
            logging.disable(logging.NOTSET)
        return after.read_bytes()


class _Reader:
    """Calibration data reader: returns one batch after another, then None."""

    def __init__(self, windows: Floats) -> None:
        self._batches: Iterator[Floats] = iter(np.array_split(windows, max(len(windows) // 50, 1)))

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
