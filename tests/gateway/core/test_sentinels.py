"""Numbers that stand for "no value" are found, and what only looks odd is left alone."""

import numpy as np
import pytest

from gateway.core.sentinels import Sentinel, sentinels

RNG = np.random.default_rng(7)
FLOW = np.round(50 + RNG.normal(0, 2, 1000), 3)


def with_number(number, count=10, values=FLOW):
    """The values with a number at some places."""
    changed = values.copy()
    changed[np.random.default_rng(1).choice(len(values), count, replace=False)] = number
    return changed


SENTINELS = {
    "the usual -9999": with_number(-9999),
    "a single -9999": with_number(-9999, 1),
    "a third of all": with_number(-9999, 333),
    "two thirds of all": with_number(-9999, 666),
    "-999.25 of well logs": with_number(-999.25),
    "-999.9": with_number(-999.9),
    "999 of a byte-wide display": with_number(999),
    "a register with all bits set": with_number(65535),
    "one less, as NaN of SunSpec": with_number(65534),
    "the largest int16": with_number(32767),
    "the smallest int16": with_number(-32768),
    "the same, scaled": with_number(-3276.8),
    "all bits set, scaled": with_number(6553.5),
    "the smallest int32": with_number(-2147483648),
    "1e30": with_number(1e30),
    "the largest float32": with_number(3.4028234663852886e38),
    "the fill value of NetCDF": with_number(9.969209968386869e36),
    "a number of one's own, often": with_number(-12345, 8),
    "in a tag that is usually zero": with_number(-9999, 10, np.zeros(1000)),
    "in a tag with a few states": with_number(-9999, 10, np.arange(1000) // 100 % 3.0),
}


@pytest.mark.parametrize("name", SENTINELS)
def test_a_sentinel_is_found(name):
    values = SENTINELS[name]
    [found] = sentinels(values)
    assert found.certain
    assert found.value in (values.min(), values.max())
    assert found.repeated == np.count_nonzero(values == found.value)


def test_two_sentinels_do_not_hide_each_other():
    values = with_number(65535, 30, with_number(-9999, 10))
    assert {each.value for each in sentinels(values)} == {65535, -9999}
    values = with_number(1e30, 30, with_number(-54321, 10))
    assert {each.value for each in sentinels(values)} == {1e30, -54321}


LEGITIMATE = {
    "a machine that stands still": with_number(0, 300),
    "a valve that is shut": with_number(-1, 300),
    "a sensor at the end of its range": np.clip(FLOW, None, 51),
    "a level that is full": with_number(100, 200, np.clip(FLOW + 30, None, 100)),
    "a step to another level": np.concatenate((FLOW, FLOW + 400)),
    "a state beside a measurement": with_number(2, 50),
    "a counter that reaches 65535": np.append(np.arange(60000.0), 65535.0),
    "an analogue input that uses all its bits": np.append(
        np.linspace(0, 32000, 500), [32767.0] * 9
    ),
    "a single peak": with_number(4711.5, 1),
    "some different peaks": np.append(FLOW, [3000.1, 3111.2, 2999.3]),
    "a temperature below zero": np.round(RNG.normal(-20, 5, 1000), 1),
    "a switch": np.arange(1000) // 50 % 2.0,
    "a constant": np.full(1000, 7.0),
    "a setpoint with two levels": np.repeat([50.0, 255.0], 500),
    "very small numbers with a zero": with_number(0, 100, FLOW * 1e-9),
    "very large numbers": FLOW * 1e12,
    "nothing at all": np.full(10, np.nan),
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_what_only_looks_odd_is_left_alone(name):
    assert [each for each in sentinels(LEGITIMATE[name]) if each.certain] == []


def test_what_may_be_a_code_is_doubted():
    products = np.repeat([1001.0, 1002.0, 9999.0], 100)
    assert sentinels(products) == [Sentinel(9999.0, 100, certain=False)]
    small = with_number(-1, 50, FLOW * 1e-5)
    assert sentinels(small) == [Sentinel(-1.0, 50, certain=False)]


def test_missing_values_do_not_matter():
    values = with_number(-9999)
    values[::3] = np.nan
    assert [each.value for each in sentinels(values)] == [-9999]
