import hashlib
import json
import re
import shutil

import bundles
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from detectors.bundle.bounds import BATCHES
from detectors.bundle.bundle import LARGEST, MODEL, load
from detectors.bundle.manifest import MANIFEST
from gateway.api.contracts import ModelError


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return bundles.write(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bundle(original, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(original, tmp_path / "pump")


def edit(bundle, **changes):
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest.update(changes)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def put_model(bundle, data, **changes):
    (bundle / MODEL).write_bytes(data)
    edit(bundle, sha256=hashlib.sha256(data).hexdigest(), **changes)


def refused(bundle, *messages):
    with pytest.raises(ModelError) as error:
        load(bundle)
    assert str(bundle) in str(error.value)
    for message in messages:
        assert message in str(error.value)


def graph(inputs=None, outputs=None, nodes=None, opset=18):
    """A model like a bundle's, with a signature of choice."""
    shapes = outputs or {"score": ["batch"], "contribution": ["batch", 4]}
    nodes = nodes or [
        helper.make_node("Gather", ["window", "last"], ["contribution"], axis=1),
        helper.make_node("ReduceSum", ["contribution", "axis"], ["score"], keepdims=0),
    ]
    entries = inputs or {"window": (TensorProto.DOUBLE, ["batch", 10, 4])}
    kind = next(iter(entries.values()))[0]
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *entry) for name, entry in entries.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        [
            helper.make_tensor("last", TensorProto.INT64, [], [9]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return model.SerializeToString()


def test_a_trained_bundle_loads_with_its_manifest_and_reproduces_its_golden_vector(bundle):
    manifest, model = load(bundle)
    assert manifest.model == "pump@1"
    assert manifest.shape == (10, 4)
    assert [tag.unit for tag in manifest.tags] == list(bundles.UNITS.values())
    golden = manifest.golden.vectors[0]
    assert model.run(np.array([golden.window])).score[0] == pytest.approx(golden.score, rel=1e-6)


def test_a_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "is not a folder", MODEL, MANIFEST)


@pytest.mark.parametrize("name", [MODEL, MANIFEST])
def test_a_missing_file_is_refused(bundle, name):
    (bundle / name).unlink()
    refused(bundle, f"{name} cannot be read", "No such file")


def test_a_changed_model_is_refused(bundle):
    with (bundle / MODEL).open("ab") as file:
        file.write(b"\0")
    refused(bundle, "sha256", "do not belong together")


def test_a_model_larger_than_the_limit_is_refused(bundle):
    with (bundle / MODEL).open("r+b") as file:
        file.truncate(LARGEST[MODEL] + 1)
    refused(bundle, "model.onnx cannot be read: it is larger than 50 MB")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2; this andon reads format 1"),
        ({"colour": "red"}, "colour: unknown key"),
        ({"threshold": 0}, "threshold: must be greater than 0"),
        ({"period": 500}, "has no unit"),
        ({"tags": []}, "tags: must have at least 1 entry"),
        ({"id": "../pump"}, 'id: "../pump" does not have the right form'),
        ({"opset": 17}, "opset 18, the manifest says 17"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_its_field(bundle, changes, message):
    edit(bundle, **changes)
    refused(bundle, message)


def test_a_manifest_that_is_not_json_is_refused(bundle):
    (bundle / MANIFEST).write_text("{")
    refused(bundle, "manifest.json is not JSON")


def test_a_tag_named_twice_is_refused(bundle):
    tags = json.loads((bundle / MANIFEST).read_text())["tags"]
    edit(bundle, tags=[*tags[:3], tags[0]])
    refused(bundle, "duplicate tag names: speed")


def test_a_model_that_computes_something_else_is_refused_by_its_golden_vectors(bundle):
    put_model(bundle, graph())
    refused(bundle, "golden vector 0 scores", "the manifest says")


def test_a_contribution_that_is_not_reproduced_is_refused(bundle):
    golden = json.loads((bundle / MANIFEST).read_text())["golden"]
    golden["vectors"][0]["contribution"][0] += 1.0
    edit(bundle, golden=golden)
    refused(bundle, "golden vector 0 differs in its contributions")


def test_a_golden_vector_of_another_shape_is_refused(bundle):
    golden = json.loads((bundle / MANIFEST).read_text())["golden"]
    golden["vectors"][1]["window"].pop()
    edit(bundle, golden=golden)
    refused(bundle, "golden vector 1 must have 10 rows of 4 tags")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {"x": (TensorProto.DOUBLE, ["batch", 10, 4])}}, "it must have only 'window'"),
        ({"inputs": {"window": (TensorProto.FLOAT, ["batch", 10, 4])}}, "it must be double"),
        (
            {"inputs": {"window": (TensorProto.DOUBLE, ["batch", 12, 4])}},
            "windows of 12 rows",
        ),
        ({"inputs": {"window": (TensorProto.DOUBLE, [1, 10, 4])}}, "it must be [batch, time, tag]"),
        ({"outputs": {"contribution": ["batch", 4]}}, "score is missing"),
    ],
)
def test_a_model_with_another_signature_is_refused(bundle, changes, message):
    by_input = {
        name: [
            helper.make_node("Gather", [name, "last"], ["contribution"], axis=1),
            helper.make_node("ReduceSum", ["contribution", "axis"], ["score"], keepdims=0),
        ]
        for name in changes.get("inputs", {"window": None})
    }
    [nodes] = by_input.values()
    put_model(bundle, graph(nodes=nodes, **changes))
    refused(bundle, message)


