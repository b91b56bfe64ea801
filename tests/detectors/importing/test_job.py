"""A foreign model becomes a bundle that a line can use, or is refused with the reason."""

import csv
import json

import numpy as np
import onnx
import pytest
from bundles import NAMES, START, TAGS, recording
from click.testing import CliRunner
from foreign_models import (
    channels_first,
    dense_autoencoder,
    distance_from_zero,
    last_value_forecast,
    model,
    window_autoencoder,
)
from onnx import helper

from detectors.bundle.bundle import load
from detectors.commands.models import models
from detectors.importing.report import as_text
from detectors.runtime.onnx import OnnxDetector, OnnxOptions
from gateway.api.contracts import ConfigError, ModelError, Places
from gateway.api.model import SECOND, Window

SOURCE = recording(rows=1500)
MEAN, STD = SOURCE.values[:1000].mean(axis=0), SOURCE.values[:1000].std(axis=0)
STANDARD = (SOURCE.values - MEAN) / STD
WINDOW = 10


@pytest.fixture
def data(tmp_path):
    """The recording as a CSV file."""
    path = tmp_path / "normal.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", *NAMES))
        for at, row in zip(SOURCE.times.tolist(), SOURCE.values.tolist(), strict=True):
            writer.writerow((at / SECOND, *map(repr, row)))
    return path


