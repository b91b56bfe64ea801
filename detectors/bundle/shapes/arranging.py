"""Rules of the operators that arrange elements: reshape, cut, join and select. Pure.

Whole numbers that are known, as of a shape, stay known: exporters compute shapes by such operators.
"""

from math import prod

import numpy as np

from detectors.bundle.graph import FLOAT, FLOATS, INT, INTS, MOST_KNOWN, TENSOR
from detectors.bundle.shapes.values import (
    Call,
    Known,
    Rules,
    Shape,
    SizeError,
    Step,
    axes_in,
)
from detectors.bundle.wire import Numbers


def _constant(call: Call) -> Step:
    attributes = [each for each in call.node.attributes.values() if each.name.startswith("value")]
    if len(attributes) != 1:
        raise SizeError("it must have one value")
    [each] = attributes
    if each.name == "value" and each.kind == TENSOR and each.t is not None:
        return Step([Known(each.t.shape, each.t.item, each.t.numbers)])
    if each.name == "value_int" and each.kind == INT:
        return Step([Known((), 8, np.array(each.i, dtype=np.int64))])
    if each.name == "value_ints" and each.kind == INTS:
        few = each.ints if len(each.ints) <= MOST_KNOWN else None
        return Step([Known((len(each.ints),), 8, few)])
    if each.name == "value_float" and each.kind == FLOAT:
        return Step([Known((), 4)])
    if each.name == "value_floats" and each.kind == FLOATS:
        return Step([Known((each.floats,), 4)])
    raise SizeError(f"its {each.name} is not allowed")


def _shape(call: Call) -> Step:
    sizes = call[0].shape
    start, end = call.whole("start", 0), call.whole("end", len(sizes))
    cut = np.array(sizes[start:end], dtype=np.int64)
    return Step([Known(cut.shape, 8, cut)])


def _reshape(call: Call) -> Step:
    first, wanted = call[0], call.numbers(1)
    if wanted is None:
        raise SizeError("it has no shape")
    sizes = [int(each) for each in wanted]
    if not call.whole("allowzero", 0):
        if any(size == 0 and at >= len(first.shape) for at, size in enumerate(sizes)):
            raise SizeError(f"it copies an axis that {list(first.shape)} does not have")
        sizes = [size or first.shape[at] for at, size in enumerate(sizes)]
    rest = prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and rest > 0 and first.size % rest == 0:
        sizes[sizes.index(-1)] = first.size // rest
    return _as(first, tuple(sizes))


def _flatten(call: Call) -> Step:
    first = call[0]
    axis = call.whole("axis", 1)
    if not -len(first.shape) <= axis <= len(first.shape):
        raise SizeError(f"it has no axis {axis} of {len(first.shape)}")
    axis += len(first.shape) * (axis < 0)
    return _as(first, (prod(first.shape[:axis]), prod(first.shape[axis:])))


def _squeeze(call: Call) -> Step:
    first, axes = call[0], call.numbers(1)
    if axes is None or not len(axes):
        return _as(first, tuple(size for size in first.shape if size != 1))
    dropped = axes_in(axes, len(first.shape))
    return _as(first, tuple(s for at, s in enumerate(first.shape) if at not in dropped))


def _unsqueeze(call: Call) -> Step:
    first, axes = call[0], call.numbers(1)
    if axes is None:
        raise SizeError("it has no axes")
    rank = len(first.shape) + len(axes)
    added, kept = axes_in(axes, rank), iter(first.shape)
    return _as(first, tuple(1 if at in added else next(kept) for at in range(rank)))


def _as(value: Known, shape: Shape) -> Step:
    """The same elements in another shape."""
    if min(shape, default=0) < 0 or prod(shape) != value.size:
        raise SizeError(f"{list(value.shape)} cannot become {list(shape)[:20]}")
    numbers = None if value.numbers is None else value.numbers.reshape(shape)
    return Step([Known(shape, value.item, numbers)])


def _transpose(call: Call) -> Step:
    first = call[0]
    order = call.list("perm")
    if order is None:
        order = list(range(len(first.shape)))[::-1]
    if sorted(order) != list(range(len(first.shape))):
        raise SizeError(f"its order {order[:20]} does not fit {len(first.shape)} axes")
    numbers = None if first.numbers is None else first.numbers.transpose(order)
    out = Known(tuple(first.shape[axis] for axis in order), first.item, numbers)
    return Step([out], work=out.size)