def test_a_score_that_is_not_one_number_a_window_is_refused(bundle):
    nodes = [
        helper.make_node("Gather", ["window", "last"], ["contribution"], axis=1),
        helper.make_node("ReduceSum", ["contribution", "axis"], ["score"], keepdims=1),
    ]
    put_model(
        bundle, graph(nodes=nodes, outputs={"score": ["batch", 1], "contribution": ["batch", 4]})
    )
    refused(bundle, "score has the shape [256, 1] for 256 windows; it must have [256]")


def test_a_model_for_other_tags_is_refused(bundle):
    manifest = json.loads((bundle / MANIFEST).read_text())
    edit(bundle, tags=manifest["tags"][:3])
    refused(bundle, "takes windows of 10 rows and 4 tags", "asks for 10 rows and 3 tags")


def test_bytes_that_are_not_a_model_are_refused(bundle):
    for junk in (b"", b"hello, this is not a model", b"\x3a\xff\xff\xff\xff\x0f"):
        put_model(bundle, junk)
        refused(bundle, "is not an ONNX file")


def test_a_model_that_computes_with_what_nothing_makes_is_refused(bundle):
    put_model(bundle, graph(nodes=[helper.make_node("Relu", ["nowhere"], ["score"])]))
    refused(bundle, "operator 1, 'Relu'", "nothing before it makes its input 'nowhere'")


def test_a_model_that_the_runtime_cannot_load_is_refused(bundle):
    nodes = [
        helper.make_node("Gather", ["window", "last"], ["picked"], axis=1),
        helper.make_node("Identity", ["picked"], ["contribution"], colour="red"),
        helper.make_node("ReduceSum", ["contribution", "axis"], ["score"], keepdims=0),
    ]
    put_model(bundle, graph(nodes=nodes))
    refused(bundle, "model.onnx: it cannot be loaded and run: ", "colour")


def test_a_score_does_not_depend_on_what_else_is_in_the_batch(bundle):
    model = load(bundle).model
    many = np.random.default_rng(3).normal(size=(BATCHES[-1] + 300, 10, 4)) * 3
    whole = model.run(many)
    for size in (1, 2, 3, 7, 64, 299):
        for start in (0, 5, BATCHES[-1] - 3, BATCHES[-1], BATCHES[-1] + 200):
            part = model.run(many[start : start + size])
            for output, expected in zip(part, whole, strict=True):
                assert np.array_equal(output, expected[start : start + size])


def test_the_bundle_on_disk_holds_no_other_file(bundle):
    assert sorted(path.name for path in bundle.iterdir()) == [MANIFEST, MODEL]
    assert re.fullmatch("[0-9a-f]{64}", load(bundle).manifest.sha256)
    assert onnx.load_model_from_string((bundle / MODEL).read_bytes()).opset_import[0].version == 18