def imported(tmp_path, data, content, *options):
    """The report of an import that works, and the verified bundle."""
    file = tmp_path / "theirs.onnx"
    file.write_bytes(content)
    arguments = ["import", str(file), "--data", str(data), "--out", str(tmp_path / "pump")]
    done = CliRunner().invoke(models, [*arguments, "--json", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), load(tmp_path / "pump")


def refused(tmp_path, data, content, message, *options, error=ModelError):
    with pytest.raises(error, match=message):
        imported(tmp_path, data, content, *options)
    assert not (tmp_path / "pump").exists()


def cut(length, shifted=None, by=0.0):
    """A normal window, with one tag shifted by standard deviations if requested."""
    values = SOURCE.values[1200 : 1200 + length].copy()
    if shifted is not None:
        values[:, NAMES.index(shifted)] += by * STD[NAMES.index(shifted)]
    return values


MODELS = {
    "a dense autoencoder of one row": (dense_autoencoder(STANDARD), (), 1),
    "an autoencoder of windows": (window_autoencoder(STANDARD, WINDOW), (), WINDOW),
    "channels before time": (channels_first(WINDOW, 4), (), WINDOW),
    "a forecast": (last_value_forecast(WINDOW, 4), (), WINDOW + 1),
    "one score": (distance_from_zero(4), ("--kind", "score"), 1),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_kind_of_model_detects_an_anomalous_window_and_names_the_tag(tmp_path, data, name):
    content, options, length = MODELS[name]
    report, (manifest, model) = imported(tmp_path, data, content, *options)
    assert manifest.window == length
    assert report["calibration_exceedances"] == 0
    anomalous = cut(length, "pressure", by=9.0)
    if name in ("a forecast", "channels before time"):
        # These score how a tag moves, not its level.
        anomalous[:-1] = cut(length)[:-1]
    both = model.run(np.stack((cut(length), anomalous)))
    assert both.score[0] < manifest.threshold < both.score[1]
    assert np.argmax(both.contribution[1]) == NAMES.index("pressure")
    assert np.allclose(both.contribution.sum(axis=1), both.score, rtol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_a_window_scores_the_same_whatever_else_is_in_its_batch(tmp_path, data, name):
    content, options, length = MODELS[name]
    _, (_, model) = imported(tmp_path, data, content, *options)
    batch = np.stack([SOURCE.values[k : k + length] for k in range(7)])
    whole = model.run(batch)
    for row, window in enumerate(batch):
        assert model.run(window[None]).score[0] == whole.score[row]


@pytest.mark.parametrize("name", MODELS)
def test_a_line_may_set_a_budget_of_false_alarms(tmp_path, data, name):
    content, options, _ = MODELS[name]
    report, (manifest, _) = imported(tmp_path, data, content, *options)

    def alarm_for(budget):
        fields = {"type": "onnx", "bundle": "pump", "false_alarms": budget}
        options = OnnxOptions.model_validate(fields)
        return OnnxDetector("pump", options, TAGS, Places(tmp_path, tmp_path)).alarms[0]

    assert alarm_for("30 per hour").threshold < alarm_for("1 per hour").threshold
    assert alarm_for("1 per year").threshold == manifest.threshold == report["threshold"]
    assert alarm_for("1 per year").on_delay == manifest.on_delay == 20 * SECOND
    assert report["false_alarm_at_most_hours"] == pytest.approx(3 * report["normal_running_hours"])


def test_the_required_coverage_is_that_of_a_trained_model(tmp_path, data):
    imported(tmp_path, data, window_autoencoder(STANDARD, WINDOW))
    options = OnnxOptions.model_validate({"type": "onnx", "bundle": "pump"})
    detector = OnnxDetector("pump", options, TAGS, Places(tmp_path, tmp_path))
    observed = np.ones((WINDOW, 4), dtype=bool)
    observed[2:5, 1] = False
    (score,) = detector.score([Window(START, SECOND, cut(WINDOW), observed)])
    assert score.blind == "no data for flow"


def test_a_budget_can_be_requested_and_the_report_gives_its_confidence_interval(tmp_path, data):
    content = window_autoencoder(STANDARD, WINDOW)
    hourly, (often, _) = imported(tmp_path, data, content, "--false-alarms", "6 per hour")
    low, high = hourly["false_alarm_interval_hours"]
    assert low < 1 / 6 < (high or np.inf)
    assert not hourly["too_short"]
    options = ("--force", "--false-alarms", "1 per week")
    weekly, (seldom, _) = imported(tmp_path, data, content, *options)
    assert weekly["too_short"]
    assert often.threshold < seldom.threshold
    text = "\n".join(as_text(weekly))
    assert "if the model was trained on this data, it will do worse on other data" in text
    assert "one false alarm in 7 days cannot be promised by" in text


def test_a_threshold_and_a_budget_together_are_a_usage_error(tmp_path, data):
    arguments = ["import", "m.onnx", "--data", str(data), "--out", str(tmp_path / "pump")]
    both = ["--threshold", "3", "--false-alarms", "1 per day"]
    done = CliRunner().invoke(models, [*arguments, *both])
    assert done.exit_code == 2
    assert "give only one of them" in done.stderr


def test_a_reconstruction_is_the_output_of_the_foreign_model(tmp_path, data):
    content = window_autoencoder(STANDARD, WINDOW)
    _, (manifest, wrapped) = imported(tmp_path, data, content)
    mean, std = (np.array([getattr(tag, k) for tag in manifest.tags]) for k in ("mean", "std"))
    import onnxruntime

    theirs = onnxruntime.InferenceSession(content)
    window = cut(WINDOW, "flow", by=3.0)
    given = theirs.run(None, {"input": ((window - mean) / std).astype(np.float32)[None]})[0][0]
    residual = given - (window - mean) / std
    outputs = wrapped.run(window[None])
    assert np.isclose(outputs.score[0], np.mean(residual**2), rtol=1e-4)
    assert np.allclose(outputs.expected[0], given[-1] * std + mean, rtol=1e-5, atol=1e-6)


def test_a_line_alarms_with_it_and_names_expected_and_actual(tmp_path, data):
    imported(tmp_path, data, window_autoencoder(STANDARD, WINDOW))
    options = OnnxOptions.model_validate({"type": "onnx", "bundle": "pump"})
    detector = OnnxDetector("pump", options, TAGS, Places(tmp_path, tmp_path))
    values, normal = cut(WINDOW, "pressure", by=9.0), cut(WINDOW)
    (score,) = detector.score([Window(START, SECOND, values, np.ones_like(values, dtype=bool))])
    assert score.values[0] > detector.alarms[0].threshold
    assert score.actual[2] == values[-1, 2]
    assert abs(score.expected[2] - normal[-1, 2]) < abs(values[-1, 2] - normal[-1, 2]) / 2


def test_models_of_scikit_learn_are_imported_as_exported(tmp_path, data):
    from skl2onnx import to_onnx
    from sklearn.ensemble import IsolationForest
    from sklearn.linear_model import LogisticRegression

    rows = STANDARD[:1000].astype(np.float32)
    forest = IsolationForest(n_estimators=30, random_state=0).fit(rows)
    targets = {"": 17, "ai.onnx.ml": 3}
    content = to_onnx(forest, rows[:1], target_opset=targets).SerializeToString()
    options = ("--kind", "score", "--output", "scores", "--lower-is-worse")
    # A forest's score saturates: with so little data the calibrated threshold is out of reach.
    refused(tmp_path, data, content, "choose a --threshold between 6.* and 6", *options)
    _, (manifest, model) = imported(tmp_path, data, content, *options, "--threshold", "6.2")
    both = model.run(np.stack((cut(1), cut(1, "flow", by=12.0))))
    assert both.score[0] < manifest.threshold
    assert both.score[1] > both.score[0] + 1  # a forest's score saturates

    faulty = rows + np.array([0, 6, 0, 0], dtype=np.float32)
    labels = np.repeat([0, 1], len(rows))
    fitted = LogisticRegression().fit(np.concatenate((rows, faulty)), labels)
    options = {id(fitted): {"zipmap": False}}
    content = to_onnx(fitted, rows[:1], options=options, target_opset=targets).SerializeToString()
    _, (manifest, model) = imported(tmp_path, data, content, "--force")
    both = model.run(np.stack((cut(1), cut(1, "flow", by=8.0))))
    assert both.score[0] < manifest.threshold < both.score[1] <= 1
    assert np.argmax(both.contribution[1]) == NAMES.index("flow")
    assert np.isclose(
        both.score[1], fitted.predict_proba((cut(1, "flow", by=8.0) - MEAN) / STD)[0, 1], atol=0.02
    )


def test_the_authors_own_scaling_is_used(tmp_path, data):
    scaling = tmp_path / "minmax.json"
    low, high = SOURCE.values.min(axis=0), SOURCE.values.max(axis=0)
    scaling.write_text(
        json.dumps({"min": dict(zip(NAMES, low, strict=True)), "max": high.tolist()})
    )
    content = dense_autoencoder((SOURCE.values - low) / (high - low))
    _, (_, scaled) = imported(tmp_path, data, content, "--scaling", str(scaling))
    other = tmp_path / "none"
    other.mkdir()
    _, (_, unscaled) = imported(other, data, dense_autoencoder(SOURCE.values), "--scaling", "none")
    assert scaled.run(cut(1)[None]).score[0] != unscaled.run(cut(1)[None]).score[0]
    assert np.isfinite(unscaled.run(cut(1)[None]).expected).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "--scaling is standard, none or a JSON file"),
        ("[" * 100_000, "cannot be read as JSON: it is nested too deeply"),
        (f'{{"mean": [{"9" * 5_000}]}}', "or has a number of thousands of digits"),
        (f'{{"mean": [1{"0" * 400}, 1, 1, 1], "std": [1, 1, 1, 1]}}', "must be . finite numbers"),
        ('{"min": [-1.7e308, 0, 0, 0], "max": [1.7e308, 1, 1, 1]}', "must be . finite numbers"),
        ('{"mean": ["1", "2", "3", "4"], "std": [1, 1, 1, 1]}', "must be . finite numbers"),
        ('{"mean": [true, 2, 3, 4], "std": [1, 1, 1, 1]}', "must be . finite numbers"),
        ('{"mean": [1, 2, 3, 4]}', r'must contain {"mean": …, "std": …} or'),
        ('{"mean": [1, 2], "std": [1, 1]}', "mean must be 4 finite numbers"),
        (
            '{"mean": {"flow": 1}, "std": [1, 1, 1, 1]}',
            "mean lacks a number for speed, pressure, current",
        ),
        ('{"mean": [1, 2, 3, 4], "std": [1, 1, 1, 0]}', "std must be above 0"),
        ('{"min": [1, 2, 3, 4], "max": [2, 3, 4, 4]}', "max must be above min"),
    ],
)
def test_an_incomplete_scaling_is_refused(tmp_path, data, content, message):
    path = tmp_path / "scaling.json"
    path.write_text(content)
    model_bytes = dense_autoencoder(STANDARD)
    refused(tmp_path, data, model_bytes, message, "--scaling", str(path), error=ConfigError)


