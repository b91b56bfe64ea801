"""Wrapping of a foreign graph with andon's scaling and score, as one fused ONNX graph.

Promises
- Values are scaled in float64, then cast to the input type of the model.
- A reconstruction or forecast is compared in each tag's own standard deviation; a tag's
  contribution is its share of the mean squared difference.
- A model with a single output is run again with each tag in turn at its mean: a tag's contribution
  is its share of the resulting fall of the score (occlusion: Zeiler and Fergus, "Visualizing and
  Understanding Convolutional Networks", 2014, section 4.2). It costs one run per tag, in the same
  batch.
- Contributions sum to the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.bundle.model import CONTRIBUTION, EXPECTED, INPUT, SCORE
from detectors.importing.scaling import Scaling
from detectors.importing.signature import Signature
from gateway.api.contracts import ModelError
from gateway.api.wording import in_a_line

MIN_OPSET = 13
"""The first opset in which ReduceSum and Unsqueeze take their axes as inputs, as used here."""
CLIP = 1e4
_PREFIX = "model/"
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Centring:
    """Normalisation (raw - centre) * factor of a score of any sign and size."""

    centre: float = 0.0
    factor: float = 1.0


class _GraphBuilder:
    """Nodes and constants of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add(self, kind: str, inputs: Sequence[str], out: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attributes))
        return out

    def constant(self, name: str, value: Any, dtype: Any = np.float64) -> str:
        self.constants[name] = np.asarray(value, dtype=dtype)
        return name

    def reshape(self, source: str, shape: Sequence[int], out: str) -> str:
        return self.add("Reshape", [source, self.constant(f"{out}/shape", shape, np.int64)], out)


def wrapped(model: Any, signature: Signature, scaling: Scaling, centring: Centring) -> bytes:
    """Serialises the fused graph; ModelError if the model cannot be wrapped."""
    import onnx
    from onnx import compose, helper, numpy_helper

    foreign = compose.add_prefix(_modern(model), _PREFIX)
    builder = _GraphBuilder()
    single = signature.kind in ("probability", "score")
    standard = _add_scaling(builder, signature, scaling)
    entry = _add_occlusion(builder, signature, scaling, standard) if single else standard
    _add_layout(builder, signature, entry)
    before = builder.nodes[:]
    builder.nodes.clear()
    if single:
        _add_single_output(builder, signature, centring)
    else:
        _add_residuals(builder, signature, scaling)
    graph = helper.make_graph(
        [*before, *foreign.graph.node, *builder.nodes],
        "imported",
        [_entry(INPUT, signature.window, signature.tags)],
        [_entry(SCORE), _entry(CONTRIBUTION, signature.tags)]
        + ([] if single else [_entry(EXPECTED, signature.tags)]),
        [
            *(numpy_helper.from_array(array, name) for name, array in builder.constants.items()),
            *foreign.graph.initializer,
        ],
    )
    made = helper.make_model(
        graph,
        opset_imports=list(foreign.opset_import),
        ir_version=min(foreign.ir_version, 10),
        producer_name="andon",
    )
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            f"it cannot be combined with the scaling and the score: {in_a_line(error)}"
        ) from error
    return bytes(made.SerializeToString(deterministic=True))


def _modern(model: Any) -> Any:
    from onnx import version_converter

    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset >= MIN_OPSET:
        return model
    try:
        return version_converter.convert_version(model, MIN_OPSET)
    except Exception as error:  # the converter raises RuntimeError and types of its own
        raise ModelError(
            f"its opset {opset} is too old, and it cannot be converted "
            f"({in_a_line(error)}): export it with "
            f"opset {MIN_OPSET} or newer"
        ) from error


def _entry(name: str, *shape: int) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["batch", *shape])


def _add_scaling(builder: _GraphBuilder, signature: Signature, scaling: Scaling) -> str:
    """Adds the scaling of the model's input rows, in float64."""
    rows = INPUT
    if signature.kind == "forecast":
        ends = [builder.constant(f"rows/{n}", [at], np.int64) for n, at in (("a", 0), ("b", -1))]
        rows = builder.add(
            "Slice", [INPUT, *ends, builder.constant("rows/axis", [1], np.int64)], "rows"
        )
    builder.add("Sub", [rows, builder.constant("offset", scaling.offset)], "shifted")
    builder.add("Div", ["shifted", builder.constant("scale", scaling.scale)], "wide")
    bounds = [builder.constant("lowest", -CLIP), builder.constant("highest", CLIP)]
    return builder.add("Clip", ["wide", *bounds], "standard")


