"""A lagged PCA as one fused ONNX graph.

Promises
- Standardised in float64, then float32: a level of 1e6 with a spread of 1e-3 keeps its signal.
- Contributions and score leave in float64, so that they sum exactly; the expected row is the last
  row moved by a small float32 amount, so it keeps its precision as well.
- Only operators that a bundle may hold, one file, and the same bytes for the same model.
"""

from typing import Any

import numpy as np

from detectors.bundle import CONTRIBUTION, EXPECTED, INPUT, SCORE
from detectors.training.pca import CLIP, LaggedPca

OPSET = 18
IR_VERSION = 9


def graph_bytes(model: LaggedPca) -> bytes:
    """The model as a serialised ONNX file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    time, tags = model.weight.shape

    def entry(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["batch", *shape])

    graph = helper.make_graph(
        [helper.make_node(kind, ins, [out], **more) for kind, ins, out, more in _nodes()],
        "lagged_pca",
        [entry(INPUT, time, tags)],
        [entry(SCORE), entry(CONTRIBUTION, tags), entry(EXPECTED, tags)],
        [numpy_helper.from_array(array, name) for name, array in _constants(model).items()],
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="andon",
    )
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def _constants(model: LaggedPca) -> dict[str, Any]:
    time, tags = model.weight.shape
    return {
        # The centre is taken off in float64 as well, in engineering units.
        "offset": model.mean + model.centre * model.std,
        "std": model.std,
        "lowest": np.array(-CLIP),
        "highest": np.array(CLIP),
        "down": model.components.T.astype(np.float32),
        "up": model.components.astype(np.float32),
        "weight": model.weight.astype(np.float32),
        "pull": model.pull.astype(np.float32),
        "flat": np.array([-1, time * tags]),
        "cube": np.array([-1, time, tags]),
        "axis": np.array([1]),
        "last": np.array(time - 1),
    }


def _nodes() -> list[tuple[str, list[str], str, dict[str, Any]]]:
    """Operator, inputs, output and attributes, in order."""
    single, double, drop = {"to": 1}, {"to": 11}, {"keepdims": 0}
    return [
        ("Sub", [INPUT, "offset"], "centred", {}),
        ("Div", ["centred", "std"], "wide", {}),
        ("Clip", ["wide", "lowest", "highest"], "clipped", {}),
        ("Cast", ["clipped"], "standard", single),
        ("Reshape", ["standard", "flat"], "row", {}),
        ("MatMul", ["row", "down"], "component", {}),
        ("MatMul", ["component", "up"], "usual", {}),
        ("Sub", ["row", "usual"], "rest", {}),
        ("Reshape", ["rest", "cube"], "residual", {}),
        ("Mul", ["residual", "weight"], "weighted", {}),
        ("Mul", ["weighted", "weighted"], "squared", {}),
        ("ReduceSum", ["squared", "axis"], "per_tag", drop),
        ("Cast", ["per_tag"], CONTRIBUTION, double),
        ("ReduceSum", [CONTRIBUTION, "axis"], SCORE, drop),
        ("Mul", ["residual", "pull"], "pulled", {}),
        ("ReduceSum", ["pulled", "axis"], "pulls", drop),
        ("Cast", ["pulls"], "shift", double),
        ("Mul", ["shift", "std"], "moved", {}),
        ("Gather", [INPUT, "last"], "now", {"axis": 1}),
        ("Sub", ["now", "moved"], EXPECTED, {}),
    ]
