"""Maintenance with hand-made time: by command, by tag, by both, over restarts and clock steps."""

import math
from contextlib import suppress

import numpy as np
import pytest
from fakes import batch
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND as S
from gateway.core.alarms.maintenance import HOUR, Maintenance, TagRule

T0 = 1_700_000_000 * S
RULE = TagRule(1, "mode", frozenset((3.0, 4.0)), 60 * S, 10 * S, "cleaning or change-over")


def says(maintenance, second, value):
    """The tag has this value; NaN is a bad sample."""
    maintenance.push(batch(T0 + second * S, 0.0, value), T0 + second * S)
    return transition(maintenance, second)


def transition(maintenance, second):
    change = maintenance.tick(T0 + second * S)
    return change and (change.transition, change.why)


def test_a_command_begins_it_and_it_ends_at_its_time():
    line = Maintenance()
    line.switch_on(T0, T0 + 2 * HOUR, "anna", "oil change")
    change = line.tick(T0)
    assert (change.transition, change.by, change.why) == ("began", "anna", "oil change")
    assert line.facts() == {
        "on": True, "since": T0, "until": T0 + 2 * HOUR, "by": "anna", "why": "oil change",
        "source": "command",
    }  # fmt: skip
    assert line.tick(T0 + 2 * HOUR - 1) is None
    change = line.tick(T0 + 2 * HOUR)
    assert (change.transition, change.by, change.why) == ("ended", "", "its time is over")
    assert line.facts()["on"] is False


def test_a_person_changes_its_end_and_ends_it():
    line = Maintenance()
    line.switch_on(T0, T0 + HOUR, "anna", "oil change")
    line.tick(T0)
    line.switch_on(T0 + S, None, "ben", "also the seals")
    assert transition(line, 1) == ("changed", "also the seals")
    assert (line.facts()["since"], line.facts()["until"]) == (T0, None)
    line.switch_off(T0 + 2 * S, "ben", "done")
    change = line.tick(T0 + 2 * S)
    assert (change.transition, change.by, change.why) == ("ended", "ben", "done")


def test_each_change_is_an_entry_of_the_journal():
    line = Maintenance()
    line.switch_on(T0, T0 + HOUR, "anna", "oil change")
    entry = line.tick(T0).entry()
    assert (entry.kind, entry.transition, entry.state) == ("maintenance", "began", "on")
    assert entry.message == "maintenance began by anna: oil change"
    assert entry.facts == {"until": T0 + HOUR, "source": "command"}
    entry = line.tick(T0 + HOUR).entry()
    assert (entry.state, entry.message) == ("off", "maintenance ended: its time is over")


def test_what_makes_no_sense_is_refused():
    line = Maintenance()
    with pytest.raises(CommandRefused, match="maintenance is not on"):
        line.switch_off(T0, "anna", "")
    with pytest.raises(CommandRefused, match="lies in the past"):
        line.switch_on(T0, T0, "anna", "")
    assert line.tick(T0) is None


def test_the_tag_begins_it_and_ends_it_once_it_had_another_value_for_a_while():
    line = Maintenance(RULE)
    assert says(line, 0, 1.0) is None
    assert says(line, 1, 3.0) == ("began", "mode is cleaning or change-over")
    assert line.facts()["source"] == "tag"
    assert says(line, 2, 4.0) is None
    assert says(line, 3, 1.0) is None
    assert says(line, 8, 3.0) is None
    assert says(line, 20, 1.0) is None
    assert says(line, 29, 1.0) is None
    assert says(line, 30, 1.0) == ("ended", "mode is no longer cleaning or change-over")


def test_a_bad_sample_neither_begins_nor_ends_it_and_silence_ends_it_with_its_reason():
    line = Maintenance(RULE)
    says(line, 1, 3.0)
    assert says(line, 2, np.nan) is None
    assert line.is_on
    assert transition(line, 61) is None
    assert transition(line, 62) == (
        "ended", "no good value of mode for 1 min: whether maintenance is on is unknown",
    )  # fmt: skip
    assert says(line, 70, np.nan) is None
    assert says(line, 71, 3.0) == ("began", "mode is cleaning or change-over")


def test_a_person_ends_what_the_tag_says_until_the_tag_says_that_it_is_over():
    line = Maintenance(RULE)
    says(line, 1, 3.0)
    line.switch_off(T0 + 2 * S, "anna", "the tag is stuck")
    assert transition(line, 2) == ("ended", "the tag is stuck")
    assert says(line, 3, 3.0) is None
    assert says(line, 4, 1.0) is None
    assert transition(line, 15) is None
    assert says(line, 16, 3.0) == ("began", "mode is cleaning or change-over")


def test_a_command_and_the_tag_are_one_maintenance():
    line = Maintenance(RULE)
    line.switch_on(T0, T0 + 5 * S, "anna", "oil change")
    assert says(line, 0, 3.0) == ("began", "oil change")
    assert says(line, 5, 3.0) is None
    assert line.facts()["source"] == "tag"
    assert line.facts()["since"] == T0


