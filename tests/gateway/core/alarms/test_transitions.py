"""What the figures take from the journal."""

from gateway.core.alarms.journal import note, of_alert
from gateway.core.alarms.performance import Entry
from gateway.core.alarms.transitions import needed, transitions


def facts(at, transition, alarm_id="a-1", **more):
    return {
        "id": alarm_id, "detector": "guard", "alarm": "flow.high", "at": at, "opened_at": 10,
        "transition": transition, "state": "unacknowledged", "severity": "high", "by": "",
        "reason": "", "message": "", "verdict": "", **more,
    }  # fmt: skip


def entry(at, transition, alarm_id="a-1", **more):
    return Entry(at, alarm_id, "guard.flow.high", transition, "high", **more)


def test_the_transitions_of_alarms_are_taken_and_nothing_else():
    rows = [note(1, "started"), of_alert(facts(10, "raised")), of_alert(facts(20, "returned"))]
    assert transitions(rows) == [entry(10, "raised"), entry(20, "returned")]


def test_what_is_shelved_suppressed_or_out_of_service_is_hidden():
    rows = [of_alert(facts(10, "raised", state=state)) for state in ("shelved", "out_of_service")]
    assert [each.is_hidden for each in transitions(rows)] == [True, True]


def test_an_alarm_that_was_raised_before_the_first_entry_is_known_by_a_later_one():
    assert transitions([of_alert(facts(20, "returned"))]) == [
        entry(10, "raised"),
        entry(20, "returned"),
    ]


def test_an_alarm_that_is_active_and_has_no_entry_is_known_by_the_daemon():
    active = [facts(10, "escalated")]
    assert transitions([], active) == [entry(10, "raised")]
    assert transitions([of_alert(facts(10, "raised"))], active) == [entry(10, "raised")]


def test_an_act_on_an_alarm_that_was_never_raised_raises_none():
    shelved = facts(20, "shelved", opened_at=0)
    assert transitions([of_alert(shelved)]) == [entry(20, "shelved")]


def test_a_verdict_counts_once_and_the_last_one_does():
    rows = [
        facts(10, "raised"),
        facts(20, "commented", verdict="real"),
        facts(30, "commented", verdict="false"),
        facts(40, "returned", verdict="false"),
    ]
    assert [each.verdict for each in transitions(map(of_alert, rows))] == ["", "", "", "false"]


def test_what_the_figures_do_not_need_is_left_out_and_changes_none():
    rows = [of_alert(facts(20, "returned", verdict="real", advice="x" * 1_000))]
    slim = [needed(row) for row in rows]
    assert "advice" not in slim[0].facts
    assert transitions(slim) == transitions(rows)
    assert needed(note(1, "started", version="1")).facts == {}