def _concat(call: Call) -> Step:
    parts = call.given
    rank = len(call[0].shape)
    axis = call.axis(rank, rank)  # there is no default
    others = {(*each.shape[:axis], *each.shape[axis + 1 :]) for each in parts}
    if len(others) != 1 or any(len(each.shape) != rank for each in parts):
        raise SizeError("its inputs do not fit together")
    shape = list(call[0].shape)
    shape[axis] = sum(each.shape[axis] for each in parts)
    known = [each.numbers for each in parts if each.numbers is not None]
    numbers = np.concatenate(known, axis) if len(known) == len(parts) else None
    out = Known(tuple(shape), max(each.item for each in parts), _few(numbers))
    return Step([out], work=out.size)


def _gather(call: Call) -> Step:
    first, at = call[0], call[1]
    axis = call.axis(0, len(first.shape))
    shape = (*first.shape[:axis], *at.shape, *first.shape[axis + 1 :])
    numbers = None
    if first.numbers is not None and at.numbers is not None:
        size = first.shape[axis]
        if ((at.numbers < -size) | (at.numbers >= size)).any():
            raise SizeError(f"it takes an element beyond the {size} of its input")
        numbers = _few(np.take(first.numbers, at.numbers, axis)) if prod(shape) <= 1000 else None
    out = Known(shape, first.item, numbers)
    return Step([out], work=out.size)


def _slice(call: Call) -> Step:
    first = call[0]
    starts, ends, axes, steps = (call.numbers(number) for number in range(1, 5))
    if starts is None or ends is None:
        raise SizeError("it has no start or no end")
    axes = np.arange(len(starts)) if axes is None else axes
    steps = np.ones_like(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or (steps == 0).any():
        raise SizeError("its starts, ends, axes and steps do not fit together")
    cut = [slice(None)] * len(first.shape)
    taken = list(first.shape)
    for at, axis in enumerate(axes_in(axes, len(first.shape))):
        start, end, step = int(starts[at]), int(ends[at]), int(steps[at])
        # An end before the first element, which Python's slices cannot say by a negative number.
        before = step < 0 and end < -first.shape[axis]
        cut[axis] = slice(start, None if before else end, step)
        taken[axis] = len(range(*cut[axis].indices(first.shape[axis])))
    numbers = None if first.numbers is None else first.numbers[tuple(cut)]
    out = Known(tuple(taken), first.item, numbers)
    return Step([out], work=out.size)


def _split(call: Call) -> Step:
    first, sizes = call[0], call.numbers(1)
    axis = call.axis(0, len(first.shape))
    count = len(call.node.outputs)
    whole = first.shape[axis]
    if sizes is None:
        part = -(-whole // count)
        sizes = np.array([part] * (count - 1) + [whole - part * (count - 1)])
    if len(sizes) != count or (sizes < 0).any() or sizes.sum() != whole:
        raise SizeError(f"its parts do not sum to the {whole} of its input")
    shapes = [(*first.shape[:axis], int(size), *first.shape[axis + 1 :]) for size in sizes]
    return Step([Known(shape, first.item) for shape in shapes], work=first.size)


def _top(call: Call) -> Step:
    first, count = call[0], call.numbers(1)
    axis = call.axis(-1, len(first.shape))
    if count is None or count.size != 1 or not 0 <= int(count[0]) <= first.shape[axis]:
        raise SizeError("it takes more elements than there are")
    shape = (*first.shape[:axis], int(count[0]), *first.shape[axis + 1 :])
    scratch = 2 * first.size * 8
    return Step([Known(shape, first.item), Known(shape, 8)], scratch, 20 * first.size)


def _features(call: Call) -> Step:
    """ArrayFeatureExtractor: columns by their numbers."""
    first, at = call[0], call[1]
    if not first.shape:
        raise SizeError("its input has no axis")
    before = first.shape[:-1] or (1,)
    out = Known((*before, at.size), first.item)
    return Step([out], work=out.size)


def _few(numbers: Numbers | None) -> Numbers | None:
    return numbers if numbers is not None and numbers.size <= MOST_KNOWN else None


RULES: Rules = {
    "ArrayFeatureExtractor": _features,
    "Concat": _concat,
    "Constant": _constant,
    "Flatten": _flatten,
    "Gather": _gather,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "TopK": _top,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
