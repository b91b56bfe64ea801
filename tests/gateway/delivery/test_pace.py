from gateway.api.contracts import SinkUnavailable
from gateway.api.model import Envelope, Kind
from gateway.core.backoff import FLOOR
from gateway.delivery.pace import FAST_S, FIRST_ROWS, LONGEST_WAIT_S, MAX_ROWS, MIN_ROWS, Pace

A, S, G, C = Kind
AWAY = SinkUnavailable("no route")
HUMAN = SinkUnavailable("401", needs_human=True)


def points(kind, *bodies):
    return [Envelope(kind, at, body.encode()) for at, body in enumerate(bodies, 1)]


def waits(pace, error, times=20):
    return [pace.after_failure(error) for _ in range(times)]


def test_a_plain_outage_is_tried_again_within_five_seconds_for_ever():
    seconds = waits(Pace(draw=lambda: 1.0), AWAY, 200)
    assert seconds[:4] == [0.5, 1.0, 2.0, 4.0]
    assert set(seconds[4:]) == {5.0}


def test_the_whole_wait_is_jitter():
    assert waits(Pace(draw=lambda: 0.5), AWAY, 4) == [0.25, 0.5, 1.0, 2.0]
    assert set(waits(Pace(draw=lambda: 0.0), AWAY)) == {FLOOR}


def test_a_fault_that_needs_a_human_is_retried_at_least_once_a_minute():
    assert waits(Pace(draw=lambda: 1.0), HUMAN)[-1] == 60.0


def test_the_server_decides_how_long_to_wait():
    asked = SinkUnavailable("429", wait=30.0)
    assert waits(Pace(draw=lambda: 0.0), asked, 1) == [30.0]
    assert waits(Pace(draw=lambda: 1.0), asked, 1) == [33.0]
    forever = SinkUnavailable("429", wait=1e9)
    assert waits(Pace(draw=lambda: 0.0), forever, 1) == [LONGEST_WAIT_S]


def test_a_success_starts_the_back_off_over():
    pace = Pace(draw=lambda: 1.0)
    waits(pace, AWAY)
    pace.after_success(1, 0.1)
    assert waits(pace, AWAY, 1) == [0.5]


def test_batches_shrink_while_the_link_fails_and_grow_again():
    pace = Pace(draw=lambda: 0.0)
    waits(pace, AWAY)
    assert pace.rows == MIN_ROWS
    for _ in range(10):
        pace.after_success(pace.rows, 0.1)
    assert pace.rows == MAX_ROWS


def test_a_batch_is_as_large_as_the_link_carries_in_a_second():
    pace = Pace()
    for _ in range(20):
        # A link of 500 points a second.
        pace.after_success(pace.rows, pace.rows / 500)
    assert 250 <= pace.rows <= 500
    for _ in range(20):
        # A fast batch of a few points must not raise the limit.
        pace.after_success(5, 0.01)
    assert pace.rows <= 500


def test_after_a_rejection_that_took_long_batches_are_small():
    pace = Pace()
    pace.after_rejection(FAST_S)
    assert pace.rows == FIRST_ROWS
    pace.after_rejection(FAST_S + 0.1)
    assert pace.rows == MIN_ROWS
