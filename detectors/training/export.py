"""A model as one fused ONNX graph.

Promises
- Standardised in float64, then float32: a level of 1e6 with a spread of 1e-3 keeps its signal.
- Contributions and score leave in float64, so that they sum exactly; the expected row is the newest
  row moved by a small float32 amount, so it keeps its precision as well.
- Only operators that a bundle may hold, one file, and the same bytes for the same model.
"""

from typing import Any

import numpy as np

from detectors.bundle import CONTRIBUTION, EXPECTED, INPUT, SCORE
from detectors.training.lagged import CLIP, Frame, Lagged, Node

OPSET = 18
OPSETS = {"": OPSET, "ai.onnx.ml": 3}
IR_VERSION = 9


def graph_bytes(model: Lagged) -> bytes:
    """The model as a serialised ONNX file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tags = len(model.frame.mean)

    def entry(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["batch", *shape])

    constants = _constants(model.frame) | model.core.constants()
    nodes = [helper.make_node(kind, i, o.split(), **more) for kind, i, o, more in _nodes(model)]
    domains = sorted({node.domain for node in nodes})
    graph = helper.make_graph(
        nodes,
        "andon",
        [entry(INPUT, model.frame.length, tags)],
        [entry(SCORE), entry(CONTRIBUTION, tags), entry(EXPECTED, tags)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, OPSETS[domain]) for domain in domains],
        ir_version=IR_VERSION,
        producer_name="andon",
    )
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def _constants(frame: Frame) -> dict[str, Any]:
    tags, count = len(frame.mean), len(frame.recency)
    return {
        "mean": frame.mean,
        "std": frame.std,
        "lowest": np.array(-CLIP),
        "highest": np.array(CLIP),
        "rows": np.arange(count)[:, None] + np.arange(frame.lag)[None, :],
        "flat": np.array([-1, frame.lag * tags]),
        "cube": np.array([-1, frame.lag, tags]),
        "by_window": np.array([-1, count, tags]),
        "recency": frame.recency[:, None],
        "axis": np.array([1]),
        "last": np.array(count - 1),
        "last_row": np.array(frame.length - 1),
    }


def _nodes(model: Lagged) -> list[Node]:
    single, double, drop = {"to": 1}, {"to": 11}, {"keepdims": 0}
    return [
        ("Sub", [INPUT, "mean"], "difference", {}),
        ("Div", ["difference", "std"], "wide", {}),
        ("Clip", ["wide", "lowest", "highest"], "clipped", {}),
        ("Cast", ["clipped"], "standard", single),
        ("Gather", ["standard", "rows"], "stretches", {"axis": 1}),
        ("Reshape", ["stretches", "flat"], "row", {}),
        *model.core.nodes(),
        ("Reshape", ["part", "by_window"], "parts", {}),
        ("Cast", ["parts"], "parts_wide", double),
        ("Mul", ["parts_wide", "recency"], "faded", {}),
        ("ReduceSum", ["faded", "axis"], CONTRIBUTION, drop),
        ("ReduceSum", [CONTRIBUTION, "axis"], SCORE, drop),
        ("Reshape", ["off", "by_window"], "offs", {}),
        ("Gather", ["offs", "last"], "newest_off", {"axis": 1}),
        ("Cast", ["newest_off"], "shift", double),
        ("Mul", ["shift", "std"], "moved", {}),
        ("Gather", [INPUT, "last_row"], "now", {"axis": 1}),
        ("Sub", ["now", "moved"], EXPECTED, {}),
    ]
