import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from alarm_news import NOON, news
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND
from gateway.api.options import Secret
from gateway.sinks.notify.mailbox import MOST_WAITING, Mailbox
from gateway.sinks.notify.options import TargetOptions

HOUR = 3600 * SECOND
NIGHT = {"start": "22:00", "end": "06:00", "time_zone": "UTC"}


def mailbox(**options):
    return Mailbox(TargetOptions(apprise=Secret("${env:SHIFT}"), **options))


def drained(box, now=NOON):
    """The messages that leave now, as the numbers of their alerts."""
    messages = []
    while ready := box.next(now):
        messages.append([each.id.rpartition("-")[2] for each in ready])
        box.note_sent(ready, now)
    return messages


def at(hour, day=1):
    return round(datetime(2026, 1, day, hour, tzinfo=UTC).timestamp()) * SECOND


def test_each_of_a_few_alerts_is_a_message_of_its_own_in_their_order():
    box = mailbox()
    for number in range(3):
        box.offer(news(number), 0)
    assert drained(box) == [["0"], ["1"], ["2"]]
    assert (box.sent, box.waiting, box.due_in(NOON)) == (3, [], None)


def test_more_than_a_few_leave_together():
    box = mailbox(digest_above=5)
    for number in range(500):
        box.offer(news(number), 0)
    assert [len(each) for each in drained(box)] == [500]
    assert box.sent == 1


def test_what_is_left_out_is_counted_by_reason():
    box = mailbox(min_severity="critical")
    box.offer(news(0), 0)
    box.offer(news(1, severity="critical"), 0)
    box.offer(news(2, "returned", severity="critical"), 0)
    box.offer(news(3, severity="critical", in_flood=True), 0)
    assert drained(box) == [["1"]]
    assert box.left_out == {"severity": 1, "transition": 1, "flood": 1}


def test_a_return_is_told_only_to_who_was_told_of_the_alarm():
    box = mailbox(transitions=["raised", "returned"])
    box.offer(news(0, "returned"), 0)
    assert drained(box) == []
    box.offer(news(0), 0)
    assert drained(box) == [["0"]]
    box.offer(news(0, "returned"), 0)
    assert drained(box) == [["0"]]
    assert box.left_out == {"not told before": 1}


def test_a_target_of_an_escalation_gets_its_step_and_what_follows():
    box = mailbox(escalation=2, transitions=["raised", "escalated", "returned"])
    for transition, step in (("raised", 0), ("escalated", 1), ("returned", 0)):
        box.offer(news(0, transition), step)
    assert drained(box) == []
    for transition, step in (("raised", 0), ("escalated", 1), ("escalated", 2), ("returned", 0)):
        box.offer(news(1, transition), step)
    assert [each.transition for each in box.waiting] == ["escalated", "returned"]


def test_alarms_of_a_flood_are_left_out_and_the_next_message_counts_them():
    box = mailbox()
    flood = {"alarm": "flood", "detector": "alarms", "id": "alarms.flood-1"}
    for number in range(7):
        box.offer(news(number, in_flood=True), 0)
    box.offer(news(9, **flood), 0)
    assert box.unreported == {"flood": 7}
    assert drained(box) == [["1"]]
    assert box.unreported == {}
    box.offer(news(10, in_flood=True), 0)
    box.offer(news(11, "returned", **flood), 0)
    assert box.unreported == {"flood": 1}
    assert drained(box) == [["1"]], "the end of a flood, though returns are not asked for"


def test_in_quiet_hours_only_severe_alarms_leave_and_the_others_follow_in_one_message():
    box = mailbox(quiet_hours=NIGHT)
    box.offer(news(0, at=at(23)), 0)
    box.offer(news(1, at=at(23), severity="critical"), 0)
    assert drained(box, at(23)) == [["1"]]
    box.offer(news(2, at=at(3, 2)), 0)
    assert drained(box, at(3, 2)) == []
    assert box.due_in(at(3, 2)) == 3 * HOUR
    assert drained(box, at(6, 2)) == [["0", "2"]]


