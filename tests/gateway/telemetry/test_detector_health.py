"""What a detector says of itself: it is ok only if it can judge all its alarms."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.api.alarms import Alarm
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Score
from gateway.telemetry.detector_health import DetectorHealth

NAN = float("nan")
TAGS = ("good", "ahead", "behind", "y2000")
TWO = "no data for 2 of 4 tags"
AHEAD = "its time is 2 h ahead of this machine's clock"


def guard(**more):
    alarms = [Alarm(f"{tag}.high", 50.0, tag=tag) for tag in TAGS]
    return DetectorHealth("guard", alarms, warm_up=2, tags=TAGS, **more)


def score(*values, **more):
    return Score(0, np.array(values, dtype=float), 1.0, **more)


ALL = score(1, 2, 3, 4)


def started():
    health = guard()
    health.note(ALL)
    assert (health.state, health.reason, health.scored) == ("ok", "", 1)
    return health


def test_one_tag_of_many_makes_it_blind_and_is_named():
    health = started()
    assert health.note(score(1, NAN, 3, 4), {"ahead": AHEAD, "other": "timeout"}) == "blind"
    assert health.reason == f"no data for 1 of 4 tags: ahead ({AHEAD})"
    assert (health.scored, health.refused) == (2, 0), "the other tags were judged"


def test_while_its_windows_have_the_gap_of_a_restart_it_says_until_when_its_alarms_wait():
    health = guard(unsure_until=60 * SECOND)
    health.note(replace(ALL, at=59 * SECOND))
    until = local_time(60 * SECOND, "%H:%M:%S")
    assert health.sentence.startswith("starting")
    assert health.reason == f"its alarms wait until {until}: the window has the gap of a restart"
    health.note(replace(ALL, at=60 * SECOND))
    assert (health.state, health.reason) == ("ok", "")


@pytest.mark.parametrize(
    ("values", "problems", "reason"),
    [
        ((1, NAN, NAN, 4), {"ahead": "a", "behind": "b"}, f"{TWO}: ahead (a), behind (b)"),
        ((1, NAN, NAN, 4), {"ahead": "x", "behind": "x"}, f"{TWO}: ahead, behind (x)"),
        ((1, NAN, NAN, 4), {"ahead": "x"}, "no data for 1 of 4 tags: ahead (x)"),
        ((1, NAN, 3, 4), {"behind": "x"}, "the window fills: data again from ahead"),
        ((NAN, NAN, NAN, NAN), {}, "the window fills: its tags give data again"),
    ],
)  # fmt: skip
def test_the_reason_names_only_tags_that_are_not_judged(values, problems, reason):
    health = started()
    health.note(score(*values), problems)
    assert (health.state, health.reason) == ("blind", reason)


def test_a_model_says_what_is_wrong_with_its_tags():
    health = started()
    blind = score(NAN, blind="no data for flow, speed")
    health.tags = ("flow", "speed", "oil")
    health.note(blind, {"flow": "timeout", "speed": "timeout"})
    assert health.reason == "no data for 2 of 3 tags: flow, speed (timeout)"
    health.note(blind, {"flow": "timeout", "speed": "exception 2"})
    assert health.reason == "no data for 2 of 3 tags: flow (timeout), speed (exception 2)"
    health.note(blind, {"oil": "timeout"})
    assert health.reason == "no data for flow, speed: oil (timeout)"
    gated = "no data for oil, which `when` needs"
    health.note(score(NAN, blind=gated), {"oil": "timeout"})
    assert health.reason == f"{gated}: timeout"


def test_it_says_since_when_it_is_blind():
    health = started()
    at = 1_767_264_123 * SECOND
    for second in range(3):
        blind = replace(score(1, NAN, 3, 4), at=at + second * SECOND)
        health.note(blind, {"ahead": AHEAD})
    since = local_time(at, "%H:%M")
    assert health.since == at
    assert health.sentence == f"blind since {since}: no data for 1 of 4 tags: ahead ({AHEAD})"
    health.note(replace(ALL, at=at + 5 * SECOND))
    assert (health.since, health.sentence) == (at + 5 * SECOND, "ok")
    health.note_failure("the model is broken")
    assert health.sentence.startswith("failed since ")
    assert health.since == at + 5 * SECOND


def test_a_model_whose_tags_are_fresh_again_says_that_its_window_fills():
    health = started()
    health.note(score(NAN, blind="no data for pressure"), {})
    assert health.reason == (
        "the window fills: its tags give data again (no data for pressure in it yet)"
    )


def test_it_is_starting_until_its_window_is_full_and_its_tags_had_time_to_deliver():
    health = guard()
    slow = {"y2000": "no sample yet"}
    states = [health.note(score(1, 2, 3, NAN), slow, {"y2000"}) for _ in range(5)]
    assert (states, health.state) == ([None] * 5, "starting")
    assert health.note(score(1, 2, 3, NAN), slow) == "blind"


def test_once_it_has_judged_everything_it_is_never_starting_again():
    health = started()
    assert health.note(score(1, 2, 3, NAN), {"y2000": "timeout"}, {"y2000"}) == "blind"


def test_idle_is_not_blind_whatever_its_tags():
    health = started()
    assert health.note(score(NAN, NAN, NAN, NAN, idle="not running"), {"ahead": AHEAD}) == "idle"
    assert health.reason == "not running"


def test_the_tag_that_is_found_to_be_the_reason_is_news():
    health = started()
    assert health.note(score(1, NAN, 3, 4), {}) == "blind"
    assert health.note(score(1, NAN, 3, 4), {}) is None
    assert health.note(score(1, NAN, 3, 4), {"ahead": AHEAD}) == "blind"
    assert health.note(score(1, NAN, 3, 4), {"ahead": AHEAD}) is None
    assert health.note(ALL) == "ok"


def test_the_farthest_score_of_a_low_limit_is_the_lowest():
    low = DetectorHealth("guard", [Alarm("flow.low", 2000.0, tag="flow", below=True)])
    for value in (2100.0, 992.0, 1500.0):
        low.note(score(value))
    assert (low.score, low.threshold, low.below) == (1500.0, 2000.0, True)
    assert (low.take_farthest(), low.take_farthest()) == (992.0, None)


def test_more_than_a_few_tags_are_counted():
    names = [f"t{number}" for number in range(9)]
    health = DetectorHealth("g", [Alarm(n, 1.0, tag=n) for n in names], tags=names)
    health.has_started = True
    health.note(score(*[NAN] * 8, 1.0), dict.fromkeys(names[:8], "timeout"))
    assert health.reason == "no data for 8 of 9 tags: t0, t1, t2, t3, t4 (timeout), …"


def test_a_model_that_gives_no_number_for_its_data_is_the_reason_itself():
    health = guard()
    unreal = score(NAN, NAN, NAN, NAN, blind="the model returned NaN", contribution=np.zeros(4))
    filling = score(NAN, NAN, NAN, NAN, blind="no data for good")
    health.note(filling)
    assert health.note(unreal, {"ahead": AHEAD}) == "blind"
    assert (health.state, health.reason) == ("blind", "the model returned NaN")
    assert health.note(unreal) is None, "it is news once"
    assert health.note(ALL) == "ok"
