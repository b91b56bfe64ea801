"""The schedule of polling: absolute, and never caught up in a burst."""

from connectors.opcua.rounds import Rounds


def test_each_tag_is_due_at_its_own_period_from_the_start():
    rounds = Rounds([3, 5], [10, 25], start=100)
    assert rounds.due(99).tolist() == []
    assert rounds.due(100).tolist() == [3, 5]
    assert rounds.wait(100) == 10
    assert rounds.due(110).tolist() == [3]
    assert rounds.due(120).tolist() == [3]
    assert rounds.due(125).tolist() == [5]
    assert rounds.missed == 0


def test_a_round_that_is_late_does_not_move_the_next():
    rounds = Rounds([0], [10], start=0)
    assert rounds.due(0).tolist() == [0]
    assert rounds.due(17).tolist() == [0]
    assert rounds.wait(17) == 3
    assert rounds.missed == 0


def test_what_was_missed_is_counted_and_left_out():
    rounds = Rounds([0], [10], start=0)
    rounds.due(0)
    assert rounds.due(45).tolist() == [0]
    assert rounds.missed == 3
    assert rounds.due(46).tolist() == []
    assert rounds.wait(46) == 4


def test_without_tags_nothing_is_ever_due():
    rounds = Rounds([], [], start=0)
    assert rounds.due(10).tolist() == []
    assert rounds.wait(10) is None
