"""A foreign model that cannot raise an alarm is refused, and a deaf one is said to be deaf."""

import bundles
import numpy as np
import pytest
from bundles import NAMES
from click.testing import CliRunner
from foreign_models import (
    dense_autoencoder,
    distance_from_zero,
    last_value_forecast,
    model,
    window_autoencoder,
)
from onnx import helper

from detectors.importing.trial import Disturbance, try_model
from gateway.cli import main

SOURCE = bundles.recording(rows=1500)
MEAN, STD = SOURCE.values[:1000].mean(axis=0), SOURCE.values[:1000].std(axis=0)
STANDARD = (SOURCE.values - MEAN) / STD
SCORE = ("--kind", "score")
LOW = (*SCORE, "--lower-is-worse")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return bundles.write_csv(tmp_path_factory.mktemp("data") / "normal.csv", SOURCE)


def imported(tmp_path, data, content, *options):
    """The outcome of an import."""
    file = tmp_path / "theirs.onnx"
    file.write_bytes(content)
    words = ["models", "import", str(file), "--data", str(data), "--out", str(tmp_path / "m")]
    return CliRunner().invoke(main, [*words, *options])


def one_number(*nodes, size=4, **weights):
    """[batch, tags] to one number [batch, 1] by these nodes: name, inputs, output, attributes."""
    made = [helper.make_node(kind, ins, [out], **more) for kind, ins, out, more in nodes]
    return model(made, weights, (size,), (1,))


def distance(weights, *more):
    """The weighted squared distance from zero, handed to more nodes as `d`, which give `output`."""
    return one_number(
        ("Mul", ["input", "input"], "squared", {}),
        ("Mul", ["squared", "w"], "weighted", {}),
        ("ReduceSum", ["weighted", "axis"], "d", {"keepdims": 1}),
        *more,
        w=np.array(weights, dtype=np.float32),
        axis=np.array([1]),
        zero=np.array([0.0], dtype=np.float32),
        one=np.array([1.0], dtype=np.float32),
        ten=np.array([10.0], dtype=np.float32),
        many=np.array([60.0], dtype=np.float32),
    )


