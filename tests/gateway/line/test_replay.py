"""The code that runs live, with the recorded clock: when the line ticks, and what it is given."""

from pathlib import Path

import pytest
from fakes import LastValue, batch, tag

from gateway.api import line_protocol
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Kind, Loss, SampleBatch
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.line.replay import Replay

S = SECOND
T0 = 1_700_000_040 * S  # a whole minute
LATE = S // 2
"""How long a line waits for late samples, where its file says nothing."""


def config():
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    tags, places = (tag("flow"), tag("level")), Places(Path(), Path())
    return LineConfig(Path("l.yaml"), "l", "s", file, SecuritySection(), tags, places, "digest")


def replay():
    taken = []
    return Replay(config(), {"pump": LastValue("flow")}, taken.append), taken


def recording(*values, start=T0):
    """A sample of both tags in the middle of each second."""
    parts = [batch(start + k * S + S // 2, value, 1.0) for k, value in enumerate(values)]
    return SampleBatch.joined(parts)


def alerts(taken):
    points = [line_protocol.decode(e.body) for e in taken if e.kind is Kind.ALERT]
    return [((point.at - T0) // S, point.fields["state"]) for point in points]


async def test_samples_arrive_at_just_their_time_and_the_line_ticks_as_it_does_live():
    played, taken = replay()
    ticks = []
    await played.play_samples(T0, recording(5.0, 20.0, 20.0, 5.0), T0 + 4 * S + 1, ticks.append)
    assert alerts(taken) == [(2, "unacknowledged"), (4, "returned_unacknowledged")]
    assert ticks == [T0 + k * S + LATE for k in range(5)]
    assert (played.ticks, played.samples) == (5, 8)


async def test_the_window_that_closes_at_the_end_is_not_part_of_it():
    played, taken = replay()
    await played.play_samples(T0, recording(5.0, 20.0), T0 + 2 * S)
    assert alerts(taken) == []
    await played.play_samples(T0 + 2 * S, recording(20.0, start=T0 + 2 * S), T0 + 3 * S + 1)
    assert alerts(taken) == [(3, "unacknowledged")]


async def test_a_sample_at_the_very_time_of_a_tick_is_seen_by_it():
    played, _ = replay()
    samples = SampleBatch.joined([batch(T0 + LATE, 5.0), batch(T0 + LATE + 1, 6.0)])
    await played.play_samples(T0, samples, T0 + 1)
    assert (played.ticks, played.samples) == (1, 1)


async def test_the_line_ticks_just_when_the_daemon_ticked():
    played, taken = replay()
    arrivals = [
        (T0 + S + LATE, recording(20.0)),
        (T0 + 2 * S + LATE, None),
        (T0 + 3 * S + LATE, recording(5.0, start=T0 + 2 * S)),
    ]
    await played.play(T0, arrivals)
    assert alerts(taken) == [(1, "unacknowledged"), (3, "returned_unacknowledged")]
    assert (played.ticks, played.samples) == (3, 4)


async def test_a_run_goes_on_with_the_alarms_and_the_windows_of_the_one_before():
    played, taken = replay()
    await played.play(T0, [(T0 + S + LATE, recording(20.0))])
    await played.play(T0 + S + LATE, [(T0 + 2 * S + LATE, None), (T0 + 3 * S + LATE, None)])
    assert alerts(taken) == [(1, "unacknowledged")], "the value is held over the restart"
    await played.play(T0 + 4 * S, [(T0 + 5 * S + LATE, recording(5.0, start=T0 + 4 * S))])
    assert alerts(taken) == [(1, "unacknowledged"), (5, "returned_unacknowledged")]


async def test_points_of_the_gateway_itself_are_left_out_and_summaries_are_not():
    played, taken = replay()
    await played.play_samples(T0, recording(*[5.0] * 61), T0 + 61 * S)
    assert [(e.kind, e.at) for e in taken] == [
        (Kind.SUMMARY, end) for end in (T0, T0, T0 + 60 * S, T0 + 60 * S)
    ]


async def test_a_loss_cannot_happen_in_a_replay():
    played, _ = replay()
    with pytest.raises(AssertionError, match="no_room"):
        played._store.note(Loss(Kind.SUMMARY, "no_room", 1))
