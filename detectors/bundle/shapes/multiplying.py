"""Rules of the operators that multiply matrices: layers, convolutions and recurrent ones. Pure."""

from math import prod

from detectors.bundle.graph import INT, STRING
from detectors.bundle.shapes.values import Call, Known, Rules, Shape, SizeError, Step, broadcast

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _matmul(call: Call) -> Step:
    left, right = call[0].shape, call[1].shape
    if not left or not right:
        raise SizeError("it multiplies a single number")
    wide = left if len(left) > 1 else (1, *left)
    tall = right if len(right) > 1 else (*right, 1)
    if wide[-1] != tall[-2]:
        raise _misfit(left, right)
    before = broadcast([wide[:-2], tall[:-2]])
    rows = wide[-2:-1] if len(left) > 1 else ()
    columns = tall[-1:] if len(right) > 1 else ()
    shape = (*before, *rows, *columns)
    work = prod(shape) * wide[-1]
    out = Known(shape, max(call[0].item, call[1].item))
    # The right matrix is packed into a copy, and the runtime notes where each matrix begins.
    return Step([out], call[1].bytes + 24 * prod(before), work)


def _gemm(call: Call) -> Step:
    left, right = call[0].shape, call[1].shape
    if len(left) != 2 or len(right) != 2:
        raise SizeError("it multiplies matrices only")
    rows, inner = left[::-1] if call.whole("transA", 0) else left
    other, columns = right[::-1] if call.whole("transB", 0) else right
    if inner != other:
        raise _misfit(left, right)
    added = call.optional(2)
    if added is not None and broadcast([(rows, columns), added.shape]) != (rows, columns):
        raise SizeError("what it adds does not fit its result")
    out = Known((rows, columns), max(call[0].item, call[1].item))
    return Step([out], call[1].bytes, out.size * inner)


def _conv(call: Call) -> Step:
    data, kernels = call[0].shape, call[1].shape
    axes = len(data) - 2
    if axes < 1 or len(kernels) != len(data) or min(kernels) < 1:
        raise _misfit(data, kernels)
    groups = call.whole("group", 1)
    if groups < 1 or data[1] != kernels[1] * groups or kernels[0] % groups:
        raise _misfit(data, kernels)
    size = kernels[2:]
    if tuple(call.list("kernel_shape") or size) != size:
        raise SizeError("its kernel_shape is not that of its weights")
    bias = call.optional(2)
    if bias is not None and bias.shape != (kernels[0],):
        raise SizeError("its bias does not fit its weights")
    space = _space(call, data[2:], size)
    out = Known((data[0], kernels[0], *space), call[0].item)
    # One column for each place of the kernel in one window of the batch.
    columns = prod(kernels[1:]) * groups * prod(space) * call[0].item
    return Step([out], columns + call[1].bytes, out.size * prod(kernels[1:]))


def _space(call: Call, data: Shape, kernel: Shape) -> Shape:
    """Sizes of a convolution's result along its axes."""
    axes = len(data)
    strides = call.list("strides") or [1] * axes
    dilations = call.list("dilations") or [1] * axes
    pads = call.list("pads") or [0] * (2 * axes)
    if not len(strides) == len(dilations) == len(pads) / 2 == axes:
        raise SizeError(f"its strides, dilations and pads do not fit {axes} axes")
    if min(strides) < 1 or min(dilations) < 1 or min(pads) < 0:
        raise SizeError("its strides, dilations and pads must be positive")
    found = call.attribute("auto_pad", STRING)
    mode = found.s if found is not None else b"NOTSET"
    if mode in (b"SAME_UPPER", b"SAME_LOWER"):
        return tuple(-(-size // stride) for size, stride in zip(data, strides, strict=True))
    if mode == b"VALID":
        pads = [0] * (2 * axes)
    elif mode != b"NOTSET":
        raise SizeError(f"its auto_pad is {mode.decode(errors='replace')[:60]!r}")
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    padded = [size + pads[at] + pads[at + axes] for at, size in enumerate(data)]
    if any(whole < part for whole, part in zip(padded, reach, strict=True)):
        raise SizeError(f"its kernel {list(kernel)} is larger than its input {list(data)}")
    steps = zip(padded, reach, strides, strict=True)
    return tuple((whole - part) // stride + 1 for whole, part, stride in steps)


def _recurrent(call: Call) -> Step:
    data, weights, state = (call[number].shape for number in range(3))
    gates = _GATES[call.node.kind]
    if not len(data) == len(weights) == len(state) == 3:
        raise SizeError("its input and weights must have 3 axes")
    directions, _, hidden = state
    if call.whole("layout", 0):
        raise SizeError("its layout must be 0")
    steps, batch, width = data
    given = call.attribute("hidden_size", INT)
    found = call.attribute("direction", STRING)
    both = found is not None and found.s == b"bidirectional"
    wanted = ((1 + both, gates * hidden, width), (1 + both, gates * hidden, hidden))
    if (given is not None and given.i != hidden) or (weights, state) != wanted:
        raise SizeError("its hidden_size does not fit its weights")
    _check_states(call, directions, gates, batch, hidden)
    last = Known((directions, batch, hidden), call[0].item)
    every = Known((steps, directions, batch, hidden), call[0].item)
    # The gates of all steps, and the input and output in reverse.
    scratch = (gates + 2) * every.bytes + 2 * call[0].bytes + call[1].bytes + call[2].bytes
    work = steps * batch * directions * gates * hidden * (width + hidden)
    return Step([every, last, last], scratch, work)


def _check_states(call: Call, directions: int, gates: int, batch: int, hidden: int) -> None:
    states = (directions, batch, hidden)
    wanted = {3: (directions, 2 * gates * hidden), 4: (batch,), 5: states, 6: states}
    wanted[7] = (directions, 3 * hidden)
    for number, shape in wanted.items():
        found = call.optional(number)
        if found is not None and found.shape != shape:
            raise SizeError(f"its input {number + 1} must have the shape {list(shape)}")


def _misfit(left: Shape, right: Shape) -> SizeError:
    return SizeError(f"its inputs of {list(left)} and {list(right)} do not fit together")


RULES: Rules = {
    **dict.fromkeys(_GATES, _recurrent),
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
