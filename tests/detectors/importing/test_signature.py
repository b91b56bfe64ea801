"""What follows from a foreign model's shapes, and what needs an option."""

import onnx
import pytest
from foreign_models import model
from onnx import TensorProto, helper

from detectors.importing.signature import SignatureHints, signature_of
from gateway.api.contracts import ModelError

SAME = [helper.make_node("Identity", ["input"], ["output"])]


def signature(taken, given, tags=4, **hints):
    """The signature of a model with these shapes; what it computes does not matter."""
    return signature_of(
        onnx.load_model_from_string(model(SAME, {}, taken, given)), tags, SignatureHints(**hints)
    )


@pytest.mark.parametrize(
    ("taken", "given", "layout", "kind", "rows", "window"),
    [
        ((4,), (4,), "row", "reconstruction", 1, 1),
        ((40,), (40,), "flat", "reconstruction", 10, 10),
        ((10, 4), (10, 4), "time_tag", "reconstruction", 10, 10),
        ((4, 10), (4, 10), "tag_time", "reconstruction", 10, 10),
        ((10, 4), (4,), "time_tag", "forecast", 10, 11),
        ((10, 4), (1, 4), "time_tag", "forecast", 10, 11),
        ((40,), (4,), "flat", "forecast", 10, 11),
        ((10, 4), (2,), "time_tag", "probability", 10, 10),
    ],
)
def test_whatever_follows_from_the_shapes_needs_no_option(taken, given, layout, kind, rows, window):
    result = signature(taken, given)
    assert (result.layout, result.kind, result.rows, result.window) == (layout, kind, rows, window)


def test_a_free_time_axis_takes_the_requested_window():
    result = signature((None, 4), (None, 4), rows=12)
    assert (result.layout, result.rows) == ("time_tag", 12)
    with pytest.raises(ModelError, match="--window"):
        signature((None, 4), (None, 4))


def test_one_number_may_be_a_score_or_a_probability():
    with pytest.raises(ModelError, match="score or a probability: choose one with --kind"):
        signature((4,), (1,))
    assert signature((4,), (1,), kind="score").kind == "score"
    assert signature((4,), (), kind="probability").columns == 1
    assert signature((4,), (2,)).columns == 2


def test_a_square_window_needs_a_layout():
    with pytest.raises(ModelError, match="time_tag or tag_time: choose one with --layout"):
        signature((4, 4), (4, 4))
    assert signature((4, 4), (4, 4), layout="tag_time").layout == "tag_time"


def test_a_model_of_one_row_may_be_a_forecast():
    assert signature((4,), (4,), kind="forecast").window == 2


@pytest.mark.parametrize(
    ("taken", "given", "hints", "message"),
    [
        ((5,), (5,), {}, r"input of shape \[batch, 5\] does not fit a window of 4 tags: .* --tags"),
        ((10, 3), (10, 3), {}, "does not fit a window of 4 tags"),
        ((40,), (40,), {"rows": 5}, "4 tags and 5 rows"),
        ((2, 3, 4), (4,), {}, "does not fit a window"),
        ((4,), (3,), {}, r"output of shape \[batch, 3\] is not a reconstruction or forecast or"),
        ((4,), (4,), {"kind": "score"}, "is not a score"),
        ((4,), (4,), {"input": "other"}, "no input 'other' of float or double, only input"),
        ((4,), (4,), {"output": "other"}, "no output 'other' of float or double, only output"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(taken, given, hints, message):
    with pytest.raises(ModelError, match=message):
        signature(taken, given, **hints)


def test_a_model_for_one_window_at_a_time_is_refused():
    proto = onnx.load_model_from_string(model(SAME, {}, (4,), (4,)))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(
        ModelError, match="fixed batch size of 1: export the model with a free batch"
    ):
        signature_of(proto, 4, SignatureHints())


def test_several_outputs_need_a_choice_and_integer_labels_do_not_count():
    proto = onnx.load_model_from_string(model(SAME, {}, (4,), (4,)))
    proto.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    assert signature_of(proto, 4, SignatureHints()).output == "output"
    proto.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4]))
    with pytest.raises(ModelError, match="choose one with --output: output, z"):
        signature_of(proto, 4, SignatureHints())
    assert signature_of(proto, 4, SignatureHints(output="z")).output == "z"


def test_a_classifier_with_a_map_is_refused_with_the_right_export_option():
    proto = onnx.load_model_from_string(model(SAME, {}, (4,), (4,)))
    del proto.graph.output[:]
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(1, []))
    proto.graph.output.append(
        helper.make_value_info("probabilities", helper.make_sequence_type_proto(kind))
    )
    with pytest.raises(ModelError, match="zipmap"):
        signature_of(proto, 4, SignatureHints())
