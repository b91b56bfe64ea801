"""The rows of a terminal, from answers of any kind."""

import json
import math
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.model import SECOND
from gateway.top.details import details
from gateway.top.frame import frame
from gateway.top.rows import (
    alarm_rows,
    bounded,
    headline,
    journal_rows,
    state_rows,
    tag_rows,
)

NOW = 1_790_000_000 * SECOND


def line(name="press", why="", **facts):
    nothing = {"status": {}, "alarms": [], "journal": [], "no_journal": ""}
    times = {"since": NOW, "answered_at": NOW}
    return SimpleNamespace(**{"name": name, "why": why, **nothing, **times, **facts})


def alarm(number=1, severity="medium", state="unacknowledged", **more):
    return {
        "id": f"pump.anomaly-{number}", "severity": severity, "state": state,
        "opened_at": NOW - number * SECOND, "message": f"message {number}",
        "top_tags": [{"tag": "flow", "share": 0.7, "actual": 5.1, "expected": 4.2, "reason": ""}],
        **more,
    }  # fmt: skip


def test_what_is_worst_and_unseen_comes_first():
    alarms = [
        alarm(1, "low"), alarm(2, "critical", "acknowledged"), alarm(3, "critical"),
        alarm(4, "critical", "shelved"), alarm(5, "high"), alarm(6, "unheard of"),
    ]  # fmt: skip
    rows = alarm_rows([line(alarms=alarms)], NOW)
    assert [row.key[-1] for row in rows] == ["6", "3", "2", "5", "1", "4"]
    assert [row.weight for row in rows] == ["wrong", "critical", "critical", "high", "low", ""]
    assert rows[1].cells[:2] == ("critical", "unack")
    assert rows[1].cells[3:] == ("message 3", "flow")


def test_a_headline_has_the_health_the_alarms_and_maintenance():
    status = {"health": "ok", "now": NOW, "started": NOW - 90 * SECOND}
    alarms = [alarm(1), alarm(2, state="shelved")]
    assert headline(line(status=status, alarms=alarms), NOW) == (
        "press: ok, 1 alarm, up 1 min 30 s"
    )
    upkeep = {"on": True, "by": "anna"}
    assert "MAINTENANCE by anna" in headline(line(status={"maintenance": upkeep}), NOW)


def test_a_daemon_that_does_not_answer_is_named_with_the_time():
    assert headline(line(why="no daemon answers", answered_at=0), NOW).startswith(
        "press: NO ANSWER since "
    )
    assert "below is what was known at" in headline(line(why="no daemon answers"), NOW)


def test_before_the_first_answer_nothing_is_claimed():
    assert headline(line(why="not asked yet", since=0), NOW) == "press: asking its daemon"


def test_parts_that_do_not_work_come_first():
    status = {
        "not_ready": ["sink cloud: away"],
        "sources": [{"name": "plc", "up": True, "age_s": 0.2}],
        "detectors": [{"name": "pump", "state": "blind", "reason": "3 of 12 tags stale"}],
        "sinks": [{"name": "cloud", "up": False, "error": "refused"}],
        "buffer": {"alerts": 2, "summaries": 10, "bytes": 2_000_000, "oldest_at": NOW - SECOND},
        "history": {"error": "", "bytes": 5_000_000, "oldest_at": NOW - SECOND},
    }
    rows = state_rows([line(status=status)], NOW)
    assert [row.cells[0] for row in rows] == [
        "line", "detector pump", "sink cloud", "source plc", "buffer", "history",
    ]  # fmt: skip
    assert rows[1].cells == ("detector pump", "blind", "3 of 12 tags stale")
    assert rows[4].cells[2].startswith("12 points wait since ")
    assert rows[4].cells[2].endswith("2.0 MB")


def test_a_buffer_that_gives_up_points_and_a_history_that_fails_are_wrong():
    status = {"buffer": {"dropped": 3, "bytes": 1}, "history": {"error": "disk full"}}
    buffer, history = state_rows([line(status=status)], NOW)
    assert (buffer.cells[1], buffer.cells[2][-10:]) == ("losing", "3 given up")
    assert history.cells == ("history", "failing", "disk full")


