"""The rule of each allowed operator against the runtime itself: the same shapes, or refused."""

import os

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from detectors.bundle.bounds import RULES, need_of
from detectors.bundle.safety import OPERATORS, check_model
from detectors.bundle.whole import FLOATS, floats_of
from gateway.api.contracts import ModelError

F, D, I64, I32, B = (np.float32, np.float64, np.int64, np.int32, np.bool_)
ML = "ai.onnx.ml"
PLENTY = 10**12


def x(*shape, kind=F):
    return np.zeros(shape, dtype=kind)


def n(*numbers):
    return np.array(numbers, dtype=I64)


def floats(*shape):
    return np.linspace(0.1, 1, int(np.prod(shape))).tolist()


TREE = {
    "nodes_treeids": [0, 0, 0, 1],
    "nodes_nodeids": [0, 1, 2, 0],
    "nodes_featureids": [2, 0, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
    "nodes_values": [0.5, 0.0, 0.0, 0.0],
    "nodes_truenodeids": [1, 0, 0, 0],
    "nodes_falsenodeids": [2, 0, 0, 0],
}


def leaves(kind, ids):
    return {
        f"{kind}_treeids": [0, 0, 1],
        f"{kind}_nodeids": [1, 2, 0],
        f"{kind}_ids": ids,
        f"{kind}_weights": [0.1, 0.2, 0.3],
    }


UNARY = (
    "Abs Ceil Cos Elu Erf Exp Floor Gelu HardSigmoid Identity LeakyRelu Log Neg Reciprocal Relu "
    "Selu Sigmoid Sign Sin Softplus Sqrt Tanh Softmax LogSoftmax ArgMax ArgMin Flatten"
)
REDUCE = "L1 L2 LogSumExp Max Mean Min Prod Sum SumSquare"
# Operator, inputs, attributes; as many outputs as the last number says.
CASES = [
    *((kind, [x(2, 3, 4)], {}, 1) for kind in UNARY.split()),
    *((kind, [x(2, 3, 4)], {"axis": 1}, 1) for kind in ("Softmax", "LogSoftmax", "ArgMax")),
    *(("Flatten", [x(2, 3, 4)], {"axis": axis}, 1) for axis in (0, 2, 3, -1, -3)),
    ("ArgMax", [x(2, 3, 4)], {"axis": -1, "keepdims": 0}, 1),
    *((k, [x(2, 1, 4), x(3, 1)], {}, 1) for k in ("Add", "Div", "Mul", "Sub", "Pow")),
    *((k, [x(2, 1, 4), x(3, 1)], {}, 1) for k in ("Equal", "Greater", "GreaterOrEqual", "Less",
                                                   "LessOrEqual")),
    *((k, [x(2, 1), x(3), x()], {}, 1) for k in ("Max", "Min", "Mean", "Sum")),
    *((k, [x(2, 1, kind=B), x(3, kind=B)], {}, 1) for k in ("And", "Or")),
    ("Not", [x(2, 3, kind=B)], {}, 1),
    ("Where", [x(2, 1, kind=B), x(3), x(4, 1, 1)], {}, 1),
    ("PRelu", [x(2, 3), x(3)], {}, 1),
    ("Clip", [x(2, 3), x(), x()], {}, 1),
    *(("Cast", [x(2, 3)], {"to": to}, 1) for to in (1, 7, 9, 10, 11)),
    ("LayerNormalization", [x(2, 3, 4), x(4), x(4)], {}, 3),
    ("LayerNormalization", [x(2, 3, 4), x(3, 4)], {"axis": 1}, 3),
    ("QuantizeLinear", [x(2, 3), np.float32(1), np.int8(0)], {}, 1),
    ("DequantizeLinear", [x(2, 3, kind=np.int8), np.float32(1), np.int8(0)], {}, 1),
    *((f"Reduce{name}", [x(2, 3, 4), n(0, -1)], {"keepdims": keep}, 1)
      for name in REDUCE.split() for keep in (0, 1)),
    ("ReduceSum", [x(2, 3, 4)], {}, 1),
    ("ReduceSum", [x(2, 3, 4)], {"noop_with_empty_axes": 1}, 1),
    ("Concat", [x(2, 3), x(2, 5)], {"axis": -1}, 1),
    ("Concat", [x(2, 3), x(4, 3), x(1, 3)], {"axis": 0}, 1),
    *(("Reshape", [x(2, 3, 4), n(*to)], {}, 1)
      for to in ((-1,), (0, -1), (4, 6), (2, 0, 2, 2), (1, 1, -1, 24), (0, 0, 0))),
    *(("Shape", [x(2, 3, 4)], more, 1)
      for more in ({}, {"start": 1}, {"end": -1}, {"start": -2, "end": 99})),
    *(("Slice", [x(5, 7), n(*s), n(*e), n(*a), n(*t)], {}, 1)
      for s, e, a, t in (((1,), (4,), (0,), (1,)), ((0, -3), (99, -1), (0, 1), (2, 1)),
                         ((-1,), (-99,), (1,), (-1,)), ((99,), (0,), (0,), (-2,)),
                         ((-99,), (-1,), (0,), (3,)))),
    ("Slice", [x(5, 7), n(1), n(3)], {}, 1),
    ("Split", [x(6, 2), n(1, 2, 3)], {}, 3),
    ("Split", [x(2, 7)], {"num_outputs": 3, "axis": 1}, 3),
    ("Squeeze", [x(1, 3, 1)], {}, 1),
    ("Squeeze", [x(1, 3, 1), n(-1)], {}, 1),
    ("Unsqueeze", [x(3, 4), n(0, -1)], {}, 1),
    ("TopK", [x(3, 9), n(4)], {}, 2),
    ("TopK", [x(3, 9), n(2)], {"axis": 0}, 2),
    ("Transpose", [x(2, 3, 4)], {}, 1),
    ("Transpose", [x(2, 3, 4)], {"perm": [1, 2, 0]}, 1),
    ("Gather", [x(5, 7), n(1, 2, 3)], {}, 1),
    ("Gather", [x(5, 7), np.zeros((2, 2), I64)], {"axis": 1}, 1),
    ("Gather", [x(5, 7), np.int64(1)], {"axis": -1}, 1),
    *(("MatMul", [x(*a), x(*b)], {}, 1)
      for a, b in (((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)),
                   ((5, 1, 2, 3), (7, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)))),
    ("Gemm", [x(2, 3), x(3, 4), x(4)], {}, 1),
    ("Gemm", [x(3, 2), x(4, 3)], {"transA": 1, "transB": 1}, 1),
    ("Conv", [x(2, 4, 9), x(6, 4, 3)], {}, 1),
    ("Conv", [x(2, 4, 9), x(6, 2, 3), x(6)], {"group": 2, "pads": [2, 1], "strides": [2]}, 1),
    ("Conv", [x(2, 4, 9), x(6, 4, 3)], {"dilations": [3]}, 1),
    ("Conv", [x(2, 1, 9, 8), x(3, 1, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, 1),
    ("Conv", [x(2, 1, 9, 8), x(3, 1, 3, 2)], {"auto_pad": "VALID"}, 1),
    ("LSTM", [x(5, 2, 3), x(1, 16, 3), x(1, 16, 4)], {"hidden_size": 4}, 3),
    ("LSTM", [x(5, 2, 3), x(2, 16, 3), x(2, 16, 4), x(2, 32)],
     {"hidden_size": 4, "direction": "bidirectional"}, 3),
    ("GRU", [x(5, 2, 3), x(1, 12, 3), x(1, 12, 4)], {"hidden_size": 4}, 2),
    ("RNN", [x(5, 2, 3), x(1, 4, 3), x(1, 4, 4)], {"hidden_size": 4, "direction": "reverse"}, 2),
    *(("Constant", [], each, 1)
      for each in ({"value": numpy_helper.from_array(x(2, 3))}, {"value_int": 3},
                   {"value_ints": [1, 2, 3]}, {"value_float": 1.5}, {"value_floats": [1.5] * 40})),
    ("ArrayFeatureExtractor", [x(2, 5), n(0, 3)], {}, 1),
    ("ArrayFeatureExtractor", [x(5), n(0, 3)], {}, 1),
    ("Imputer", [x(2, 3)], {"imputed_value_floats": [0.0]}, 1),
    ("LabelEncoder", [n(1, 2)], {"keys_int64s": [1], "values_strings": ["a"]}, 1),
    ("Normalizer", [x(2, 3)], {"norm": "L2"}, 1),
    ("Scaler", [x(2, 3)], {"offset": [0.0] * 3, "scale": [1.0] * 3}, 1),
    ("LinearRegressor", [x(2, 3)], {"coefficients": floats(6), "targets": 2}, 1),
    ("LinearClassifier", [x(2, 3)],
     {"coefficients": floats(9), "intercepts": floats(3), "classlabels_ints": [0, 1, 2]}, 2),
    ("LinearClassifier", [x(2, 3)],
     {"coefficients": floats(3), "intercepts": floats(1), "classlabels_ints": [0, 1]}, 2),
    ("LinearClassifier", [x(2, 3)],
     {"coefficients": floats(6), "intercepts": floats(2), "classlabels_strings": ["a", "b"]}, 2),
    ("SVMRegressor", [x(2, 3)], {"support_vectors": floats(6), "coefficients": floats(2),
     "n_supports": 2, "rho": [0.1], "kernel_type": "RBF", "kernel_params": [0.1, 0.0, 3.0]}, 1),
    ("SVMClassifier", [x(2, 3)], {"support_vectors": floats(12), "coefficients": floats(4),
     "vectors_per_class": [2, 2], "rho": [0.1], "classlabels_ints": [0, 1],
     "kernel_type": "RBF", "kernel_params": [0.1, 0.0, 3.0]}, 2),
    ("SVMClassifier", [x(2, 3)], {"support_vectors": floats(36), "coefficients": floats(36),
     "vectors_per_class": [3] * 4, "rho": floats(6), "classlabels_ints": [0, 1, 2, 3],
     "kernel_type": "RBF", "kernel_params": [0.1, 0.0, 3.0]}, 2),
    ("SVMClassifier", [x(2, 3)], {"support_vectors": floats(36), "coefficients": floats(36),
     "vectors_per_class": [3] * 4, "rho": floats(6), "classlabels_ints": [0, 1, 2, 3],
     "prob_a": floats(6), "prob_b": floats(6),
     "kernel_type": "RBF", "kernel_params": [0.1, 0.0, 3.0]}, 2),
    ("SVMClassifier", [x(2, 3)], {"coefficients": floats(9), "rho": floats(3),
     "classlabels_ints": [0, 1, 2], "kernel_type": "LINEAR",
     "kernel_params": [0.0, 0.0, 0.0]}, 2),
    ("TreeEnsembleRegressor", [x(5, 3)],
     {"n_targets": 2, **TREE, **leaves("target", [0, 1, 0])}, 1),
    ("TreeEnsembleClassifier", [x(5, 3)],
     {**TREE, **leaves("class", [0, 1, 2]), "classlabels_int64s": [0, 1, 2]}, 2),
    ("TreeEnsembleClassifier", [x(5, 3)],
     {**TREE, **leaves("class", [0, 0, 0]), "classlabels_strings": ["a", "b"]}, 2),
]  # fmt: skip


def file_of(kind, inputs, attributes, outputs, *, weights=()):
    """A model of one operator; the inputs whose numbers are in `weights` are part of the file."""
    domain = ML if kind in OPERATORS[ML] else ""
    names = [f"x{at}" for at in range(len(inputs))]
    left = [f"y{at}" for at in range(outputs)]
    node = helper.make_node(kind, names, left, domain=domain, **attributes)
    whole = {name: np.asarray(array) for name, array in zip(names, inputs, strict=True)}
    held = {names[at]: whole.pop(names[at]) for at in weights}
    entries = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in whole.items()
    ]
    made = helper.make_graph(
        [node],
        "one",
        entries,
        [helper.make_empty_tensor_value_info(name) for name in left],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(ML, 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString(), whole


def of_rules(data, inputs):
    graph = check_model(data)
    shapes = {name: array.shape for name, array in inputs.items()}
    return list(need_of(graph, shapes, PLENTY, PLENTY).outputs.values())


def of_runtime(data, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [np.shape(each) for each in session.run(None, inputs)]


def whole_numbers(inputs):
    """The inputs that an operator takes sizes from must be in the file."""
    return [at for at, each in enumerate(inputs) if np.asarray(each).dtype == I64 and at]


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{kind}" for at, (kind, *_) in enumerate(CASES)])
def test_the_shapes_are_those_of_the_runtime(case):
    kind, inputs, attributes, outputs = case
    weights = whole_numbers(inputs)
    if kind in ("GRU", "LSTM", "RNN", "Conv"):
        weights = range(1, len(inputs))
    data, given_inputs = file_of(kind, inputs, attributes, outputs, weights=weights)
    assert of_rules(data, given_inputs) == of_runtime(data, given_inputs)


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{kind}" for at, (kind, *_) in enumerate(CASES)])
def test_what_counts_as_floating_is_so_in_the_runtime(case):
    kind, inputs, attributes, outputs = case
    data, _ = file_of(kind, inputs, attributes, outputs, weights=whole_numbers(inputs))
    graph = check_model(data)
    known = {each.name: each.element in FLOATS for each in graph.inputs}
    known |= {name: tensor.element in FLOATS for name, tensor in graph.weights.items()}
    found = floats_of(graph.nodes[0], known)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    real = ["float" in each.type or "double" in each.type for each in session.get_outputs()]
    assert list(found) == real


def halved(by):
    """A shape, divided by a weight, as exporters write it."""
    nodes = [
        helper.make_node("Shape", ["window"], ["shape"]),
        helper.make_node("Div", ["shape", "by"], ["half"]),
    ]
    window = helper.make_tensor_value_info("window", 11, [2, 4, 6])
    half = helper.make_tensor_value_info("half", 7, [3])
    weights = [numpy_helper.from_array(np.asarray(by), "by")]
    made = helper.make_graph(nodes, "g", [window], [half], weights)
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])
    return check_model(proto.SerializeToString())


def test_a_shape_may_be_divided_by_a_positive_number():
    need = need_of(halved(n(2)), {"window": (2, 4, 6)}, PLENTY, PLENTY)
    assert need.outputs == {"half": (3,)}


@pytest.mark.parametrize("by", [n(0), n(-1), n(2, 0, 2)])
def test_whole_numbers_are_divided_by_positive_ones_alone(by):
    with pytest.raises(ModelError, match=r"operator 2, 'Div', divides whole numbers"):
        need_of(halved(by), {"window": (2, 4, 6)}, PLENTY, PLENTY)


def test_every_allowed_operator_has_a_rule_and_a_case():
    allowed = set().union(*OPERATORS.values())
    assert set(RULES) == allowed
    assert {kind for kind, *_ in CASES} == allowed


sizes = st.integers(0, 4)
shapes = st.lists(sizes, max_size=4)
numbers = st.lists(st.integers(-5, 6), max_size=4)


def second_tensor(kind, draw):
    return [x(*draw(shapes)), x(*draw(shapes))], {}, 1


def with_numbers(kind, draw):
    few = np.array(draw(numbers), dtype=I64)
    if kind == "Gather":
        few = few.reshape(draw(st.sampled_from([(-1,), (1, -1)])))
    axis = {"axis": draw(st.integers(-4, 4))} if kind in ("Gather", "Split", "TopK") else {}
    outputs = {"TopK": 2, "Split": draw(st.integers(1, 3))}.get(kind, 1)
    return [x(*draw(shapes)), few], axis, outputs


def cut(_kind, draw):
    ends = [np.array(draw(numbers), dtype=I64) for _ in range(draw(st.integers(2, 4)))]
    return [x(*draw(shapes)), *ends], {}, 1


def along(_kind, draw):
    return [x(*draw(shapes)), x(*draw(shapes))], {"axis": draw(st.integers(-4, 4))}, 1


def alone(kind, draw):
    if kind == "Flatten":
        return [x(*draw(shapes))], {"axis": draw(st.integers(-4, 4))}, 1
    return [x(*draw(shapes))], {"perm": draw(numbers.filter(len))}, 1


def convolved(_kind, draw):
    pads = draw(st.lists(st.integers(-1, 3), min_size=1, max_size=4))
    return [x(*draw(shapes)), x(*draw(shapes))], {"pads": pads, "group": draw(sizes)}, 1


GENERATORS = {
    **dict.fromkeys(("MatMul", "Add", "Gemm", "PRelu"), second_tensor),
    **dict.fromkeys(
        ("Reshape", "Unsqueeze", "Squeeze", "ReduceSum", "TopK", "Gather", "Split"), with_numbers
    ),
    "Slice": cut,
    "Concat": along,
    **dict.fromkeys(("Transpose", "Flatten"), alone),
    "Conv": convolved,
}


@st.composite
def one_operator(draw):
    """An operator with shapes and numbers of any kind, most of which do not fit."""
    kind = draw(st.sampled_from(sorted(GENERATORS)))
    return kind, *GENERATORS[kind](kind, draw)


@settings(
    max_examples=10_000 if os.environ.get("ANDON_HOSTILE") == "long" else 300,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(one_operator())
def test_what_the_rules_accept_has_the_shapes_of_the_runtime(case):
    kind, inputs, attributes, outputs = case
    data, given_inputs = file_of(kind, inputs, attributes, outputs, weights=whole_numbers(inputs))
    try:
        ruled = of_rules(data, given_inputs)
    except ModelError:
        return
    try:
        real = of_runtime(data, given_inputs)
    except Exception:  # noqa: BLE001 - the runtime refuses more, which the first run shows
        return
    assert ruled == real
