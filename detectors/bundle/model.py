"""The model of a bundle: its graph, and the session that scores windows.

Promises
- A graph is checked, bounded and run in a process of its own before a session of it is made here.
- The session is made from the same bytes, on one thread, with no other file.
- The same window gives the same bits, whatever else is in the batch.

The graph takes `window` float64[batch, time, tag] in engineering units, oldest row first, without
gaps. It returns `score` [batch], `contribution` [batch, tag], which sums to the score, and
optionally `expected` [batch, tag], the expected last row in engineering units.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from detectors.bundle.admission import admit
from detectors.bundle.bounds import BATCHES, largest_batch
from detectors.bundle.first_run import session_of
from detectors.bundle.graph import Entry, Graph
from detectors.bundle.safety import check_model
from gateway.api.contracts import ModelError
from gateway.api.model import Floats

INPUT, SCORE, CONTRIBUTION, EXPECTED = "window", "score", "contribution", "expected"
_DOUBLE = 11
_NUMBERS = (1, _DOUBLE)
"""Element types of an output: float and double."""


class Outputs(NamedTuple):
    """Outputs of a model: score float64[batch], contribution and expected float64[batch, tag]."""

    score: Floats
    contribution: Floats
    expected: Floats | None


class Model:
    """A loaded graph. `run` is pure; rounding does not depend on the rest of the batch.

    ModelError if the graph is not allowed, may need too much, or does not run in a process of its
    own; only then a session of it is made here.
    """

    def __init__(self, data: bytes) -> None:
        graph = check_model(data)
        self.opset = graph.opset
        # Of a window: (time, tag).
        self.shape = check_signature(graph)
        # Windows scored in one run, which bounds the memory when many are due.
        self.batch, need = largest_batch(graph, INPUT, self.shape)
        check_outputs(need.outputs, self.batch, self.shape[1])
        admit(data, self.shape, sorted({BATCHES[0], self.batch}))
        self._session = _session(data)
        self._names = [n for n in (SCORE, CONTRIBUTION, EXPECTED) if n in need.outputs]

    def run(self, windows: Floats) -> Outputs:
        """Scores one window or more, float64[batch, time, tag] without NaN."""
        starts = range(0, len(windows), self.batch)
        parts = [self._run(windows[start : start + self.batch]) for start in starts]
        whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Outputs(whole[0], whole[1], whole[2] if EXPECTED in self._names else None)

    def _run(self, windows: Floats) -> list[Floats]:
        # Filled up with the last window to a size whose memory was bounded. Never one: the runtime
        # multiplies a single row with a different routine, which rounds differently.
        size = next(each for each in BATCHES if each >= len(windows))
        filling = np.repeat(windows[-1:], size - len(windows), axis=0)
        batch = np.concatenate((windows, filling)) if len(filling) else windows
        outputs = self._session.run(self._names, {INPUT: batch})
        return [np.asarray(each[: len(windows)], dtype=np.float64) for each in outputs]


def _session(data: bytes) -> Any:
    import onnxruntime

    try:
        return session_of(onnxruntime, data)
    except Exception as error:  # the runtime's exception types have no common base
        raise ModelError(f"it cannot be loaded: {str(error)[:300]}") from error


def check_signature(graph: Graph) -> tuple[int, int]:
    """The shape (time, tag) of a graph's window; ModelError if its input or outputs are others."""
    if [each.name for each in graph.inputs] != [INPUT]:
        raise ModelError(f"it has the inputs {_listed(graph.inputs)}; it must have only {INPUT!r}")
    missing = {SCORE, CONTRIBUTION} - {each.name for each in graph.outputs}
    if missing:
        raise ModelError(
            f"it has the outputs {_listed(graph.outputs)}; {' and '.join(sorted(missing))} is "
            "missing"
        )
    [entry] = graph.inputs
    if entry.element != _DOUBLE:
        raise ModelError(f"{INPUT} has the element type {entry.element}; it must be double")
    for output in graph.outputs:
        if output.name in (SCORE, CONTRIBUTION, EXPECTED) and output.element not in _NUMBERS:
            raise ModelError(f"{output.name} must be float or double")
    match entry.shape:
        case (str() | None, int(time), int(tags)) if time > 0 and tags > 0:
            return time, tags
    raise ModelError(f"{INPUT} has the shape {_written(entry)}; it must be [batch, time, tag]")


def check_outputs(shapes: Mapping[str, Sequence[int]], batch: int, tags: int) -> None:
    """ModelError if the outputs of a batch have other shapes than a bundle's."""
    wanted = {SCORE: (batch,), CONTRIBUTION: (batch, tags), EXPECTED: (batch, tags)}
    for name, shape in shapes.items():
        if name in wanted and tuple(shape) != wanted[name]:
            raise ModelError(
                f"{name} has the shape {list(shape)} for {batch} windows; it must have "
                f"{list(wanted[name])}"
            )


def _written(entry: Entry) -> str:
    return f"[{', '.join(str(size)[:60] for size in entry.shape or ())}]"


def _listed(entries: Iterable[Entry]) -> str:
    return ", ".join(sorted(repr(each.name[:60]) for each in entries)[:10]) or "nothing"