def test_an_older_opset_is_converted(tmp_path, data):
    _, (manifest, _) = imported(tmp_path, data, dense_autoencoder(STANDARD, opset=11))
    assert manifest.opset == 13


def test_an_unsafe_model_is_refused_before_it_is_loaded(tmp_path, data):
    nodes = [helper.make_node("RandomNormalLike", ["input"], ["output"])]
    refused(tmp_path, data, model(nodes, {}, (4,), (4,)), "operator 'RandomNormalLike'")
    proto = onnx.load_model_from_string(dense_autoencoder(STANDARD))
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], location="weights")
    refused(tmp_path, data, proto.SerializeToString(), "weights in another file")
    refused(tmp_path, data, b"not a model", "is not an ONNX file")


def test_a_model_that_would_exhaust_memory_is_refused_before_it_runs(tmp_path, data):
    # Each step squares the tensor's size; no weight is larger than a few bytes.
    nodes, name = [], "input"
    shape = {"up": np.array([0, -1, 1]), "flat": np.array([0, -1])}
    for step in range(4):
        nodes += [
            helper.make_node("Reshape", [name, "up"], [f"c{step}"]),
            helper.make_node("Transpose", [f"c{step}"], [f"r{step}"], perm=[0, 2, 1]),
            helper.make_node("MatMul", [f"c{step}", f"r{step}"], [f"m{step}"]),
            helper.make_node("Reshape", [f"m{step}", "flat"], [f"x{step}"]),
        ]
        name = f"x{step}"
    nodes += [helper.make_node("ReduceSum", [name, "axis"], ["output"], keepdims=1)]
    content = model(nodes, {**shape, "axis": np.array([1])}, (4,), (1,))
    refused(tmp_path, data, content, "172 GB of memory at operator 24", "--kind", "score")


def test_a_model_that_returns_nan_is_refused(tmp_path, data):
    nodes = [helper.make_node("Log", ["input"], ["output"])]
    refused(tmp_path, data, model(nodes, {}, (4,), (4,)), "NaN or infinity for normal data")


def test_a_constant_score_is_refused(tmp_path, data):
    nodes = [
        helper.make_node("Mul", ["input", "zero"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros", "axis"], ["output"], keepdims=1),
    ]
    weights = {"zero": np.zeros(1, dtype=np.float32), "axis": np.array([1])}
    content = model(nodes, weights, (4,), (1,))
    refused(tmp_path, data, content, "it is useless here", "--kind", "score")


def test_too_little_data_is_refused(tmp_path, data):
    short = tmp_path / "short.csv"
    short.write_text("".join(data.read_text().splitlines(keepends=True)[:150]))
    content = dense_autoencoder(STANDARD)
    refused(tmp_path, short, content, "149 complete windows .* 200 are needed", error=ConfigError)
