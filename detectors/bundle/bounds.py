"""Bounds of what a graph may need, from the shapes of all its tensors. Pure.

Promises
- The tensors of a run take together at most `RUN_MEMORY`, all of them and those that the runtime
  needs besides counted as if none were ever freed, and at most `RUN_WORK` multiplications. The
  batch is made as small as that needs.
- A model that needs more for the smallest batch, or whose sizes depend on its data, is refused.
- The sizes are computed for each size of a batch that is ever run, so no other can need more.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from detectors.bundle.graph import MOST_DIMENSIONS, Entry, Graph, Node
from detectors.bundle.shapes import arranging, classical, elementwise, multiplying, reducing
from detectors.bundle.shapes.values import Call, Known, Rules, Shape, SizeError
from detectors.bundle.whole import FLOATS, divides_unsafely, floats_of
from gateway.api.contracts import ModelError

BATCHES = (2, 4, 8, 16, 32, 64, 128, 256)
"""Sizes of a batch; a single window is run as a pair."""
RUN_MEMORY = 64_000_000
"""Bytes for a batch of several pairs; one pair may take twice as much."""
RUN_WORK = 4_000_000_000
"""Multiplications for a batch of several pairs; one pair may take ten times as much."""
MIN_OPSET = 13
"""The first opset of the rules: before it, operators took their axes in other ways."""
RULES: Rules = {
    **elementwise.RULES,
    **arranging.RULES,
    **multiplying.RULES,
    **reducing.RULES,
    **classical.RULES,
}


class Need(NamedTuple):
    """Memory in bytes and multiplications of one run, and the shapes of the outputs."""

    memory: int
    work: int
    outputs: Mapping[str, Shape]


def largest_batch(graph: Graph, name: str, window: Shape) -> tuple[int, Need]:
    """The largest batch of windows for the input `name` within the bounds, and what it needs.

    ModelError if there is none.
    """
    if graph.opset < MIN_OPSET:
        raise ModelError(f"the model has opset {graph.opset}: export it with {MIN_OPSET} or newer")
    first, *larger = BATCHES
    fitting = first, need_of(graph, {name: (first, *window)}, 2 * RUN_MEMORY, 10 * RUN_WORK)
    for batch in larger:
        try:
            need = need_of(graph, {name: (batch, *window)}, RUN_MEMORY, RUN_WORK)
        except ModelError:
            break
        fitting = batch, need
    return fitting


def need_of(graph: Graph, inputs: Mapping[str, Shape], memory: int, work: int) -> Need:
    """What a run with inputs of these shapes needs; ModelError if it is more, or unknown."""
    tensors = {name: Known(shape) for name, shape in inputs.items()}
    tensors |= {name: Known(t.shape, t.item, t.numbers) for name, t in graph.weights.items()}
    floats = {each.name: each.element in FLOATS for each in graph.inputs}
    floats |= {name: tensor.element in FLOATS for name, tensor in graph.weights.items()}
    used_memory = used_work = 0
    for number, node in enumerate(graph.nodes, 1):
        try:
            call = Call(node, [_input(tensors, each) for each in node.inputs])
            step = RULES[node.kind](call)
            _check_outputs(tensors, node, step.outputs)
        except SizeError as error:
            raise ModelError(f"the size of {_called(node, number)} is not known: {error}") from None
        if divides_unsafely(call, floats):
            raise ModelError(
                f"{_called(node, number)}, divides whole numbers by what may be 0 or negative, "
                "which would end the process: cast them to float before"
            )
        floats |= dict(zip(node.outputs, floats_of(node, floats), strict=False))
        used_memory += sum(each.bytes for each in step.outputs) + step.scratch
        used_work += step.work
        if used_memory > memory:
            raise ModelError(
                f"one run needs {_size(used_memory)} of memory at {_called(node, number)}, more "
                f"than the {memory // 1_000_000} MB allowed"
            )
        if used_work > work:
            raise ModelError(
                f"one run needs more than {work // 10**9} thousand million multiplications"
            )
        made = zip(node.outputs, step.outputs, strict=False)
        tensors |= {name: out for name, out in made if name}
    for entry in (*graph.declared, *graph.outputs):
        _check_declared(entry, tensors)
    outputs = {each.name: tensors[each.name].shape for each in graph.outputs}
    return Need(used_memory, used_work, outputs)


def _input(tensors: Mapping[str, Known], name: str) -> Known | None:
    if name and name not in tensors:
        raise SizeError(f"nothing before it makes its input {name[:60]!r}")
    return tensors[name] if name else None


def _check_outputs(tensors: Mapping[str, Known], node: Node, made: Sequence[Known]) -> None:
    first = tensors.get(node.inputs[0]) if node.inputs else None
    if not all(each.size for each in (*made, *((first,) if first is not None else ()))):
        raise SizeError("it computes with an empty tensor")
    if any(len(each.shape) > MOST_DIMENSIONS for each in made):
        raise SizeError(f"its output has more than {MOST_DIMENSIONS} axes")
    if len(node.outputs) > len(made):
        raise SizeError(f"it has {len(node.outputs)} outputs")
    twice = [name for name in node.outputs if name and name in tensors]
    if twice:
        raise SizeError(f"its output {twice[0][:60]!r} is made twice")


def _check_declared(entry: Entry, tensors: Mapping[str, Known]) -> None:
    """The runtime may believe a declared shape, so it must be the real one."""
    found = tensors.get(entry.name)
    if found is None:
        raise ModelError(f"nothing makes {entry.name[:60]!r}, which the model declares")
    if entry.shape is None:
        return
    fits = len(entry.shape) == len(found.shape) and all(
        not isinstance(size, int) or size == real
        for size, real in zip(entry.shape, found.shape, strict=True)
    )
    if not fits:
        raise ModelError(
            f"{entry.name[:60]!r} has the shape {list(found.shape)}, and the model declares another"
        )


def _called(node: Node, number: int) -> str:
    return f"operator {number}, {node.kind!r}"


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
