"""Faults: each moves its tags, starts small, grows, and leaves the rest alone."""

from functools import cache

import numpy as np
import pytest

from connectors.simulator.faults import (
    FAULTS,
    FROZEN_SENSOR,
    MOVED_TAGS,
    PLC_GONE,
    ActiveFaults,
)
from connectors.simulator.pump import Plant
from connectors.simulator.signals import MODBUS, TAGS

ONSET, LENGTH = 25, 145
IN_THE_PLANT = tuple(name for name in FAULTS if name != PLC_GONE)


@cache
def series(seed, fault=None, clear=None):
    plant, rows = Plant(seed), []
    for tenth in range(1, LENGTH * 10 + 1):
        if fault and tenth == ONSET * 10:
            plant.inject(fault)
        if clear and tenth == clear * 10:
            plant.clear()
        plant.step()
        rows.append(plant.readings())
    return np.array(rows)


@pytest.fixture(scope="module")
def spread():
    """The standard deviation of each tag in normal running."""
    return np.concatenate([series(seed) for seed in range(11, 21)]).std(axis=0)


@pytest.fixture(scope="module")
def effect(spread):
    """A fault's effect on each tag, in its standard deviations, by seed: [time, tag]."""

    def between(fault, seed):
        return (series(seed, fault) - series(seed)) / spread

    return between


def size(effect, since, until):
    """RMS per tag of the effect between two times after the onset."""
    rows = effect[(ONSET + since) * 10 : (ONSET + until) * 10]
    return dict(zip(TAGS, np.sqrt((rows**2).mean(axis=0)), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_it_lists_the_tags_it_moves(fault):
    assert MOVED_TAGS[fault]
    assert set(MOVED_TAGS[fault]) <= set(TAGS)


def test_a_plc_that_is_gone_affects_all_its_tags():
    assert MOVED_TAGS[PLC_GONE] == tuple(signal.name for signal in MODBUS)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_happens_before_its_onset(fault):
    both = series(1, fault)[: ONSET * 10 - 1], series(1)[: ONSET * 10 - 1]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fault", IN_THE_PLANT)
def test_it_moves_all_its_tags(effect, fault, seed):
    sizes = size(effect(fault, seed), 0, 120)
    assert {tag: sizes[tag] for tag in MOVED_TAGS[fault] if sizes[tag] < 0.15} == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fault", IN_THE_PLANT)
def test_it_moves_a_tag_clearly_within_17_s(effect, fault, seed):
    """Over one whole swing of the demand: a constant value is correct twice in each."""
    sizes = size(effect(fault, seed), 5, 17)
    assert max(sizes[tag] for tag in MOVED_TAGS[fault]) > 0.7


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fault", IN_THE_PLANT)
def test_it_leaves_other_tags_alone_at_its_onset(effect, fault, seed):
    sizes = size(effect(fault, seed), 0, 10)
    others = set(TAGS) - set(MOVED_TAGS[fault])
    assert {tag: sizes[tag] for tag in others if sizes[tag] > 0.2} == {}


@pytest.mark.parametrize("fault", ["bearing_wear", "cavitation", "drifting_sensor"])
def test_it_starts_small_and_grows(effect, fault):
    seen = effect(fault, 1)
    early, late = size(seen, 0, 2), size(seen, 20, 25)
    tag = max(MOVED_TAGS[fault], key=lambda tag: late[tag])
    assert early[tag] < 0.15 * late[tag]


def test_a_frozen_sensor_shows_exactly_what_it_showed_last():
    plant = Plant(4)
    plant.step()
    shown = plant.readings()
    plant.inject(FROZEN_SENSOR)
    for _ in range(300):
        plant.step()
    flow = TAGS.index("flow")
    assert plant.readings()[flow] == shown[flow]
    assert abs(plant.state.flow - shown[flow]) > 0.1


def test_a_sticking_valve_does_not_move_while_its_setpoint_does():
    rows = series(1, "sticking_valve")[(ONSET + 5) * 10 : (ONSET + 25) * 10]
    position, setpoint = TAGS.index("valve_position"), TAGS.index("valve_setpoint")
    assert np.ptp(rows[:, setpoint]) > 3
    assert rows[:, position].std() < 0.1


@pytest.mark.parametrize("fault", IN_THE_PLANT)
def test_a_cleared_fault_lets_the_plant_recover(spread, fault):
    after = series(1, fault, clear=ONSET + 20)[-50:].mean(axis=0)
    normal = series(1)[-50:].mean(axis=0)
    recovered = np.abs(after - normal) / spread
    slow = ("bearing_temperature_de", "level", "valve_setpoint", "valve_position")
    fast = [index for index, tag in enumerate(TAGS) if tag not in slow]
    assert recovered[fast].max() < 0.3


def test_clearing_returns_the_names_of_the_faults():
    faults = ActiveFaults()
    faults.inject("cavitation", 1.0)
    faults.inject("plc_gone", 2.0)
    assert faults.clear() == ("cavitation", "plc_gone")
    assert not faults


def test_severity_grows_over_the_ramp_and_no_further():
    faults = ActiveFaults()
    ramp = FAULTS["cavitation"].ramp
    faults.inject("cavitation", 10.0)
    now = [10.0, 10.0 + ramp / 2, 10.0 + ramp, 10.0 + 9 * ramp]
    assert [faults.severity("cavitation", at) for at in now] == [0.0, 0.5, 1.0, 1.0]


def test_a_slow_fault_takes_the_given_time_and_grows_on():
    faults = ActiveFaults()
    faults.inject("cavitation", 10.0, over=3600.0)
    assert [faults.severity("cavitation", 10.0 + n * 1800.0) for n in range(4)] == [0, 0.5, 1, 1.5]


def test_a_cleared_fault_is_no_longer_slow():
    faults = ActiveFaults()
    faults.inject("cavitation", 0.0, over=3600.0)
    faults.clear()
    faults.inject("cavitation", 0.0)
    assert faults.severity("cavitation", 60.0) == 1.0


def test_injecting_again_does_not_restart_a_fault():
    faults = ActiveFaults()
    faults.inject("cavitation", 0.0)
    faults.inject("cavitation", 100.0)
    assert faults.severity("cavitation", 100.0) == 1.0


def test_an_unknown_fault_is_refused():
    with pytest.raises(KeyError):
        Plant().inject("rust")
