"""What follows from a foreign model's shapes, and what has to be said."""

import onnx
import pytest
from foreign_models import model
from onnx import TensorProto, helper

from detectors.importing.signature import SignatureHints, signature_of
from gateway.api.contracts import ModelError

SAME = [helper.make_node("Identity", ["input"], ["output"])]


def form(taken, given, tags=4, **asked):
    """The form of a model with these shapes; what it computes does not matter here."""
    return signature_of(
        onnx.load_model_from_string(model(SAME, {}, taken, given)), tags, SignatureHints(**asked)
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
def test_what_the_shapes_say_is_not_asked(taken, given, layout, kind, rows, window):
    found = form(taken, given)
    assert (found.layout, found.kind, found.rows, found.window) == (layout, kind, rows, window)


def test_a_free_time_axis_takes_the_window_that_is_asked_for():
    found = form((None, 4), (None, 4), rows=12)
    assert (found.layout, found.rows) == ("time_tag", 12)
    with pytest.raises(ModelError, match="--window"):
        form((None, 4), (None, 4))


def test_one_number_may_be_a_score_or_a_probability():
    with pytest.raises(ModelError, match="score or a probability: choose with --kind"):
        form((4,), (1,))
    assert form((4,), (1,), kind="score").kind == "score"
    assert form((4,), (), kind="probability").columns == 1
    assert form((4,), (2,)).columns == 2


def test_as_many_rows_as_tags_may_lie_either_way():
    with pytest.raises(ModelError, match="time_tag or tag_time: choose with --layout"):
        form((4, 4), (4, 4))
    assert form((4, 4), (4, 4), layout="tag_time").layout == "tag_time"


def test_a_row_that_is_given_back_may_be_a_forecast():
    assert form((4,), (4,), kind="forecast").window == 2


@pytest.mark.parametrize(
    ("taken", "given", "asked", "said"),
    [
        ((5,), (5,), {}, r"input of \[batch, 5\] fits no window of 4 tags: .* --tags"),
        ((10, 3), (10, 3), {}, "fits no window of 4 tags"),
        ((40,), (40,), {"rows": 5}, "4 tags and 5 rows"),
        ((2, 3, 4), (4,), {}, "fits no window"),
        ((4,), (3,), {}, r"output of \[batch, 3\] is no reconstruction or forecast or"),
        ((4,), (4,), {"kind": "score"}, "is no score"),
        ((4,), (4,), {"input": "other"}, "no input of numbers 'other': input"),
        ((4,), (4,), {"output": "other"}, "no output of numbers 'other': output"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_shape(taken, given, asked, said):
    with pytest.raises(ModelError, match=said):
        form(taken, given, **asked)


def test_a_model_for_one_window_at_a_time_is_refused():
    proto = onnx.load_model_from_string(model(SAME, {}, (4,), (4,)))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(ModelError, match="for batches of 1: export the model with a free batch"):
        signature_of(proto, 4, SignatureHints())


def test_several_outputs_need_a_choice_and_labels_are_none():
    proto = onnx.load_model_from_string(model(SAME, {}, (4,), (4,)))
    proto.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    assert signature_of(proto, 4, SignatureHints()).output == "output"
    proto.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4]))
    with pytest.raises(ModelError, match="choose with --output: output, z"):
        signature_of(proto, 4, SignatureHints())
    assert signature_of(proto, 4, SignatureHints(output="z")).output == "z"


def test_a_classifier_with_a_map_is_refused_with_the_option_that_helps():
    proto = onnx.load_model_from_string(model(SAME, {}, (4,), (4,)))
    del proto.graph.output[:]
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(1, []))
    proto.graph.output.append(
        helper.make_value_info("probabilities", helper.make_sequence_type_proto(kind))
    )
    with pytest.raises(ModelError, match="zipmap"):
        signature_of(proto, 4, SignatureHints())