def _add_occlusion(
    builder: _GraphBuilder, signature: Signature, scaling: Scaling, standard: str
) -> str:
    """Adds variants of each window: itself, then one for each tag with that tag at its mean."""
    kept = np.concatenate((np.ones((1, signature.tags)), 1 - np.eye(signature.tags)))[:, None, :]
    usual = (1 - kept) * ((scaling.mean - scaling.offset) / scaling.scale)
    axis = builder.constant("each/axis", [1], np.int64)
    builder.add("Unsqueeze", [standard, axis], "each")
    builder.add("Mul", ["each", builder.constant("kept", kept)], "masked")
    builder.add("Add", ["masked", builder.constant("usual", usual)], "occluded")
    return builder.reshape("occluded", [-1, signature.rows, signature.tags], "variants")


def _add_layout(builder: _GraphBuilder, signature: Signature, entry: str) -> None:
    """Adds the conversion to the layout and type of the model, under the name of its input."""
    if signature.layout == "tag_time":
        entry = builder.add("Transpose", [entry], "turned", perm=[0, 2, 1])
    elif signature.layout != "time_tag":
        entry = builder.reshape(entry, [-1, signature.rows * signature.tags], "flat")
    builder.add("Cast", [entry], _PREFIX + signature.input, to=signature.element)


def _add_residuals(builder: _GraphBuilder, signature: Signature, scaling: Scaling) -> None:
    from onnx import TensorProto

    given = builder.add("Cast", [_PREFIX + signature.output], "given", to=TensorProto.DOUBLE)
    if signature.kind == "reconstruction" and signature.layout == "tag_time":
        given = builder.add("Transpose", [given], "upright", perm=[0, 2, 1])
    rows = signature.rows if signature.kind == "reconstruction" else 1
    builder.reshape(given, [-1, rows, signature.tags], "usual_rows")
    builder.add("Mul", ["usual_rows", "scale"], "unscaled")
    builder.add("Add", ["unscaled", "offset"], "usual")
    if signature.kind == "reconstruction":
        last = builder.constant("last", rows - 1, np.int64)
        builder.add("Gather", ["usual", last], EXPECTED, axis=1)
        builder.add("Sub", [INPUT, "usual"], "residual")
    else:
        builder.reshape("usual", [-1, signature.tags], EXPECTED)
        last = builder.constant("last", signature.window - 1, np.int64)
        builder.add("Gather", [INPUT, last], "now", axis=1)
        builder.add("Sub", ["now", EXPECTED], "off")
        builder.reshape("off", [-1, 1, signature.tags], "residual")
    share = 1 / np.sqrt(rows * signature.tags)
    builder.add("Mul", ["residual", builder.constant("weight", share / scaling.std)], "weighted")
    builder.add("Mul", ["weighted", "weighted"], "squared")
    axis = builder.constant("axis", [1], np.int64)
    builder.add("ReduceSum", ["squared", axis], CONTRIBUTION, keepdims=0)
    builder.add("ReduceSum", [CONTRIBUTION, axis], SCORE, keepdims=0)


def _add_single_output(builder: _GraphBuilder, signature: Signature, centring: Centring) -> None:
    from onnx import TensorProto

    given = builder.add("Cast", [_PREFIX + signature.output], "given", to=TensorProto.DOUBLE)
    if signature.columns == 2:
        given = builder.add(
            "Gather", [given, builder.constant("anomaly", 1, np.int64)], "of_two", axis=1
        )
    builder.reshape(given, [-1, signature.tags + 1], "raw")
    builder.add("Sub", ["raw", builder.constant("centre", centring.centre)], "centred")
    builder.add("Mul", ["centred", builder.constant("factor", centring.factor)], "numbers")
    at = [builder.constant(f"cut/{n}", [n], np.int64) for n in (0, 1)]
    end = builder.constant("cut/end", [signature.tags + 1], np.int64)
    builder.add("Slice", ["numbers", at[0], at[1], at[1]], "whole")
    builder.add("Slice", ["numbers", at[1], end, at[1]], "without")
    builder.add("Sub", ["whole", "without"], "difference")
    builder.add("Max", ["difference", builder.constant("tiny", _TINY)], "fall")
    builder.add("ReduceSum", ["fall", at[1]], "falls", keepdims=1)
    builder.add("Div", ["fall", "falls"], "share")
    builder.add("Mul", ["share", "whole"], CONTRIBUTION)
    builder.add("ReduceSum", [CONTRIBUTION, at[1]], SCORE, keepdims=0)
