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

from detectors.bundle.bundle import CONTRIBUTION, EXPECTED, INPUT, SCORE
from detectors.importing.scaling import Scaling
from detectors.importing.signature import Signature
from gateway.api.contracts import ModelError

MIN_OPSET = 13
"""The first opset in which ReduceSum and Unsqueeze take their axes as inputs, as used here."""
CLIP = 1e4
_THEIRS = "model/"
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Centring:
    """Normalisation (raw - centre) * factor of a score of any sign and size."""

    centre: float = 0.0
    factor: float = 1.0


class _Graph:
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


def wrapped(model: Any, form: Signature, scaling: Scaling, centring: Centring) -> bytes:
    """Serialises the fused graph; ModelError if the model cannot be wrapped."""
    import onnx
    from onnx import compose, helper, numpy_helper

    theirs = compose.add_prefix(_modern(model), _THEIRS)
    ours = _Graph()
    single = form.kind in ("probability", "score")
    standard = _scaled(ours, form, scaling)
    entry = _occluded(ours, form, scaling, standard) if single else standard
    _laid_out(ours, form, entry)
    before = ours.nodes[:]
    ours.nodes.clear()
    if single:
        _of_one_number(ours, form, centring)
    else:
        _of_residuals(ours, form, scaling)
    graph = helper.make_graph(
        [*before, *theirs.graph.node, *ours.nodes],
        "imported",
        [_entry(INPUT, form.window, form.tags)],
        [_entry(SCORE), _entry(CONTRIBUTION, form.tags)]
        + ([] if single else [_entry(EXPECTED, form.tags)]),
        [
            *(numpy_helper.from_array(array, name) for name, array in ours.constants.items()),
            *theirs.graph.initializer,
        ],
    )
    made = helper.make_model(
        graph,
        opset_imports=list(theirs.opset_import),
        ir_version=min(theirs.ir_version, 10),
        producer_name="andon",
    )
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            f"it cannot be combined with the scaling and the score: {error}"
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
            f"its opset {opset} is too old, and it cannot be converted ({error}): export it with "
            f"opset {MIN_OPSET} or newer"
        ) from error


def _entry(name: str, *shape: int) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["batch", *shape])


def _scaled(ours: _Graph, form: Signature, scaling: Scaling) -> str:
    """Adds the scaling of the model's input rows, in float64."""
    rows = INPUT
    if form.kind == "forecast":
        ends = [ours.constant(f"rows/{n}", [at], np.int64) for n, at in (("a", 0), ("b", -1))]
        rows = ours.add("Slice", [INPUT, *ends, ours.constant("rows/axis", [1], np.int64)], "rows")
    ours.add("Sub", [rows, ours.constant("offset", scaling.offset)], "shifted")
    ours.add("Div", ["shifted", ours.constant("scale", scaling.scale)], "wide")
    bounds = [ours.constant("lowest", -CLIP), ours.constant("highest", CLIP)]
    return ours.add("Clip", ["wide", *bounds], "standard")


def _occluded(ours: _Graph, form: Signature, scaling: Scaling, standard: str) -> str:
    """Adds variants of each window: itself, then one for each tag with that tag at its mean."""
    kept = np.concatenate((np.ones((1, form.tags)), 1 - np.eye(form.tags)))[:, None, :]
    usual = (1 - kept) * ((scaling.mean - scaling.offset) / scaling.scale)
    axis = ours.constant("each/axis", [1], np.int64)
    ours.add("Unsqueeze", [standard, axis], "each")
    ours.add("Mul", ["each", ours.constant("kept", kept)], "masked")
    ours.add("Add", ["masked", ours.constant("usual", usual)], "occluded")
    return ours.reshape("occluded", [-1, form.rows, form.tags], "variants")


def _laid_out(ours: _Graph, form: Signature, entry: str) -> None:
    """Adds the conversion to the layout and type of the model, under the name of its input."""
    if form.layout == "tag_time":
        entry = ours.add("Transpose", [entry], "turned", perm=[0, 2, 1])
    elif form.layout != "time_tag":
        entry = ours.reshape(entry, [-1, form.rows * form.tags], "flat")
    ours.add("Cast", [entry], _THEIRS + form.input, to=form.element)


def _of_residuals(ours: _Graph, form: Signature, scaling: Scaling) -> None:
    from onnx import TensorProto

    given = ours.add("Cast", [_THEIRS + form.output], "given", to=TensorProto.DOUBLE)
    if form.kind == "reconstruction" and form.layout == "tag_time":
        given = ours.add("Transpose", [given], "upright", perm=[0, 2, 1])
    rows = form.rows if form.kind == "reconstruction" else 1
    ours.reshape(given, [-1, rows, form.tags], "usual_rows")
    ours.add("Mul", ["usual_rows", "scale"], "unscaled")
    ours.add("Add", ["unscaled", "offset"], "usual")
    if form.kind == "reconstruction":
        last = ours.constant("last", rows - 1, np.int64)
        ours.add("Gather", ["usual", last], EXPECTED, axis=1)
        ours.add("Sub", [INPUT, "usual"], "residual")
    else:
        ours.reshape("usual", [-1, form.tags], EXPECTED)
        last = ours.constant("last", form.window - 1, np.int64)
        ours.add("Gather", [INPUT, last], "now", axis=1)
        ours.add("Sub", ["now", EXPECTED], "off")
        ours.reshape("off", [-1, 1, form.tags], "residual")
    share = 1 / np.sqrt(rows * form.tags)
    ours.add("Mul", ["residual", ours.constant("weight", share / scaling.std)], "weighted")
    ours.add("Mul", ["weighted", "weighted"], "squared")
    axis = ours.constant("axis", [1], np.int64)
    ours.add("ReduceSum", ["squared", axis], CONTRIBUTION, keepdims=0)
    ours.add("ReduceSum", [CONTRIBUTION, axis], SCORE, keepdims=0)


def _of_one_number(ours: _Graph, form: Signature, centring: Centring) -> None:
    from onnx import TensorProto

    given = ours.add("Cast", [_THEIRS + form.output], "given", to=TensorProto.DOUBLE)
    if form.columns == 2:
        given = ours.add("Gather", [given, ours.constant("anomaly", 1, np.int64)], "of_two", axis=1)
    ours.reshape(given, [-1, form.tags + 1], "raw")
    ours.add("Sub", ["raw", ours.constant("centre", centring.centre)], "centred")
    ours.add("Mul", ["centred", ours.constant("factor", centring.factor)], "numbers")
    at = [ours.constant(f"cut/{n}", [n], np.int64) for n in (0, 1)]
    end = ours.constant("cut/end", [form.tags + 1], np.int64)
    ours.add("Slice", ["numbers", at[0], at[1], at[1]], "whole")
    ours.add("Slice", ["numbers", at[1], end, at[1]], "without")
    ours.add("Sub", ["whole", "without"], "difference")
    ours.add("Max", ["difference", ours.constant("tiny", _TINY)], "fall")
    ours.add("ReduceSum", ["fall", at[1]], "falls", keepdims=1)
    ours.add("Div", ["fall", "falls"], "share")
    ours.add("Mul", ["share", "whole"], CONTRIBUTION)
    ours.add("ReduceSum", [CONTRIBUTION, at[1]], SCORE, keepdims=0)
