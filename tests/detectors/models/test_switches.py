import bundles
import numpy as np
import pytest

from detectors.models.switches import reason_to_exclude

ROWS = 1200


def switched(every, states=(0.0, 1.0)):
    return np.array(states)[np.arange(ROWS) // every % len(states)]


def blip(start, rows):
    values = np.zeros(ROWS)
    values[start : start + rows] = 1
    return values


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.arange(ROWS) >= 700, "a switch (0, 1) that changed only once"),
        (blip(500, 3), "a switch (0, 1) that changed only 2 times"),
        (np.where(np.arange(ROWS) < 5, 55.5, 60.5), "a switch (55.5, 60.5) that changed only once"),
        (switched(400, (0.0, 1.0, 4.0)), "a switch (0, 1, 4) that changed only 2 times"),
        (np.arange(ROWS) % 110 == 5, "a switch (0, 1) that is hardly ever in one of its states"),
    ],
)  # fmt: skip
def test_a_switch_that_cannot_be_used_is_left_out_with_the_reason(values, reason):
    assert reason_to_exclude(values.astype(float)).startswith(reason)


@pytest.mark.parametrize(
    "values",
    [
        switched(30),
        switched(25, (0.0, 1.0, 2.0)),
        np.round(np.random.default_rng(1).normal(40, 1, ROWS)),
        np.linspace(0, 1, ROWS),
        switched(400, (0.5, 1.25, 2.75)),
    ],
)
def test_a_switch_that_changes_often_and_a_measurement_stay(values):
    assert reason_to_exclude(values) == ""


def test_missing_rows_are_not_a_state():
    values = switched(400)
    values[::3] = np.nan
    assert reason_to_exclude(values).startswith("a switch (0, 1) that changed only 2 times")


def test_a_command_that_was_given_once_does_not_change_the_model_of_the_other_tags():
    source = bundles.recording()
    command = blip(600, 10)
    names, values = (*source.names, "valve_cmd"), np.column_stack((source.values, command))
    learnt = bundles.learnt(source._replace(names=names, values=values), methods=("pca",))
    assert learnt.prepared.names == bundles.NAMES
    assert learnt.left_out["valve_cmd"].endswith("changed only 2 times")
    # The same model as without it, bit for bit.
    assert learnt.graph == bundles.learnt(source, methods=("pca",)).graph
