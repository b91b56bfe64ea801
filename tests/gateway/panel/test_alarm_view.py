import pytest
from fake_daemon import T0, alarm, top
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.alarms import AlarmState
from gateway.api.model import SECOND
from gateway.panel.alarm_view import STATES, acts, anchor, card, cards, is_alarm, when

MINUTE = 60 * SECOND


def shown(*alarms):
    return [each.headline for each in cards(alarms, {}, T0).shown]


def test_what_needs_a_person_comes_first_then_the_more_severe_then_the_first():
    seen = alarm("d.seen", "seen", "critical", "acknowledged")
    low = alarm("d.low", "low", "low", at=T0 - MINUTE)
    later = alarm("d.later", "later", "high", at=T0)
    first = alarm("d.first", "first", "high", at=T0 - MINUTE)
    assert shown(seen, low, later, first) == ["first", "later", "low", "seen"]


def test_a_consequence_is_below_its_cause_and_lends_it_its_urgency():
    cause = alarm("d.cause", "cause", "low", "acknowledged")
    other = alarm("d.other", "other", "medium")
    last = alarm("d.last", "last", "critical", caused_by=cause["id"], at=T0 + 2)
    first = alarm("d.first", "first", "low", caused_by=cause["id"], at=T0 + 1)
    found = cards([other, last, first, cause], {}, T0).shown
    assert [each.headline for each in found] == ["cause", "first", "last", "other"]
    assert [each.depth for each in found] == [0, 1, 1, 0]
    assert found[0].consequences == 2


ALARMS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.sampled_from(["low", "high", "odd"])),
    unique_by=lambda each: each[0],
)


@given(ALARMS)
def test_no_alarm_is_left_out_or_shown_twice_whatever_the_causes_are(links):
    alarms = [
        alarm(f"d.{own}", str(own), severity) | {"id": str(own), "caused_by": str(cause)}
        for own, cause, severity in links
    ]
    assert sorted(shown(*alarms)) == sorted(str(own) for own, *_ in links)


def test_what_is_hidden_on_purpose_is_apart():
    hidden = ("shelved", "suppressed_by_design", "out_of_service")
    alarms = [alarm(f"d.{state}", state, state=state) for state in (*hidden, "unacknowledged")]
    found = cards(alarms, {}, T0)
    assert {each.state for each in found.hidden} == set(hidden)
    assert [each.state for each in found.shown] == ["unacknowledged"]
    assert (found.unacknowledged, found.worst) == (1, "high")


def test_the_words_are_parted_into_name_values_and_advice():
    facts = alarm(
        "d.x", "Oil high: 87 °C, limit 85 °C; check it", advice="check it",
        tag="oil", alarm="oil.high", threshold=85.0, top_tags=[top("oil", 1.0, 87.0, None)],
    )  # fmt: skip
    found = card(facts, {"oil": "°C"}, T0 + 3 * MINUTE)
    assert (found.headline, found.details, found.advice) == (
        "Oil high", "87 °C, limit 85 °C", "check it",
    )  # fmt: skip
    (row,) = found.tags
    assert (row.share, row.actual, row.expected) == (100, "87 °C", "85 °C")
    assert (found.expected_word, found.lasted) == ("limit", "3 min")


@pytest.mark.parametrize("state", list(AlarmState))
def test_each_state_has_words_and_offers_what_makes_sense(state):
    assert STATES[state]
    offered = acts(alarm("d.x", "x", state=state))
    assert ("acknowledge" in offered) == state.endswith("unacknowledged")
    assert ("unshelve" in offered) == (state == "shelved")
    assert ("return_to_service" in offered) == (state == "out_of_service")
    assert ("shelve" in offered) == (state not in ("shelved", "out_of_service", "normal"))


def test_a_latched_alarm_is_reset_when_its_condition_has_returned_and_a_person_has_seen_it():
    assert "reset" in acts(alarm("d.x", "x", state="latched_acknowledged", active=False))
    assert "reset" not in acts(alarm("d.x", "x", state="latched_unacknowledged", active=False))


def test_a_shelf_until_the_return_is_offered_only_while_the_condition_holds():
    assert "once" in acts(alarm("d.x", "x"))
    assert "once" not in acts(alarm("d.x", "x", state="returned_unacknowledged", active=False))


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"id": 1},
        alarm("d.x", "x") | {"top_tags": [1]},
        {**alarm("d.x", "x"), "opened_at": "now"},
    ],
)
def test_what_lacks_something_is_no_alarm(wrong):
    assert is_alarm(alarm("d.x", "x"))
    assert not is_alarm(wrong)


@pytest.mark.parametrize(
    "odd",
    [
        {"coverage": None, "began_at": 0, "advice": None, "acknowledged_by": None},
        {"severity": "grave", "state": "unheard of", "verdict": 7},
        {"top_tags": [{"share": "much", "actual": "x", "expected": True}, {}]},
        {"message": "x" * 100_000, "opened_at": 2**62, "began_at": -(2**62)},
    ],
)
def test_odd_facts_end_no_page(odd):
    found = card(alarm("d.x", "x") | odd, {}, T0)
    assert len(found.headline) <= 800


def test_an_anchor_is_a_plain_name_whatever_the_id_is():
    assert anchor('"><script>').isalnum()
    assert anchor("\udcff") != anchor("x")


def test_a_time_of_another_day_has_its_date():
    assert len(when(T0, T0)) == 8
    assert when(T0 - 3 * 86_400 * SECOND, T0).startswith("20")
    assert when(2**200, T0) == "an unknown time"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"state": "shelved", "shelved_until": T0, "by": "Ben"}, "until {} by Ben: on order"),
        ({"state": "shelved", "shelved_until": 0, "by": "Ben"},
         "until it returns to normal by Ben: on order"),
        # What a later transition says is not said of the shelf.
        ({"state": "shelved", "shelved_until": T0, "transition": "updated"}, "until {}"),
        ({"state": "out_of_service", "by": "Ben"}, "by Ben: on order"),
        ({"state": "suppressed_by_design", "transition": "suppressed"}, "on order"),
        ({"state": "acknowledged", "by": "Ben"}, ""),
    ],
)  # fmt: skip
def test_what_is_hidden_says_until_when_by_whom_and_why(facts, said):
    done = {"shelved": "shelved", "out_of_service": "taken_out_of_service"}
    more = {"transition": done.get(facts["state"], "raised"), "reason": "on order"} | facts
    shown = card(alarm("d.x", "x", **more), {}, T0)
    assert shown.hidden == said.format(when(T0, T0))


def test_states_and_severities_are_in_the_language_of_the_line():
    names = {
        "state": {"acknowledged": "aktiv, quittiert", "shelved": "shelved"},
        "severity": {"high": "hoch"},
    }
    seen = card(alarm("d.x", "x", state="acknowledged", acknowledged_by="Ben"), {}, T0, names)
    assert (seen.severity, seen.severity_word) == ("high", "hoch")
    assert seen.state_words == "Aktiv, quittiert (Ben)"
    english = card(alarm("d.x", "x", state="acknowledged", acknowledged_by="Ben"), {}, T0)
    assert english.state_words == "Acknowledged by Ben"
    assert card(alarm("d.x", "x", state="shelved"), {}, T0, names).state_words == "Shelved"


def test_chattering_and_a_flood_are_marks():
    assert card(alarm("d.x", "x", chattering=True, in_flood=True), {}, T0).marks == [
        "chattering", "part of a flood",
    ]  # fmt: skip
    assert card(alarm("d.x", "x"), {}, T0).marks == []
