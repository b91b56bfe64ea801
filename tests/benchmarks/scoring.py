"""Time to score a window in microseconds, alone and in a batch of 256, by method and size.

The goals are for 64 inputs, eight tags in windows of eight rows. The other size is that of
`andon train` for eight tags, 29 rows. The runtime has one thread, as on a line. The table shows the
lower decile of many runs, since other programs only add to the time.

    make bench-scoring            # JSON=FILE also writes the table as JSON; ARGS name methods
"""

import os
import sys
from time import perf_counter_ns

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
from table import row, show, write

from detectors.models.export import graph_bytes
from detectors.models.lagged import WindowFrame, recency
from detectors.training.choose import METHODS, Windows, models
from gateway.api.model import SECOND

TAGS, ROWS = 8, 2000
SIZES = {"64 inputs": (8, 3), "29 rows": (29, 10)}
ALONE, TOGETHER = 20.0, 1.0
FAST = ("mahalanobis", "pca", "kmeans", "statistics", "autoencoder", "robust", "regimes")


def main():
    rows = []
    for method in sys.argv[1:] or METHODS:
        for size, (length, lag) in SIZES.items():
            windows, model = fitted(method, length, lag)
            session = loaded(graph_bytes(model))
            for batch, goal in ((1, ALONE), (256, TOGETHER)):
                took = microseconds(session, windows[:batch])
                judged = method in FAST and length * TAGS == 64
                rows.append(
                    row(f"{method}, {size}, batch of {batch}", took, "µs",
                        f"<= {goal:g}" if judged else "", took <= goal if judged else None)
                )  # fmt: skip
    show(rows)
    write(rows)


def fitted(method, length, lag):
    """A model of eight tags that follow three hidden ones, and the windows it was fitted on."""
    rng = np.random.default_rng(0)
    hidden = 0.1 * np.cumsum(rng.normal(size=(ROWS, 3)), axis=0)
    values = hidden @ rng.normal(size=(3, TAGS)) + 0.1 * rng.normal(size=(ROWS, TAGS))
    views = np.lib.stride_tricks.sliding_window_view(values, length, axis=0).transpose(0, 2, 1)
    ends = np.arange(length, ROWS + 1, dtype=np.int64) * SECOND
    stationary = np.zeros(TAGS, dtype=np.bool_)
    weights = recency(length - lag + 1)
    frame = WindowFrame(values.mean(axis=0), values.std(axis=0), lag, weights, stationary)
    windows = np.ascontiguousarray(views)
    fitted_models = models((method,), Windows(windows, ends, SECOND, SECOND, SECOND), frame)
    return windows, next(model for _, model in fitted_models)


def loaded(graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def microseconds(session, windows):
    took = []
    until = perf_counter_ns() + 1_500_000_000
    while perf_counter_ns() < until or len(took) < 10:
        started = perf_counter_ns()
        session.run(None, {"window": windows})
        took.append(perf_counter_ns() - started)
    return float(np.quantile(took, 0.1)) / len(windows) / 1000


if __name__ == "__main__":
    main()