def test_many_tags_are_bounded_and_those_that_are_not_fresh_first():
    tags = [{"tag": f"t{n}", "value": n, "unit": "A", "state": "fresh"} for n in range(500)]
    tags[400] |= {"state": "never_seen", "value": None, "reason": "no sample yet"}
    tags[401] |= {"name": "jammed"}
    rows = bounded(tag_rows([line(status={"tags": tags})]))
    assert len(rows) == 201
    assert rows[0].cells == ("t400", "–", "never seen", "–", "no sample yet")
    assert rows[-1].cells[0] == "and 300 more: andon status --all"
    assert "401 A (jammed)" in {row.cells[1] for row in tag_rows([line(status={"tags": tags})])}


def test_journals_are_joined_and_one_that_is_missing_is_named():
    first = line("a", journal=[{"seq": 1, "at": NOW, "recorded_at": NOW, "transition": "raised",
                                "message": "m"}])  # fmt: skip
    second = line("b", journal=[{"seq": 9, "recorded_at": NOW + 1, "kind": "note", "by": "anna"}])
    third = line("c", no_journal="this daemon has no /journal")
    rows = journal_rows([first, second, third], NOW)
    assert [row.line for row in rows] == ["b", "a", "c"]
    assert rows[0].cells[1:3] == ("note", "anna")
    assert rows[2].cells[-1] == "this daemon has no /journal"


def test_details_are_all_that_is_known():
    facts = alarm(advice="grease it", value=0.9, threshold=0.5, peak=1.0, model="m@1", began_at=NOW)
    entry = {"at": NOW, "transition": "acknowledged", "by": "anna", "reason": "seen"}
    text = details(facts, [entry], "/clips/1", NOW)
    for words in ("what to do: grease it", "score 0.9, threshold 0.5, peak 1", "condition since",
                  "flow  70%, 5.1, expected 4.2", "acknowledged by anna  seen",
                  "clip: /clips/1"):  # fmt: skip
        assert words in text
    assert "value 0.9, limit 0.5" in details({**facts, "model": ""}, [], "", NOW)


def test_a_frame_is_plain_text():
    status = {"health": "ok", "tags": [{"tag": "flow", "state": "fresh"}]}
    one = frame([line(status=status, alarms=[alarm(message="\x1b[2J[bold]hot[/]")])], NOW)
    assert "\\x1b[2J[bold]hot[/]" in one
    assert "TAGS\n  1 tag, all fresh" in one
    assert "  press  medium" not in one
    two = frame([line("a", alarms=[alarm()]), line("b", why="no daemon answers")], NOW)
    assert "\n  a  medium  unack" in two
    assert "b: NO ANSWER since" in two


def test_of_a_daemon_that_has_never_answered_nothing_is_called_well():
    away = line("b", why="no daemon answers", answered_at=0)
    alone = frame([away], NOW)
    assert "ALARMS\n  nothing known\n" in alone
    assert "TAGS\n  nothing known\n" in alone
    assert "no alarm" not in alone
    both = frame([line("a"), away], NOW)
    assert "ALARMS\n  no alarm; nothing known of b\n" in both
    assert "TAGS\n  0 tags, all fresh; nothing known of b\n" in both


KEYS = st.sampled_from(
    ["health", "now", "started", "maintenance", "on", "tags", "sources", "detectors", "sinks",
     "buffer", "history", "not_ready", "state", "severity", "opened_at", "at", "seq", "message",
     "top_tags", "tag", "value", "unit", "age_s", "score", "threshold", "bytes", "oldest_at",
     "alerts", "given_up_why", "up", "error", "name", "id", "began_at"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(KEYS, JSON, max_size=10), st.lists(st.dictionaries(KEYS, JSON), max_size=3))
def test_no_answer_of_any_kind_raises_or_steers_the_terminal(status, many):
    text = frame([line(status=status, alarms=many, journal=many)], NOW)
    text += "".join(details(each, many, "", NOW) for each in many)
    assert all(sign.isprintable() or sign == "\n" or sign.isspace() for sign in text)


@pytest.mark.parametrize("at", [0, -5, 2**80, math.inf, math.nan, "noon", None, True])
def test_a_time_that_is_none_is_a_dash(at):
    (row,) = alarm_rows([line(alarms=[alarm(opened_at=at)])], NOW)
    assert row.cells[2] == "–"
    assert json.dumps(row)
