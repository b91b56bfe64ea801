"""Static int8 for a large imported model, kept only where it costs nothing and gains something.

Promises
- Calibrated with data, never dynamic: a window's score must not depend on its batch mates.
- It is taken only if it ranks the held-out windows as before, decides as before, and is faster
  here; else the model stays as it is, with the reason.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.bundle.bundle import INPUT, Model
from detectors.importing.perturb import perturbed
from detectors.training.latency import seconds_per_window
from gateway.api.model import Floats

MIN_RANK_CORRELATION = 0.95
"""Spearman's, over held-out windows and the same ones disturbed."""
MAX_FLIPPED = 0.001
"""Share of decisions that may differ, over the same windows."""
MIN_GAIN = 1.05
CALIBRATED_WITH = 500
_LAYERS = ["MatMul", "Gemm", "Conv"]


class Verdict(NamedTuple):
    """What 8 bits would change: rank correlation, share of decisions flipped, times faster."""

    taken: bool
    why: str
    rank_correlation: float
    flipped: float
    speed_up: float


def quantized(
    graph: bytes, fitted: Floats, held_out: Floats, threshold: float
) -> tuple[bytes, Verdict]:
    """The graph to use and the verdict. Windows float64[window, time, tag]."""
    small = _static_int8(graph, fitted[:: -(-len(fitted) // CALIBRATED_WITH)])
    tried = np.concatenate((held_out, perturbed(held_out)))
    before, after = Model(graph), Model(small)
    verdict = judge(
        before.run(tried).score,
        after.run(tried).score,
        threshold,
        seconds_per_window(before, held_out) / seconds_per_window(after, held_out),
    )
    return (small if verdict.taken else graph), verdict


def judge(before: Floats, after: Floats, threshold: float, speed_up: float) -> Verdict:
    """Whether scores float64[window] of the quantized model may stand in for the others."""
    ranks = _rank_correlation(before, after)
    flipped = float(np.mean((before > threshold) != (after > threshold)))
    faults = [
        words
        for is_so, words in (
            (not np.isfinite(after).all(), "it gives no numbers for some windows"),
            (not ranks >= MIN_RANK_CORRELATION, f"it ranks windows otherwise ({ranks:.4f})"),
            (not flipped <= MAX_FLIPPED, f"{flipped:.2%} of the decisions differ"),
            (not speed_up >= MIN_GAIN, f"it is not faster here ({speed_up:.2f} times)"),
        )
        if is_so
    ]
    return Verdict(not faults, "; ".join(faults), ranks, flipped, speed_up)


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's, with ties in the order of time."""
    ranks = [np.argsort(np.argsort(each, kind="stable"), kind="stable") for each in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _static_int8(graph: bytes, windows: Floats) -> bytes:
    from onnxruntime.quantization import QuantFormat, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(graph)
        # It advises on the root logger, whatever the model is, to preprocess pictures.
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
    """Hands the runtime one batch after the other, then None."""

    def __init__(self, windows: Floats) -> None:
        self._batches: Iterator[Floats] = iter(np.array_split(windows, max(len(windows) // 50, 1)))

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
