from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from detectors.bundle.safety import check_model
from gateway.api.contracts import ModelError


def model(*nodes, initializers=(), domains=("",), functions=()):
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch"])
    left = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch"])
    graph = helper.make_graph(list(nodes), "g", [entry], [left], list(initializers))
    opsets = [helper.make_opsetid(domain, 18) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions))


def refused(proto, message):
    with pytest.raises(ModelError, match=message):
        check_model(proto.SerializeToString())


def test_plain_arithmetic_is_allowed():
    fine = model(helper.make_node("Relu", ["x"], ["y"]))
    assert check_model(fine.SerializeToString()).opset == 18


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Range", "RandomNormal"])
def test_an_operator_that_can_create_a_tensor_of_any_size_is_refused(kind):
    refused(model(helper.make_node(kind, ["x"], ["y"])), f"operator '{kind}', which is not allowed")


def test_a_classifier_as_scikit_learn_exports_it_is_refused_with_what_to_do():
    node = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml")
    refused(model(node), r"'ZipMap' of 'ai\.onnx\.ml', .* options=\{'zipmap': False\}")


def test_a_nested_graph_is_refused():
    inner = helper.make_graph([], "inner", [], [])
    refused(model(helper.make_node("Relu", ["x"], ["y"], body=inner)), "a graph inside an operator")


def test_another_operator_set_is_refused():
    refused(model(domains=("", "com.microsoft")), "com.microsoft")
    refused(
        model(helper.make_node("Relu", ["x"], ["y"], domain="evil")),
        "'Relu' of 'evil', which is not",
    )


def test_functions_are_refused():
    own = helper.make_function(
        "local", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])],
        [helper.make_opsetid("", 18)],
    )  # fmt: skip
    refused(model(functions=[own]), "custom functions")


def test_weights_in_another_file_are_refused():
    tensor = numpy_helper.from_array(np.ones(4, dtype=np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, location="../../etc/passwd")
    tensor.ClearField("raw_data")
    refused(model(initializers=[tensor]), "in another file")
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    refused(model(constant), "in another file")


def test_sparse_weights_are_refused():
    proto = model(helper.make_node("Relu", ["x"], ["y"]))
    proto.graph.sparse_initializer.add()
    refused(proto, "sparse")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_model_error_or_an_opset(data):
    with suppress(ModelError):
        assert check_model(data).opset >= 0


def test_a_model_truncated_anywhere_is_refused():
    whole = model(helper.make_node("Relu", ["x"], ["y"])).SerializeToString()
    for size in range(len(whole)):
        try:
            check_model(whole[:size])
        except ModelError:
            continue
        # Truncated between two fields it is still well-formed; the graph must be complete then.
        assert onnx.load_model_from_string(whole[:size]).graph.node
