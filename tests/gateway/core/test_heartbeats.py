import pytest

from gateway.core.heartbeats import PartState, Wait, failing, find_stuck
from gateway.core.wait_limits import FAILING_S


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, []), (30, []), (34.4, ["sink cloud: sending for 34 s, limit 30 s"])]
)
def test_a_part_is_stuck_beyond_the_limit_that_it_declared(seconds, said):
    part = PartState("sink cloud", Wait("sending", 100.0, 30.0))
    assert [str(stuck) for stuck in find_stuck([part], 100.0 + seconds)] == said


def test_a_part_that_waits_for_work_is_never_stuck():
    assert find_stuck([PartState("sink cloud", Wait("waiting for points", 0.0))], 1e9) == []


def test_only_what_is_stuck_is_named_and_whether_a_restart_helps():
    parts = [
        PartState("line", Wait("ticking", 99.0, 15.0), restart_helps=True),
        PartState("buffer", Wait("append", 0.0, 30.0), restart_helps=True),
        PartState("sink cloud", Wait("sending", 50.0, 30.0)),
    ]
    stuck = find_stuck(parts, 100.0)
    assert [(each.part, each.restart_helps) for each in stuck] == [
        ("buffer", True),
        ("sink cloud", False),
    ]
    assert stuck[0].why == "append for 100 s, limit 30 s"


def test_a_part_that_fails_again_and_again_is_stuck_however_short_its_waits_are():
    fails = failing(None, "ValueError: no", 100.0)
    fails = failing(fails, "KeyError: 'flow'", 100.0 + FAILING_S)
    part = PartState("line", Wait("ticking", 100.0 + FAILING_S, 15.0), fails)
    assert find_stuck([part], 100.0 + FAILING_S) == []
    (stuck,) = find_stuck([part], 101.0 + FAILING_S)
    assert str(stuck) == "line: failing (KeyError: 'flow') for 16 s, limit 15 s"


def test_a_clock_that_went_back_makes_nothing_stuck():
    assert find_stuck([PartState("line", Wait("ticking", 100.0, 15.0))], 0.0) == []
