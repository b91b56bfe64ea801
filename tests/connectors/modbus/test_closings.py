import pytest

from connectors.modbus.closings import REPEATED, Closings
from gateway.api.model import SECOND

MS = SECOND // 1000


def connection(closings, now, answers, idle, *, is_instead=False):
    """A connection with so many answers, 1 s apart, that the device closes after `idle`."""
    closings.opened()
    for _ in range(answers):
        now += SECOND
        closings.answered(1, now)
    closings.closed(now + idle, is_instead=is_instead)
    closings.ended()
    return now + idle


def after(*connections):
    closings, now = Closings(), 0
    for answers, idle, is_instead in connections:
        now = connection(closings, now, answers, idle, is_instead=is_instead)
    return closings


@pytest.mark.parametrize(
    ("connections", "answers", "idle"),
    [
        ([(1, MS, False)] * 3, 1, 0),
        ([(1, 0, True)] * 3, 1, 0),
        ([(1, SECOND, True)] * 3, 1, 0),  # closed when the second request came
        ([(1, MS, False), (1, 0, True), (1, 40 * MS, False)], 1, 0),
        ([(2, MS, False)] * 3, 2, 0),
        ([(7, MS, False)] * 4, 7, 0),
        ([(1, MS, False)] * 2, 0, 0),
        ([(1, MS, False), (2, MS, False), (1, MS, False)], 0, 0),
        ([(3, 300 * MS, False)] * 3, 0, 300 * MS),
        ([(1, 300 * MS, False), (9, 310 * MS, False), (2, 290 * MS, False)], 0, 310 * MS),
        ([(1, 300 * MS, False), (1, 10 * SECOND, False), (1, SECOND, False)], 0, 0),
        ([(5000, MS, False)] * 3, 0, 0),
        ([(0, 0, True)] * 9, 0, 0),
    ],
)
def test_what_happens_three_times_in_a_row_is_a_habit(connections, answers, idle):
    closings = after(*connections)
    assert (closings.after_answers, closings.after_idle) == (answers, idle)
    assert bool(closings.text) is bool(answers or idle)


def test_the_connection_is_over_after_its_answers():
    closings = after(*[(2, MS, False)] * REPEATED)
    closings.opened()
    closings.answered(1, 1)
    assert not closings.is_over
    closings.answered(1, 2)
    assert closings.is_over


def test_a_connection_is_left_open_now_and_then_and_one_that_lasts_ends_the_habit():
    closings = after(*[(1, MS, False)] * REPEATED)
    left_open = 0
    for _ in range(100):
        closings.opened()
        assert not closings.answered(1, 1)
        left_open += not closings.is_over
        closings.ended()
    assert left_open == 2
    closings.opened()
    closings.answered(1, 2)
    assert closings.answered(1, 3)
    assert closings.text == ""


def test_a_connection_that_outlasts_the_silence_ends_the_habit():
    closings = after(*[(1, 300 * MS, False)] * REPEATED)
    closings.opened()
    closings.answered(1, 100 * SECOND)
    assert not closings.answered(1, 100 * SECOND + 400 * MS)
    assert closings.answered(1, 102 * SECOND)
    assert closings.text == ""


def test_units_that_have_answered_are_known():
    closings = Closings()
    closings.answered(3, 1)
    assert (closings.has_answered(3), closings.has_answered(4)) == (True, False)
