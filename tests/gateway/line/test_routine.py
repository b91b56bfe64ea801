"""What a line stores at each interval, with hand-made time."""

from pathlib import Path

import pytest
from fakes import batch, tag

from gateway.api import line_protocol
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Kind
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.freshness import FreshnessWatch
from gateway.line.routine import Routine
from gateway.telemetry.health import Health

T0 = 1_700_000_040 * SECOND  # a whole minute
MINUTE = 60 * SECOND
TAGS = (tag("flow"),)


@pytest.fixture
def health():
    return Health("l", "s", TAGS, FreshnessWatch(TAGS, 5.0, 3.0))


@pytest.fixture
def routine(health):
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    places = Places(Path(), Path())
    config = LineConfig(Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, places, "")
    return Routine(config, health, T0)


def test_the_point_of_the_gateway_comes_once_at_the_end_of_each_interval(routine):
    made = [routine.advance(T0 + second * SECOND) for second in range(121)]
    kinds = [[e.at for e in each if e.kind is Kind.GATEWAY] for each in made]
    assert [at for each in kinds for at in each] == [T0 + MINUTE, T0 + 2 * MINUTE]


def test_a_sample_is_in_the_summary_of_its_minute_and_one_of_the_future_in_none(routine, health):
    routine.push(batch(T0 + SECOND, 7.0), T0 + SECOND)
    routine.push(batch(T0 + 3600 * SECOND, 9.0), T0 + 2 * SECOND)
    (point,) = [e for e in routine.advance(T0 + 61 * SECOND) if e.kind is Kind.SUMMARY]
    assert line_protocol.decode(point.body).fields["mean"] == 7.0
    assert health.summaries == 1
    routine.push(batch(T0 + 2 * SECOND, 8.0), T0 + 62 * SECOND)
    assert routine.late == 1


def test_the_ledger_is_entered_with_the_point_and_taken_up_again(routine, health):
    before = routine.ledger
    health.note_samples(batch(T0, 1.0), T0)
    routine.advance(T0 + MINUTE)
    assert (before, routine.ledger) == (b"{}", health.ledger.checkpoint())
    routine.restore(b"{}")
    assert health.ledger.checkpoint() == b"{}"
    routine.restore(None)
    assert routine.ledger == b"{}"


def test_after_a_step_of_the_clock_the_next_point_is_at_the_end_of_the_new_interval(routine):
    routine.restart(T0 - 90 * SECOND)
    assert [e.kind for e in routine.advance(T0 - 61 * SECOND)] == []
    assert [e.kind for e in routine.advance(T0 - MINUTE)] == [Kind.GATEWAY]
