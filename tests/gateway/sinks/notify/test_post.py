import json

import pytest
from alarm_news import NOON, news

from gateway.sinks.notify.options import NotifyOptions
from gateway.sinks.notify.post import Post


def post(**targets):
    options = {name: {"apprise": "${env:A}", **each} for name, each in targets.items()}
    return Post(NotifyOptions(targets=options))


def waiting(made, name="shift"):
    return [each.id.rpartition("-")[2] for each in made.boxes[name].waiting]


def test_each_receiver_gets_what_its_filter_lets_pass():
    made = post(shift={}, boss={"min_severity": "critical"})
    assert made.take([news(0), news(1, severity="critical")], NOON)
    assert (waiting(made), waiting(made, "boss")) == (["0", "1"], ["1"])


def test_what_the_gateway_sends_again_is_offered_once():
    made = post(shift={})
    made.take([news(n) for n in range(10)], NOON)
    # After a failure it sends fewer at once, and then the others.
    assert not made.take([news(n) for n in range(5)], NOON)
    assert made.take([news(n) for n in range(5, 12)], NOON)
    assert not made.take([news(11)], NOON)
    assert waiting(made) == [f"{n}" for n in range(12)]


def test_a_later_batch_lets_the_earlier_ones_be_forgotten():
    made = post(shift={})
    made.take([news(n) for n in range(1_000)], NOON)
    made.take([news(2_000)], NOON)
    assert made.facts()["recent"] == [news(2_000).key]


def test_the_same_alert_twice_in_a_batch_is_one():
    made = post(shift={})
    made.take([news(0), news(0)], NOON)
    assert waiting(made) == ["0"]


def test_escalations_of_an_alarm_are_counted_also_over_a_restart():
    made = post(shift={}, boss={"escalation": 1}, owner={"escalation": 2})
    made.take([news(0), news(0, "escalated", at=1)], NOON)
    assert (waiting(made, "boss"), waiting(made, "owner")) == (["0"], [])
    again = post(shift={}, boss={"escalation": 1}, owner={"escalation": 2})
    assert again.restore(json.loads(json.dumps(made.facts()))) == []
    again.take([news(0, "escalated", at=2)], NOON)
    assert waiting(again, "owner") == ["0"]
    # Raised again it begins with the first step.
    again.take([news(0, at=3), news(0, "escalated", at=4)], NOON)
    assert len(waiting(again, "boss")) == 2


def test_what_waits_for_a_receiver_that_is_gone_is_reported():
    made = post(shift={}, boss={})
    made.take([news(0), news(1)], NOON)
    lost = post(shift={}).restore(made.facts())
    assert lost == ["boss is no target any more: 2 alerts that waited left out"]


@pytest.mark.parametrize("facts", [{}, {"recent": 7, "steps": {}, "targets": {}}, {"recent": []}])
def test_what_was_kept_in_another_form_is_reported(facts):
    assert post(shift={}).restore(facts) == ["what waited was kept in another form, and is lost"]


def test_one_damaged_mailbox_does_not_cost_the_others():
    made = post(shift={}, boss={})
    made.take([news(0)], NOON)
    facts = made.facts()
    facts["targets"]["boss"] = {"waiting": "?"}
    again = post(shift={}, boss={})
    assert again.restore(facts) == ["boss: what waited was kept in another form, and is lost"]
    assert waiting(again) == ["0"]