def test_a_restart_and_a_step_of_the_clock_change_nothing():
    line = Maintenance(RULE)
    assert line.checkpoint() == b"{}"
    line.switch_on(T0, T0 + HOUR, "anna", "oil change")
    line.tick(T0)
    again = Maintenance(RULE)
    again.restore(line.checkpoint(), T0 + S)
    assert again.facts() == line.facts()
    assert again.tick(T0 + S) is None
    again.shift(1000 * S)
    assert again.tick(T0 + HOUR + 999 * S) is None
    assert again.tick(T0 + HOUR + 1000 * S).transition == "ended"
    by_tag = Maintenance(RULE)
    says(by_tag, 1, 3.0)
    again = Maintenance(RULE)
    again.restore(by_tag.checkpoint(), T0 + 500 * S)
    assert transition(again, 550) is None
    assert transition(again, 561)[0] == "ended"


def test_a_tag_that_comes_back_with_another_value_begins_nothing():
    line = Maintenance(RULE)
    says(line, 1, 3.0)
    assert transition(line, 70)[0] == "ended"
    assert says(line, 71, 1.0) is None
    assert not line.is_on


def test_what_a_tag_said_before_a_step_of_the_clock_begins_at_the_stepped_time():
    line = Maintenance(RULE)
    line.push(batch(T0 + S, 0.0, 3.0), T0 + S)
    line.shift(-1000 * S)
    assert transition(line, -998)[0] == "began"
    assert line.facts()["since"] == T0 - 999 * S


def test_a_line_file_that_no_longer_names_the_tag_ends_it():
    line = Maintenance(RULE)
    says(line, 1, 3.0)
    again = Maintenance()
    again.restore(line.checkpoint(), T0 + 2 * S)
    assert transition(again, 2) == ("ended", "the line file names no tag")


def test_windows_that_hold_data_of_it_are_suppressed_before_and_after():
    line = Maintenance()
    line.switch_on(T0 + 10 * S, T0 + 20 * S, "anna", "oil change")
    line.tick(T0 + 10 * S)
    assert line.touches(T0, T0 + 10 * S) == ""
    assert line.touches(T0, T0 + 11 * S) == "maintenance: oil change"
    line.tick(T0 + 20 * S)
    assert line.touches(T0 + 19 * S, T0 + 30 * S) == "maintenance: oil change"
    assert line.touches(T0 + 20 * S, T0 + 30 * S) == ""
    again = Maintenance()
    again.restore(line.checkpoint(), T0 + 21 * S)
    assert again.touches(T0 + 19 * S, T0 + 30 * S) == "maintenance: oil change"


def test_maintenance_that_is_forgotten_is_beyond_its_alarm():
    line = Maintenance(longest=12 * HOUR)
    (alarm,) = line.alarms
    assert not alarm.exceeded_by(line.score(T0).values[0])
    line.switch_on(T0, None, "anna", "")
    line.tick(T0)
    assert not alarm.exceeded_by(line.score(T0 + 12 * HOUR).values[0])
    assert alarm.exceeded_by(line.score(T0 + 13 * HOUR).values[0])


def test_what_the_tag_said_before_the_clock_was_set_back_is_no_time_of_the_future():
    line = Maintenance(RULE)
    line.switch_on(T0, T0 + 5 * S, "anna", "")
    line.push(batch(T0, 0.0, 3.0), T0)
    line.tick(T0)
    line.shift(-1000 * S)
    now = T0 - 1000 * S + 61 * S
    assert line.tick(now).transition == "ended"
    restarted = Maintenance(RULE)
    restarted.restore(line.checkpoint(), now)
    assert restarted.tick(now).at == T0 - 1000 * S
    assert restarted.touches(now - 1, now + 1)


STEP = st.one_of(
    st.sampled_from(("on", "on for 5 s", "off", "restart", "clock on", "clock back", "silence")),
    st.sampled_from((1.0, 3.0, 3.0, 4.0, math.nan)),
)


@given(st.lists(STEP, min_size=5, max_size=60))
@example(["on for 5 s", 3.0, "clock back", "silence", 1.0])
def test_it_begins_and_ends_in_turn_and_is_what_its_newest_change_says(steps):
    line, now, changes = Maintenance(RULE), T0, []
    for step in steps:
        now += S
        with suppress(CommandRefused):
            if step in ("on", "on for 5 s"):
                line.switch_on(now, None if step == "on" else now + 5 * S, "anna", step)
            elif step == "off":
                line.switch_off(now, "anna", step)
        if step == "restart":
            before, line = line, Maintenance(RULE)
            line.restore(before.checkpoint(), now)
            assert line.facts() == before.facts()
        elif step in ("clock on", "clock back"):
            moved = 1000 * S if step == "clock on" else -1000 * S
            now += moved
            line.shift(moved)
        elif step == "silence":
            now += 61 * S
        elif isinstance(step, float):
            line.push(batch(now, 0.0, step), now)
        change = line.tick(now)
        changes += [change] if change else []
        turns = [each.transition for each in changes if each.transition != "changed"]
        assert turns == ["began", "ended"] * (len(turns) // 2) + ["began"] * (len(turns) % 2)
        assert line.is_on == bool(len(turns) % 2) == line.facts()["on"]
        assert bool(line.touches(now - 1, now + 1)) >= line.is_on
