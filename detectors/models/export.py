"""Export of a model as one fused ONNX graph.

Promises
- Values are standardised in float64, then cast to float32: a level of 1e6 with a spread of 1e-3
  keeps its signal.
- Contributions and score are float64, so that they sum exactly. The expected row is the newest row
  minus a small float32 residual, so it keeps its precision as well.
- Only operators that a bundle may contain, one file, and the same bytes for the same model.
"""

from typing import Any

import numpy as np

from detectors.bundle.model import CONTRIBUTION, EXPECTED, INPUT, SCORE
from detectors.models.lagged import CLIP, Lagged, Node, WindowFrame
from gateway.api.model import Floats

OPSET = 18
OPSETS = {"": OPSET, "ai.onnx.ml": 3}
IR_VERSION = 9


def graph_bytes(model: Lagged) -> bytes:
    """Serialises the model as an ONNX file."""
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
    """Nodes from the window to `row`: float32[window * sub-window, time * tag].

    The averaged sub-window, if scored, is the last one of each window.
    """
    both: list[Node] = [
        ("Mul", ["standard", "stationary"], "stationary_part", {}),
        ("Mul", ["standard", "nonstationary"], "nonstationary_part", {}),
        ("Concat", ["stationary_part", "nonstationary_part"], "parted", {"axis": 1}),
    ]
    source = "parted" if frame.nonstationary.any() else "standard"
    return [
        # Over whole windows at once: the runtime is slow on many short rows.
        ("Reshape", [INPUT, "shape_given"], "given", {}),
        ("Sub", ["given", "mean"], "difference", {}),
        ("Div", ["difference", "std"], "wide", {}),
        ("Clip", ["wide", "lowest", "highest"], "clipped", {}),
        ("Cast", ["clipped"], "single", {"to": 1}),
        ("Reshape", ["single", "by_time"], "standard", {}),
        *(both if frame.nonstationary.any() else []),
        ("MatMul", ["unfold", source], "subwindows", {}),
        ("Reshape", ["subwindows", "flat"], "row", {}),
    ]


def _outputs() -> list[Node]:
    """Nodes from `part` and `off` to the outputs of the graph."""
    double = {"to": 11}
    return [
        ("Cast", ["part"], "single_part", {"to": 1}),
        ("Reshape", ["single_part", "parts_of_window"], "parts", {}),
        ("MatMul", ["parts", "weights"], "contributed", {}),
        ("Cast", ["contributed"], CONTRIBUTION, double),
        ("ReduceSum", [CONTRIBUTION, "axis"], SCORE, {"keepdims": 0}),
        ("Reshape", ["off", "by_subwindow"], "offs", {}),
        ("Gather", ["offs", "newest_subwindow"], "newest_off", {"axis": 1}),
        ("Cast", ["newest_off"], "shift_wide", double),
        ("Mul", ["shift_wide", "spread"], "moved", {}),
        ("Gather", [INPUT, "last_row"], "now", {"axis": 1}),
        ("Sub", ["now", "moved"], EXPECTED, {}),
    ]


def _constants(model: Lagged) -> dict[str, Any]:
    frame, tags, judged = model.frame, len(model.frame.mean), len(model.weights)
    single = {
        "stationary": ~frame.nonstationary,
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
        "by_subwindow": np.array([-1, judged, tags]),
        "axis": np.array([1]),
        "newest_subwindow": np.array(len(frame.recency) - 1),
        "last_row": np.array(frame.length - 1),
    }


def _unfold(model: Lagged) -> Floats:
    """Float64[(sub-window, time), row]: maps a window's rows to its sub-windows and their average.

    With non-stationary tags the rows come twice; the second copy is centred in each sub-window.
    """
    frame, count = model.frame, len(model.frame.recency)
    unfold = np.zeros((len(model.weights), frame.lag, frame.length))
    for first in range(count):
        unfold[first, :, first : first + frame.lag] = np.eye(frame.lag)
    if model.lasting:
        unfold[count] = np.tensordot(frame.recency, unfold[:count], axes=1)
    if frame.nonstationary.any():
        level = unfold.mean(axis=1, keepdims=True)
        unfold = np.concatenate((unfold, unfold - level), axis=2)
    return unfold.reshape(-1, unfold.shape[2])
