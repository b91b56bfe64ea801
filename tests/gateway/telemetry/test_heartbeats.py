"""The table of the parts of a line, from which status, metrics and /readyz follow."""

import pytest

from gateway.core.wait_limits import FAILING_S
from gateway.telemetry.heartbeats import Heartbeats


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_part_goes_back_to_what_it_did_before_with_its_time_anew(clock):
    beats = Heartbeats(clock)
    line = beats.part("line")
    line.does("ticking", 15)
    clock.now += 10
    with line.during("waiting for the buffer"):
        clock.now += 100
        assert beats.stuck() == []
    clock.now += 10
    assert beats.stuck() == []
    clock.now += 6
    assert [str(each) for each in beats.stuck()] == ["line: ticking for 16 s, limit 15 s"]


def test_what_is_done_in_between_has_its_own_limit_even_if_it_fails(clock):
    beats = Heartbeats(clock)
    sink = beats.part("sink cloud")
    sink.does("waiting for points")
    whys = []

    def fail():
        with sink.during("sending 3 points", 30):
            clock.now += 31
            whys.extend(each.why for each in beats.stuck())
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert whys == ["sending 3 points for 31 s, limit 30 s"]
    clock.now += 1e6
    assert beats.stuck() == []


def test_progress_begins_the_wait_anew(clock):
    beats = Heartbeats(clock)
    sink = beats.part("sink cloud")
    with sink.during("sending 900 points", 30):
        for _ in range(100):
            clock.now += 29
            sink.progress()
        assert beats.stuck() == []
        clock.now += 31
        assert len(beats.stuck()) == 1


def test_only_a_beat_ends_a_failure(clock):
    beats = Heartbeats(clock)
    history = beats.part("history")
    for _ in range(4):
        history.fail("OSError: gone")
        history.does("writing", 120)
        clock.now += FAILING_S / 2
    assert [str(each) for each in beats.stuck()] == [
        "history: failing (OSError: gone) for 30 s, limit 15 s"
    ]
    history.beat()
    assert beats.stuck() == []


def test_the_time_in_which_the_process_did_not_run_is_no_wait(clock):
    beats = Heartbeats(clock)
    beats.part("line").does("ticking", 15)
    clock.now += 3600
    beats.miss(3590)
    assert beats.stuck() == []
    clock.now += 6
    assert [each.seconds for each in beats.stuck()] == [16]


def test_while_the_event_loop_is_blocked_only_that_is_stuck(clock):
    beats = Heartbeats(clock)
    loop = beats.part("event loop", restart_helps=True)
    beats.part("line").does("ticking", 15)
    clock.now += 14
    loop.does("not answering", 5)
    clock.now += 20
    assert [each.part for each in beats.stuck()] == ["event loop"]
    loop.rest()
    beats.miss(20)
    assert beats.stuck() == []
    clock.now += 2
    assert [str(each) for each in beats.stuck()] == ["line: ticking for 16 s, limit 15 s"]


def test_a_part_is_the_same_for_all_who_ask_for_it(clock):
    beats = Heartbeats(clock)
    assert beats.part("line", restart_helps=True) is beats.part("line")
    assert [part.name for part in beats] == ["line"]


def test_a_line_that_stops_has_no_parts_but_those_that_stay(clock):
    beats = Heartbeats(clock)
    for name in ("line", "event loop"):
        beats.part(name).does("ending", 5)
    beats.end("event loop")
    clock.now += 6
    assert [each.part for each in beats.stuck()] == ["event loop"]


def test_the_facts_say_of_each_part_what_it_does_and_whether_it_is_stuck(clock):
    beats = Heartbeats(clock)
    beats.part("line", restart_helps=True).does("waiting for its next tick", 15)
    beats.part("sink cloud").does("sending 3 points", 30)
    beats.hangs["sink cloud"] = 2
    clock.now += 4.26
    beats.part("line").beat()
    clock.now += 30
    line, sink = beats.facts()
    assert line == {
        "part": "line",
        "does": "waiting for its next tick",
        "for_s": 30.0,
        "limit_s": 15,
        "stuck": "waiting for its next tick for 30 s, limit 15 s",
        "hangs": 0,
        "restart_helps": True,
    }
    assert (sink["for_s"], sink["stuck"]) == (34.3, "sending 3 points for 34 s, limit 30 s")
    assert (sink["hangs"], sink["restart_helps"]) == (2, False)
