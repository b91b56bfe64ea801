"""Rules of the operators that reduce axes to one number. Pure."""

import numpy as np

from detectors.bundle.shapes.values import Call, Known, Rules, Shape, Step, axes_in


def _reduce(call: Call) -> Step:
    first = call[0]
    axes = call.list("axes")
    given = call.numbers(1) if axes is None else np.array(axes, dtype=np.int64)
    if given is None or not len(given):
        if call.whole("noop_with_empty_axes", 0):
            return Step([Known(first.shape, first.item)], work=first.size)
        given = np.arange(len(first.shape))
    shape = _without(call, axes_in(given, len(first.shape)))
    # The runtime may bring the axes to the end first.
    return Step([Known(shape, first.item)], first.bytes, first.size)


def _place(call: Call) -> Step:
    """ArgMax and ArgMin."""
    first = call[0]
    shape = _without(call, [call.axis(0, len(first.shape))])
    return Step([Known(shape, 8)], first.bytes, first.size)


def _without(call: Call, axes: list[int]) -> Shape:
    shape = call[0].shape
    if call.whole("keepdims", 1):
        return tuple(1 if at in axes else size for at, size in enumerate(shape))
    return tuple(size for at, size in enumerate(shape) if at not in axes)


_REDUCE = "L1 L2 LogSumExp Max Mean Min Prod Sum SumSquare"
RULES: Rules = {
    **{f"Reduce{name}": _reduce for name in _REDUCE.split()},
    "ArgMax": _place,
    "ArgMin": _place,
}