ALL = [1, 1, 1, 1]
AS_IT_IS = ("Identity", ["d"], "output", {})
NEGATED = ("Neg", ["d"], "output", {})
GOOD = {
    "a distance": (distance_from_zero(4), SCORE),
    "a negated distance, said to be one": (distance(ALL, NEGATED), LOW),
    "an autoencoder of rows": (dense_autoencoder(STANDARD, kept=1), ()),
    "an autoencoder of windows": (window_autoencoder(STANDARD, 10), ()),
    "a forecast": (last_value_forecast(10, 4), ()),
    "a probability": (
        distance(ALL, ("Sub", ["d", "many"], "off", {}), ("Sigmoid", ["off"], "output", {})),
        ("--kind", "probability"),
    ),
    "one that only knows too much": (
        one_number(
            ("ReduceMax", ["input"], "output", {"axes": [1], "keepdims": 1}),
        ),
        SCORE,
    ),
    "a score that bends": (distance(ALL, ("Sqrt", ["d"], "output", {})), SCORE),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_model_that_reacts_is_imported_without_a_warning(tmp_path, data, name):
    content, options = GOOD[name]
    done = imported(tmp_path, data, content, *options)
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output
    assert "disturbed windows score above the threshold (shifts" in done.output


REFUSED = {
    "the wrong way round": (distance(ALL, NEGATED), SCORE, "0% higher: add --lower-is-worse"),
    "the option too much": (distance_from_zero(4), LOW, "0% higher: leave out --lower-is-worse"),
    "a likelihood": (distance(ALL, ("Neg", ["d"], "n", {}), ("Exp", ["n"], "output", {})), SCORE,
                     "falls where something is wrong"),
    "the probability of normal running": (
        distance(ALL, ("Sub", ["many", "d"], "off", {}), ("Sigmoid", ["off"], "output", {})),
        ("--kind", "probability"), "it calls normal running an anomaly, with a probability of 1"),
    "a classifier whose second class is the normal one": (
        one_number(("ReduceSum", ["input", "axis"], "sum", {"keepdims": 1}),
                   ("Add", ["sum", "ten"], "left", {}), ("Sigmoid", ["left"], "output", {}),
                   axis=np.array([1]), ten=np.array([10.0], dtype=np.float32)),
        ("--kind", "probability"), "export the probability of the anomaly, or import it with"),
    "a threshold out of reach": (distance_from_zero(4), (*SCORE, "--threshold", "1e6"),
                                 "scores above the threshold 1e+06, so no alarm could be raised"),
    "a probability above one": (
        distance(ALL, ("Sub", ["d", "many"], "off", {}), ("Sigmoid", ["off"], "output", {})),
        ("--kind", "probability", "--threshold", "1.5"), "choose a --threshold between"),
    "a constant probability": (
        distance(ALL, ("Mul", ["d", "zero"], "off", {}), ("Sigmoid", ["off"], "output", {})),
        ("--kind", "probability"), "it does not react to its input"),
    "a copy of its input": (
        model([helper.make_node("Identity", ["input"], ["output"])], {}, (4,), (4,)), (),
        "it returns its input whatever is wrong with it"),
    "NaN where something is wrong": (
        distance(ALL, ("Sub", ["many", "d"], "left", {}), ("Sqrt", ["left"], "output", {})), SCORE,
        "it returns NaN or infinity for"),
    "infinity where something is wrong": (
        distance(ALL, ("Exp", ["d"], "output", {})), SCORE, "it returns NaN or infinity for"),
    "a saturated output": (
        distance(ALL, ("Min", ["d", "ten"], "output", {})), (*SCORE, "--threshold", "20"),
        "its output saturates, or does not tell what is wrong from what is normal"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_alarm_is_refused_with_what_would_be_right(tmp_path, data, name):
    content, options, sentence = REFUSED[name]
    done = imported(tmp_path, data, content, *options)
    assert done.exit_code == 1, done.output
    assert sentence in done.output
    assert done.output.count("\n") == 1
    assert not (tmp_path / "m").exists()


DEAF = {
    "to one tag": (distance([1, 1, 0, 1], AS_IT_IS), SCORE,
                   "the score does not depend on pressure: no fault of it is noticed"),
    "to two tags": (distance([0, 1, 0, 1], AS_IT_IS), SCORE, "does not depend on speed, pressure:"),
    "nearly, to one tag": (distance([1, 1, 1, 1e-4], AS_IT_IS), SCORE,
                           "no disturbance of current raises an alarm"),
    "and falls for one tag": (distance([2, -2, 2, 2], AS_IT_IS), SCORE,
                              "the score falls where flow is wrong, so no fault of it is noticed"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEAF)
def test_a_tag_that_the_model_does_not_react_to_is_named(tmp_path, data, name):
    content, options, sentence = DEAF[name]
    done = imported(tmp_path, data, content, *options)
    assert done.exit_code == 0, done.output
    assert "  warning     " in done.output
    assert sentence in done.output


def test_a_person_may_import_it_nevertheless_and_is_warned(tmp_path, data):
    done = imported(tmp_path, data, distance(ALL, NEGATED), *SCORE, "--no-trial")
    assert done.exit_code == 0, done.output
    assert "  warning     its score falls where something is wrong" in done.output


class Recorder:
    """A model that scores the mean, and remembers the windows."""

    def __init__(self):
        self.seen = []

    def run(self, windows):
        self.seen.append(windows)
        return type("Outputs", (), {"score": windows.mean(axis=(1, 2))})


def test_one_tag_is_disturbed_at_a_time_and_all_together_at_last():
    windows = np.stack([SOURCE.values[n : n + 10] for n in range(0, 400, 4)])
    recorder = Recorder()
    trial = try_model(recorder, NAMES, windows, windows.mean(axis=(1, 2)), 1.0)
    *single, examples, together = recorder.seen
    changed = [(np.abs(each - examples) > 0).any(axis=(0, 1)).sum() for each in single]
    assert set(changed) == {1}
    assert (np.abs(together - np.tile(examples, (2, 1, 1))) > 0).all()
    assert set(trial.kinds) == set(Disturbance)


def test_a_single_row_has_no_jump_and_no_standstill():
    windows = SOURCE.values[:200, None]
    trial = try_model(Recorder(), NAMES, windows, windows.mean(axis=(1, 2)), 1.0)
    assert set(trial.kinds) == {Disturbance.SHIFT, Disturbance.NOISE}
