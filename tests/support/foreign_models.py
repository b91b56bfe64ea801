"""ONNX files as other tools write them: layers by name, float32, a free batch axis."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def model(
    nodes: list[Any],
    weights: dict[str, Any],
    taken: tuple[Any, ...],
    given: tuple[Any, ...],
    *,
    opset: int = 17,
    element: int = TensorProto.FLOAT,
) -> bytes:
    """A file with `input` and `output` of these shapes, the batch before them."""
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", element, ["batch", *taken])],
        [helper.make_tensor_value_info("output", element, ["batch", *given])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="pytorch"
    )
    return made.SerializeToString()


def _low_rank(samples: Any, kept: int) -> Any:
    """A projection float32[n, n] onto the `kept` directions in which rows [n] vary most."""
    _, _, rows = np.linalg.svd(samples - samples.mean(axis=0), full_matrices=False)
    return (rows[:kept].T @ rows[:kept]).astype(np.float32)


def dense_autoencoder(standard: Any, kept: int = 2, **more: Any) -> bytes:
    """[batch, n] to itself through a bottleneck; fitted on standardised rows [row, n]."""
    size = standard.shape[1]
    nodes = [helper.make_node("MatMul", ["input", "w"], ["output"])]
    return model(nodes, {"w": _low_rank(standard, kept)}, (size,), (size,), **more)


def window_autoencoder(standard: Any, rows: int, kept: int = 3) -> bytes:
    """[batch, rows, tags] to itself; fitted on standardised rows [row, tag] in order."""
    tags = standard.shape[1]
    cut = np.stack([standard[k : k + rows].ravel() for k in range(len(standard) - rows)])
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["back"]),
        helper.make_node("Reshape", ["back", "shape"], ["output"]),
    ]
    weights = {"w": _low_rank(cut, kept), "shape": np.array([-1, rows, tags])}
    return model(nodes, weights, (rows, tags), (rows, tags))


def channels_first(rows: int, tags: int) -> bytes:
    """[batch, tags, rows]: a convolution that smooths each channel by itself, as an autoencoder."""
    weights = {"w": np.full((tags, 1, 3), 1 / 3, dtype=np.float32)}
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["output"], pads=[1, 1], group=tags),
    ]
    return model(nodes, weights, (tags, rows), (tags, rows))


def last_value_forecast(rows: int, tags: int) -> bytes:
    """[batch, rows, tags] to [batch, tags]: the next row is as the last one."""
    nodes = [helper.make_node("Gather", ["input", "at"], ["output"], axis=1)]
    return model(nodes, {"at": np.array(rows - 1)}, (rows, tags), (tags,))


def distance_from_zero(tags: int) -> bytes:
    """[batch, tags] to one score [batch, 1]: the squared length."""
    nodes = [
        helper.make_node("Mul", ["input", "input"], ["squared"]),
        helper.make_node("ReduceSum", ["squared", "axis"], ["output"], keepdims=1),
    ]
    return model(nodes, {"axis": np.array([1])}, (tags,), (1,))