def test_a_single_alert_that_waited_for_the_morning_is_a_message():
    box = mailbox(quiet_hours=NIGHT)
    box.offer(news(0, at=at(23)), 0)
    assert drained(box, at(23)) == []
    assert drained(box, at(7, 2)) == [["0"]]


def test_beyond_the_limit_of_messages_the_rest_follows_in_one():
    box = mailbox(most_per_hour=4)
    messages = []
    for number in range(10):
        box.offer(news(number), 0)
        messages += drained(box, NOON + number * SECOND)
    assert messages == [["0"], ["1"]]
    later = NOON + 9 * SECOND + box.due_in(NOON + 9 * SECOND)
    assert later <= NOON + HOUR / 2
    assert drained(box, later) == [[f"{number}" for number in range(2, 10)]]


def test_of_too_many_the_least_severe_and_oldest_are_counted_only():
    box = mailbox()
    box.offer(news(0, severity="critical"), 0)
    for number in range(1, MOST_WAITING + 11):
        box.offer(news(number, severity="low"), 0)
    box.trim()
    assert len(box.waiting) == MOST_WAITING
    assert box.waiting[0].severity == "critical"
    assert box.waiting[1].id.endswith("-12")
    assert box.left_out == box.unreported == {"overflow": 11}


def test_a_receiver_that_is_away_for_long_keeps_no_more_than_that():
    box = mailbox()
    for number in range(5 * MOST_WAITING):
        box.offer(news(number), 0)
        assert len(box.waiting) < 2 * MOST_WAITING
    box.trim()
    assert len(box.waiting) + box.left_out["overflow"] == 5 * MOST_WAITING


def test_it_goes_on_after_a_restart():
    box = mailbox(quiet_hours=NIGHT, transitions=["raised", "returned"])
    for number in range(4):
        box.offer(news(number, in_flood=number == 3), 0)
    drained(box)
    box.offer(news(9, at=at(23)), 0)
    assert drained(box, at(23)) == []
    again = mailbox(quiet_hours=NIGHT, transitions=["raised", "returned"])
    again.restore(json.loads(json.dumps(box.facts())))
    assert again.facts() == box.facts()
    assert again.left_out == Counter(flood=1)
    again.offer(news(1, "returned", at=at(5, 2)), 0)
    assert drained(again, at(6, 2)) == [["9", "1"]]


@pytest.mark.parametrize("damage", ["waiting", "rate", "told", "held", "left_out"])
def test_what_was_kept_in_another_form_is_an_error(damage):
    facts = mailbox().facts()
    for value in (7, None):
        with pytest.raises((TypeError, AttributeError)):
            mailbox().restore({**facts, damage: value})
    del facts[damage]
    with pytest.raises(KeyError):
        mailbox().restore(facts)


TRANSITIONS = ("raised", "returned", "escalated", "realarmed", "acknowledged")
SEVERITIES = ("low", "high", "critical")
STEP = st.tuples(
    st.integers(0, 5),
    st.sampled_from(TRANSITIONS),
    st.sampled_from(SEVERITIES),
    st.booleans(),
    st.integers(0, 5400),
)


@given(st.lists(STEP, max_size=60), st.booleans())
def test_each_alert_is_sent_once_or_waits_or_is_counted(steps, is_quiet):
    box = mailbox(
        most_per_hour=6, digest_above=2, quiet_hours=NIGHT if is_quiet else None,
        transitions=["raised", "returned", "escalated"], min_severity="high",
    )  # fmt: skip
    now, sent = NOON, []
    for number, transition, severity, in_flood, pause in steps:
        now += pause * SECOND + 1
        box.offer(news(number, transition, at=now, severity=severity, in_flood=in_flood), 0)
        while ready := box.next(now):
            sent += ready
            box.note_sent(ready, now)
    assert len(sent) + len(box.waiting) + sum(box.left_out.values()) == len(steps)
    assert len({each.key for each in sent}) == len(sent)
    # What waits leaves when it says.
    for _ in range(3):
        if box.waiting:
            now += box.due_in(now)
            ready = box.next(now)
            assert ready
            box.note_sent(ready, now)
