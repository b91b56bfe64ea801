"""Promise: process alarms come only from good data, whatever sensors send."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from fakes import PLACES, LastValue, MemoryStore, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.runtime.limits import LimitsDetector, LimitsOptions
from gateway.api import line_protocol
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Kind, Quality, SampleBatch
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.line.line import Line

S = SECOND
T0 = 1_700_000_040 * S
TAGS = (tag("flow", low=-10.0, high=120.0), tag("level", low=-10.0, high=120.0))
LIMITS = {"high": 85, "low": 10, "rate_of_change": 100, "flat_line": "5s"}

GOOD = st.tuples(st.just(Quality.GOOD), st.floats(20, 80))
"""Within all limits, and within the rate of change of each other."""
BEYOND = st.one_of(st.floats(86, 119), st.floats(-9, 9))
"""Possible values beyond a limit."""
WRONG = st.one_of(
    st.tuples(st.sampled_from([Quality.BAD, Quality.UNCERTAIN]), BEYOND),
    st.tuples(st.sampled_from([Quality.BAD, Quality.UNCERTAIN]), st.floats()),
    st.tuples(st.just(Quality.GOOD), st.one_of(st.floats(121, 1e9), st.floats(-1e9, -11))),
    st.tuples(st.just(Quality.GOOD), st.sampled_from([np.nan, np.inf, -np.inf])),
)
SAMPLES = st.lists(st.lists(st.one_of(GOOD, WRONG), max_size=3), min_size=3, max_size=12)
"""Of each second, the samples of the first tag."""


def line():
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    folders = Places(Path(), Path())
    config = LineConfig(Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, folders, "digest")
    options = LimitsOptions.model_validate({"type": "limits", "tags": {"flow": LIMITS}})
    guard = LimitsDetector("guard", options, {each.name: each for each in TAGS}, PLACES)
    models = {"above": LastValue("flow", threshold=85), "below": below()}
    store = MemoryStore()
    detectors = {"guard": guard, **models}
    return Line(config, detectors, store, T0, clock=lambda: T0, in_thread=False), store


def below():
    return LastValue("flow", "level", threshold=10.0, below=True, length=3)


def batch(second, samples):
    count = len(samples)
    return SampleBatch(
        np.array([0] * count + [1], dtype=np.int32),
        np.array(
            [T0 + second * S + S // 10 * (k + 1) for k in range(count)] + [T0 + second * S + 1]
        ),
        np.array([value for _, value in samples] + [50.0]),
        np.array([quality for quality, _ in samples] + [Quality.GOOD], dtype=np.uint8),
    )


async def process_alarms(seconds):
    press, store = line()
    for second, samples in enumerate(seconds):
        press.inbox.put(batch(second, samples), 0)
        await press.tick(T0 + (second + 1) * S + S // 2)
    points = [line_protocol.decode(row.body) for row in store.rows if row.kind is Kind.ALERT]
    return [p.fields["alarm"] for p in points if p.tags["detector"] not in ("data", "models")]


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_no_bad_uncertain_or_impossible_sample_raises_an_alarm_of_a_limit_or_a_model(seconds):
    raised = asyncio.run(process_alarms(seconds))
    # Good samples may be equal by chance; no flat line is made of others.
    assert set(raised) <= {"flow.flat_line"}


@pytest.mark.parametrize(
    ("value", "alarms"),
    [(100.0, ["flow.high", "anomaly"]), (0.0, ["flow.low", "anomaly"])],
)
def test_the_same_values_with_good_quality_do(value, alarms):
    assert asyncio.run(process_alarms([[(Quality.GOOD, value)]] * 4)) == alarms
