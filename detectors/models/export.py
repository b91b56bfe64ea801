"""A model as one fused ONNX graph.

Promises
- Standardised in float64, then float32: a level of 1e6 with a spread of 1e-3 keeps its signal.
- Contributions and score leave in float64, so that they sum exactly; the expected row is the newest
  row moved by a small float32 amount, so it keeps its precision as well.
- Only operators that a bundle may hold, one file, and the same bytes for the same model.
"""

from typing import Any

import numpy as np

from detectors.bundle.bundle import CONTRIBUTION, EXPECTED, INPUT, SCORE
from detectors.models.lagged import CLIP, Lagged, Node, WindowFrame
from gateway.api.model import Floats

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

    plan = [*_rows(model.frame), *model.core.nodes(), *_outputs()]
    named = {name for _, inputs, _, _ in plan for name in inputs}
    constants = _constants(model) | model.core.constants()
    nodes = [helper.make_node(kind, i, o.split(), **more) for kind, i, o, more in plan]
    domains = sorted({node.domain for node in nodes})
    graph = helper.make_graph(
        nodes,
        "andon",
        [entry(INPUT, model.frame.length, tags)],
        [entry(SCORE), entry(CONTRIBUTION, tags), entry(EXPECTED, tags)],
        [numpy_helper.from_array(a, name) for name, a in constants.items() if name in named],
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, OPSETS[domain]) for domain in domains],
        ir_version=IR_VERSION,
        producer_name="andon",
    )
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def _rows(frame: WindowFrame) -> list[Node]:
    """From the window to `row`: float32[window * (stretches, averaged stretch), time * tag]."""
    apart: list[Node] = [
        ("Mul", ["standard", "stays"], "staying", {}),
        ("Mul", ["standard", "nonstationary"], "wandering", {}),
        ("Concat", ["staying", "wandering"], "seen", {"axis": 1}),
    ]
    return [
        # Over whole windows at once: the runtime is slow over many short rows.
        ("Reshape", [INPUT, "shape_given"], "given", {}),
        ("Sub", ["given", "mean"], "difference", {}),
        ("Div", ["difference", "std"], "wide", {}),
        ("Clip", ["wide", "lowest", "highest"], "clipped", {}),
        ("Cast", ["clipped"], "single", {"to": 1}),
        ("Reshape", ["single", "by_time"], "standard", {}),
        *(apart if frame.nonstationary.any() else []),
        (
            "MatMul",
            ["unfold", "seen" if frame.nonstationary.any() else "standard"],
            "stretches",
            {},
        ),
        ("Reshape", ["stretches", "flat"], "row", {}),
    ]


def _outputs() -> list[Node]:
    """From `part` and `off` to what leaves the graph."""
    double = {"to": 11}
    return [
        ("Cast", ["part"], "single_part", {"to": 1}),
        ("Reshape", ["single_part", "parts_of_window"], "parts", {}),
        ("MatMul", ["parts", "weights"], "contributed", {}),
        ("Cast", ["contributed"], CONTRIBUTION, double),
        ("ReduceSum", [CONTRIBUTION, "axis"], SCORE, {"keepdims": 0}),
        ("Reshape", ["off", "by_stretch"], "offs", {}),
        ("Gather", ["offs", "newest_stretch"], "newest_off", {"axis": 1}),
        ("Cast", ["newest_off"], "shift_wide", double),
        ("Mul", ["shift_wide", "spread"], "moved", {}),
        ("Gather", [INPUT, "last_row"], "now", {"axis": 1}),
        ("Sub", ["now", "moved"], EXPECTED, {}),
    ]


def _constants(model: Lagged) -> dict[str, Any]:
    frame, tags, judged = model.frame, len(model.frame.mean), len(model.weights)
    single = {
        "stays": ~frame.nonstationary,
        "nonstationary": frame.nonstationary,
        "unfold": _unfold(model),
        "tag_of_cell": np.tile(np.eye(tags), (frame.lag, 1)),
        "weights": np.kron(model.weights[:, None], np.eye(tags)),
    }
    return {name: np.asarray(array, dtype=np.float32) for name, array in single.items()} | {
        "mean": np.tile(frame.mean, frame.length),
        "std": np.tile(frame.std, frame.length),
        "spread": frame.std,
        "lowest": np.array(-CLIP),
        "highest": np.array(CLIP),
        "shape_given": np.array([-1, frame.length * tags]),
        "by_time": np.array([-1, frame.length, tags]),
        "flat": np.array([-1, frame.lag * tags]),
        "cube": np.array([-1, frame.lag, tags]),
        "parts_of_window": np.array([-1, judged * tags]),
        "by_stretch": np.array([-1, judged, tags]),
        "axis": np.array([1]),
        "newest_stretch": np.array(len(frame.recency) - 1),
        "last_row": np.array(frame.length - 1),
    }


def _unfold(model: Lagged) -> Floats:
    """Float64[(stretch, time), row] makes stretches of a window's rows, and their average.

    Where tags wander, the rows come twice, and of the second the level within a stretch is taken.
    """
    frame, count = model.frame, len(model.frame.recency)
    unfold = np.zeros((len(model.weights), frame.lag, frame.length))
    for stretch in range(count):
        unfold[stretch, :, stretch : stretch + frame.lag] = np.eye(frame.lag)
    if model.lasting:
        unfold[count] = np.tensordot(frame.recency, unfold[:count], axes=1)
    if frame.nonstationary.any():
        level = unfold.mean(axis=1, keepdims=True)
        unfold = np.concatenate((unfold, unfold - level), axis=2)
    return unfold.reshape(-1, unfold.shape[2])
