"""The plant: deterministic, warm from the start, plausible, independent of its step."""

import numpy as np
import pytest

from connectors.simulator.demand import HIGH, LOW, Lag
from connectors.simulator.pump import Plant, resistance, speed_for, valve_for
from connectors.simulator.signals import SIGNALS, TAGS
from gateway.api.model import SECOND


def series(seed=1, seconds=60, every=5, step=SECOND // 10):
    plant = Plant(seed, step=step)
    rows = []
    for number in range(1, seconds * SECOND // step + 1):
        plant.step()
        if number % every == 0:
            rows.append(plant.readings())
    return np.array(rows)


@pytest.fixture(scope="module")
def hours():
    """Two hours of normal running."""
    return series(seconds=7200)


def column(rows, tag):
    return rows[:, TAGS.index(tag)]


def test_the_same_seed_gives_the_same_series():
    np.testing.assert_array_equal(series(7), series(7))


def test_another_seed_gives_another_series():
    assert not np.any(np.all(series(7) == series(8), axis=1))


def test_reading_more_often_changes_nothing():
    np.testing.assert_array_equal(series(3, every=1)[4::5], series(3, every=5))


def test_reading_twice_gives_the_same_values():
    plant = Plant()
    assert plant.readings() == plant.readings()


def test_its_time_moves_by_the_step():
    plant = Plant(start=5 * SECOND)
    plant.step()
    assert (plant.at, plant.elapsed) == (5 * SECOND + SECOND // 10, 0.1)


@pytest.mark.parametrize("seed", range(1, 6))
def test_it_starts_warm(hours, seed):
    """The first second is already within the range of two hours of another seed."""
    first = series(seed, 1)
    low, high = hours.min(axis=0), hours.max(axis=0)
    margin = 0.25 * (high - low)
    assert np.all(first > low - margin)
    assert np.all(first < high + margin)


def test_every_value_is_in_its_range(hours):
    assert np.all(hours >= [s.low for s in SIGNALS])
    assert np.all(hours <= [s.high for s in SIGNALS])


def test_no_transmitter_saturates_in_normal_running(hours):
    assert np.all(hours > [s.low for s in SIGNALS])
    assert np.all(hours < [s.high for s in SIGNALS])


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_is_alive_within_a_minute(tag):
    assert len(set(column(series(2, 60), tag))) > 1


def test_values_step_by_the_resolution_of_their_instrument(hours):
    steps = hours / np.array([s.resolution for s in SIGNALS])
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        ("speed", "flow", 0.8),
        ("speed", "discharge_pressure", 0.6),
        ("flow", "current", 0.8),
        ("current", "power", 0.95),
        ("valve_setpoint", "valve_position", 0.8),
        ("speed", "vibration_de", 0.7),
        ("bearing_temperature_de", "bearing_temperature_nde", 0.9),
    ],
)
def test_related_tags_are_correlated(hours, one, other, least):
    assert np.corrcoef(column(hours, one), column(hours, other))[0, 1] > least


def test_more_flow_means_less_suction_pressure(hours):
    assert np.corrcoef(column(hours, "flow"), column(hours, "suction_pressure"))[0, 1] < -0.8


def test_the_load_changes_every_few_minutes(hours):
    by_the_minute = column(hours, "speed").reshape(-1, 120).mean(axis=1)
    span = speed_for(HIGH) - speed_for(LOW)
    assert np.ptp(by_the_minute) > 0.7 * span
    assert np.sum(np.abs(np.diff(by_the_minute)) > 0.1 * span) > 20


def test_the_level_controller_holds_the_level(hours):
    assert abs(column(hours, "level").mean() - 50) < 0.5
    assert np.ptp(column(hours, "level")) < 10


@pytest.mark.parametrize("demand", [LOW, 58.0, HIGH])
def test_the_valve_opening_for_a_flow_gives_that_flow(demand):
    speed = speed_for(demand)
    drive = 6.5 * (speed / 2950) ** 2 + 1.2 - 3.35
    assert drive / resistance(valve_for(demand, speed)) == pytest.approx(demand**2)


def test_a_lag_does_not_depend_on_the_step():
    whole, halves = Lag(2.0, 0.2, 1.0), Lag(2.0, 0.1, 1.0)
    halves.toward(5.0)
    assert halves.toward(5.0) == pytest.approx(whole.toward(5.0))


def test_a_finer_step_gives_the_same_plant(hours):
    fine = series(seconds=7200, every=10, step=SECOND // 20)
    moved = np.abs(fine.mean(axis=0) - hours.mean(axis=0)) / hours.std(axis=0)
    assert moved.max() < 0.2
    ratio = np.delete(fine.std(axis=0) / hours.std(axis=0), TAGS.index("level"))
    assert ratio.min() > 0.9  # the level drifts too slowly to compare its spread within two hours
    assert ratio.max() < 1.1
