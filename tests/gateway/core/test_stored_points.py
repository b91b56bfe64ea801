import pytest

from gateway.api import line_protocol
from gateway.api.alarms import AlarmState, Alert, Severity, Transition
from gateway.api.model import SECOND, Envelope, Kind, Loss, Summary
from gateway.core import points
from gateway.core.alarms.words import Words
from gateway.core.stored_points import StoredPoints

AT = 1_700_000_100 * SECOND
MINUTE = 60 * SECOND
POINTS = StoredPoints("plant", "press-3")


def alert(state):
    made = Alert(
        "model.anomaly-1",
        "model",
        "anomaly",
        state,
        Severity.HIGH,
        AT,
        AT,
        2.0,
        1.0,
        2.0,
        transition=Transition.RAISED,
        is_active=state in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED),
    )
    return points.alert_envelope(made, "plant", "press-3", 0, Words())


@pytest.mark.parametrize(
    ("state", "active"), [(AlarmState.UNACKNOWLEDGED, True), (AlarmState.NORMAL, False)]
)
def test_a_stored_alert_names_its_alarm_and_whether_it_is_active(state, active):
    assert POINTS.alarm(alert(state)) == ("model.anomaly-1", active)


def test_bytes_that_are_not_a_point_belong_to_no_alarm():
    assert POINTS.alarm(Envelope(Kind.ALERT, AT, b"\xff garbage")) is None


def test_a_gap_marker_says_what_was_lost_and_where():
    loss = Loss(Kind.SUMMARY, "evicted", 7, AT - MINUTE, AT)
    envelope = POINTS.gap_marker(loss, AT + 1)
    point = line_protocol.decode(envelope.body)
    assert (envelope.kind, envelope.at) == (Kind.GATEWAY, AT + 1)
    assert (point.tags["site"], point.tags["line"]) == ("plant", "press-3")
    assert point.fields["gap_reason"] == "evicted"
    assert point.fields["gap_count"] == 7


def test_summaries_of_one_series_and_interval_become_one_under_the_last_number():
    start = AT // POINTS.merge_interval * POINTS.merge_interval
    stored = []
    for key, (tag, minute) in enumerate([("flow", 1), ("level", 1), ("flow", 2), ("flow", 16)], 1):
        end = start + minute * MINUTE
        made = Summary(tag, end - MINUTE, end, 10, 0, 1.0, 5.0, 0.0, 5.0, 5.0, 5.0)
        body = points.summary_envelope(made, "plant", "press-3").body
        stored.append(Envelope(Kind.SUMMARY, end, body, key=key))
    written, removed = POINTS.merge(stored)
    assert removed == [1, 3]
    assert [(each.key, each.at) for each in written] == [(3, start + 2 * MINUTE)]
    assert line_protocol.decode(written[0].body).fields["count"] == 20


def test_a_point_without_an_id_is_of_a_nameless_alarm_that_is_over():
    assert POINTS.alarm(Envelope(Kind.ALERT, AT, b"andon_alert x=1i 5")) == ("", False)
