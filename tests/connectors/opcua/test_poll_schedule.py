"""The schedule of polling: absolute, and never caught up in a burst."""

from connectors.opcua.poll_schedule import PollSchedule


def test_each_tag_is_due_at_its_own_period_from_the_start():
    schedule = PollSchedule([3, 5], [10, 25], start=100)
    assert schedule.due(99).tolist() == []
    assert schedule.due(100).tolist() == [3, 5]
    assert schedule.wait(100) == 10
    assert schedule.due(110).tolist() == [3]
    assert schedule.due(120).tolist() == [3]
    assert schedule.due(125).tolist() == [5]
    assert schedule.missed == 0


def test_a_late_poll_does_not_move_the_next():
    schedule = PollSchedule([0], [10], start=0)
    assert schedule.due(0).tolist() == [0]
    assert schedule.due(17).tolist() == [0]
    assert schedule.wait(17) == 3
    assert schedule.missed == 0


def test_missed_polls_are_counted_and_skipped():
    schedule = PollSchedule([0], [10], start=0)
    schedule.due(0)
    assert schedule.due(45).tolist() == [0]
    assert schedule.missed == 3
    assert schedule.due(46).tolist() == []
    assert schedule.wait(46) == 4


def test_without_tags_nothing_is_ever_due():
    schedule = PollSchedule([], [], start=0)
    assert schedule.due(10).tolist() == []
    assert schedule.wait(10) is None
