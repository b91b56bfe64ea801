"""Rules of the operators that compute each element by itself. Pure."""

import numpy as np

from detectors.bundle.shapes.values import Call, Known, Rules, SizeError, Step, axis_in, broadcast
from detectors.bundle.wire import Numbers

_BYTES_OF = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Bytes of the element types that a tensor may be cast to."""
_LARGEST = 2**31
"""A known number that is larger may have overflowed: it is not known any more."""
_KEPT_BYTES = 4
"""An element that was quantized or restored takes at most as much as a float."""


def _same(call: Call) -> Step:
    first = call[0]
    return Step([Known(first.shape, first.item)], work=first.size)


def _identity(call: Call) -> Step:
    return Step([call[0]])


def _clip(call: Call) -> Step:
    if any(each.size != 1 for each in call.given[1:]):
        raise SizeError("its bounds must be single numbers")
    return _same(call)


def _negative(call: Call) -> Step:
    first = call[0]
    numbers = None if first.numbers is None else -first.numbers
    return Step([Known(first.shape, first.item, _certain(numbers))])


def _along_an_axis(call: Call) -> Step:
    """Softmax: with a temporary copy, and another to bring the axis to the end."""
    first = call[0]
    axis_in(call.whole("axis", -1), max(len(first.shape), 1))
    return Step([Known(first.shape, first.item)], scratch=2 * first.bytes, work=4 * first.size)


def _together(call: Call) -> Step:
    shape = broadcast([each.shape for each in call.given])
    item = max(call[0].item, *(each.item for each in call.given))
    out = Known(shape, item, _computed(call))
    # Of more than two inputs the result is made step by step.
    return Step([out], scratch=out.bytes * (len(call) > 2), work=out.size * max(len(call) - 1, 1))


def _compare(call: Call) -> Step:
    out = Known(broadcast([each.shape for each in call.given]), 1)
    return Step([out], work=out.size)


def _power(call: Call) -> Step:
    out = Known(broadcast([each.shape for each in call.given]), call[0].item)
    return Step([out], work=10 * out.size)


def _where(call: Call) -> Step:
    shape = broadcast([call[number].shape for number in range(3)])
    out = Known(shape, max(call[1].item, call[2].item))
    # The runtime selects from each side into a copy.
    return Step([out], scratch=2 * out.bytes, work=3 * out.size)


def _to_the_first(call: Call) -> Step:
    """PRelu: the second input is broadcast to the first."""
    if broadcast([call[0].shape, call[1].shape]) != call[0].shape:
        raise SizeError("its slope does not fit its input")
    return _same(call)


def _cast(call: Call) -> Step:
    target = call.whole("to", 0)
    if target not in _BYTES_OF:
        raise SizeError(f"it casts to the element type {target}")
    first = call[0]
    numbers = _certain(first.numbers) if target in (6, 7) else None
    return Step([Known(first.shape, _BYTES_OF[target], numbers)], work=first.size)


def _quantized(call: Call) -> Step:
    first = call[0]
    return Step([Known(first.shape, _KEPT_BYTES)], work=2 * first.size)


def _normalised(call: Call) -> Step:
    """LayerNormalization, with the mean and the inverse deviation."""
    first = call[0]
    axis = call.axis(-1, len(first.shape))
    if broadcast([first.shape, *(each.shape for each in call.given[1:])]) != first.shape:
        raise SizeError("its scale does not fit its input")
    figures = Known(first.shape[:axis] + (1,) * (len(first.shape) - axis), 8)
    out = Known(first.shape, first.item)
    return Step([out, figures, figures], scratch=first.bytes, work=8 * first.size)


def _computed(call: Call) -> Numbers | None:
    """The numbers of a result, where those of both inputs are known."""
    values = [each.numbers for each in call.given]
    known = [value for value in values if value is not None]
    if len(known) != len(values) or len(values) != 2 or call.node.kind not in _COMPUTE:
        return None
    if call.node.kind == "Div" and ((known[0] < 0).any() or (known[1] <= 0).any()):
        return None
    return _certain(_COMPUTE[call.node.kind](*known))


_COMPUTE = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.floor_divide,
    "Max": np.maximum, "Min": np.minimum,
}  # fmt: skip


def _certain(numbers: Numbers | None) -> Numbers | None:
    if numbers is None or (np.abs(numbers) >= _LARGEST).any() or numbers.size > 1000:
        return None
    return np.asarray(numbers, dtype=np.int64)


_SAME = """
Abs Ceil Cos Elu Erf Exp Floor Gelu HardSigmoid LeakyRelu Log Not Reciprocal Relu Selu Sigmoid Sign
Sin Softplus Sqrt Tanh
"""
_COMPARE = "And Equal Greater GreaterOrEqual Less LessOrEqual Or"
RULES: Rules = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(("Add", "Div", "Max", "Mean", "Min", "Mul", "Sub", "Sum"), _together),
    **dict.fromkeys(_COMPARE.split(), _compare),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _along_an_axis),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantized),
    "Cast": _cast,
    "Clip": _clip,
    "Identity": _identity,
    "LayerNormalization": _normalised,
    "Neg": _negative,
    "PRelu": _to_the_first,
    "Pow": _power,
    "Where": _where,
}
