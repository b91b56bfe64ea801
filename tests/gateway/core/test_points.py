import json
import math
import re
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import servers
from fakes import batch
from patience import PATIENCE

from gateway.api.alarms import Alarm, AlarmState, Alert, Severity, TopTag, Transition
from gateway.api.line_protocol import decode, encode
from gateway.api.model import Envelope, Kind, Point, Score, Summary, Tag
from gateway.core import points
from gateway.core.alarms.maintenance import Change
from gateway.core.alarms.words import Words
from gateway.core.clips import Clip, Cut
from gateway.core.freshness import FreshnessWatch
from gateway.history.clipper import report_of
from gateway.telemetry.health import DetectorHealth, Health

AT = 1_700_000_000_123_456_789
SCHEMA = Path(__file__).parents[3] / "docs" / "influx-schema.md"

ALERT = Alert(
    id="pump.anomaly-18bc",
    detector="pump",
    alarm="anomaly",
    state=AlarmState.UNACKNOWLEDGED,
    severity=Severity.HIGH,
    opened_at=AT - 5,
    at=AT,
    value=7,
    threshold=3,
    peak=9,
    tag="vibration_de",
    top_tags=(TopTag("vibration_de", 0.61, 5.1, 2.3), TopTag("current", 0.2, 12.0)),
    model="pump@3",
    coverage=1,
    message="anomaly: 7 past its threshold of 3",
    transition=Transition.RAISED,
    is_active=True,
)
FULL = replace(
    ALERT,
    began_at=AT - 9,
    window_start=AT - 20,
    window_end=AT - 1,
    regime="full load",
    config="0123456789ab",
    advice="look at the seal",
    by="anna",
    reason="seen",
    verdict="real",
    acknowledged_by="anna",
    caused_by="data.plc.lost-18bb",
    ne107="failure",
)
"""All that a transition may have."""
SUMMARY = Summary("flow", AT - 60, AT, 60, 1, 0.98, 4.0, 0.5, 3.0, 5.0, 4.5)


TAGS = {
    "vibration_de": Tag("vibration_de", "plc", 1, "mm/s"),
    "valve": Tag("valve", "plc", 1, names={2.0: "jammed"}),
}


def _alert(alert=ALERT, index=0):
    return points.alert_envelope(alert, "demo", "skid", index, Words("skid", TAGS))


def test_an_alert_names_its_cause_in_words():
    point = decode(_alert().body)
    assert point.fields["cause"] == "vibration de 61 % (5.1 mm/s, expected 2.3), current 20 % (12)"
    assert point.fields["top_tags"] == "vibration_de,current"


def test_a_state_in_a_cause_has_its_name():
    alert = replace(ALERT, top_tags=(TopTag("valve", 0.9, 2.0), TopTag("valve", 0.1, 3.0)))
    assert decode(_alert(alert).body).fields["cause"] == "valve 90 % (jammed), valve 10 % (3)"


def test_an_alert_is_timed_by_its_transition():
    envelope = _alert()
    assert (envelope.kind, envelope.at, decode(envelope.body).at) == (Kind.ALERT, AT, AT)


def test_two_alarms_of_one_instant_have_different_times():
    assert _alert(index=2).at == decode(_alert(index=2).body).at == AT + 2


def test_whole_numbers_stay_floats_where_the_schema_says_float():
    fields = decode(_alert().body).fields
    assert all(type(fields[k]) is float for k in ("value", "threshold", "peak", "coverage"))


def test_an_alarm_without_a_tag_has_no_tag():
    assert "tag" not in decode(_alert(replace(ALERT, tag=None)).body).tags


def test_an_alert_without_a_value_leaves_it_out():
    assert "value" not in decode(_alert(replace(ALERT, value=math.nan)).body).fields


def test_a_returned_alarm_is_not_active():
    assert (
        decode(_alert(replace(ALERT, is_active=False, state=AlarmState.NORMAL)).body).fields[
            "active"
        ]
        is False
    )


def test_an_alert_carries_all_that_is_known_of_it():
    point = decode(_alert(index=2).body)
    assert (point.measurement, point.at) == ("andon_alert", AT + 2)
    assert point.tags == {
        "site": "demo",
        "line": "skid",
        "detector": "pump",
        "severity": "high",
        "tag": "vibration_de",
    }
    assert point.fields == {
        "id": "pump.anomaly-18bc",
        "alarm": "anomaly",
        "state": "unacknowledged",
        "transition": "raised",
        "active": True,
        "over": False,
        "value": 7.0,
        "threshold": 3.0,
        "direction": "above",
        "excess": 4.0,
        "peak": 9.0,
        "coverage": 1.0,
        "opened_at": AT - 5,
        "top_tags": "vibration_de,current",
        "cause": "vibration de 61 % (5.1 mm/s, expected 2.3), current 20 % (12)",
        "causes": '[{"tag": "vibration_de", "share": 0.61, "actual": 5.1, "expected": 2.3, '
        '"unit": "mm/s"}, {"tag": "current", "share": 0.2, "actual": 12.0}]',
        "model": "pump@3",
        "message": "anomaly: 7 past its threshold of 3",
        "in_flood": False,
    }


def test_a_low_limit_is_stored_as_people_know_it():
    low = replace(ALERT, alarm="flow.low", value=992, threshold=2000, peak=900, below=True)
    fields = decode(_alert(low).body).fields
    assert (fields["value"], fields["threshold"], fields["peak"]) == (992.0, 2000.0, 900.0)
    assert (fields["direction"], fields["excess"]) == ("below", 1008.0)


def test_an_alert_says_why_and_who_did_what_and_leaves_out_what_does_not_apply():
    usual, full = (decode(_alert(alert).body).fields for alert in (ALERT, FULL))
    assert {name: full[name] for name in full.keys() - usual.keys()} == {
        "began_at": AT - 9,
        "window_start": AT - 20,
        "window_end": AT - 1,
        "regime": "full load",
        "config": "0123456789ab",
        "advice": "look at the seal",
        "by": "anna",
        "reason": "seen",
        "verdict": "real",
        "acknowledged_by": "anna",
        "caused_by": "data.plc.lost-18bb",
        "ne107": "failure",
    }


def test_a_cause_for_programs_has_what_is_known_of_it():
    top = (TopTag("valve", 1.0, 2.0), TopTag("flow", 0.0, math.nan, reason="timeout"))
    causes = json.loads(decode(_alert(replace(ALERT, top_tags=top)).body).fields["causes"])
    assert causes == [
        {"tag": "valve", "share": 1.0, "actual": 2.0, "name": "jammed"},
        {"tag": "flow", "share": 0.0, "reason": "timeout"},
    ]


@pytest.mark.parametrize(
    ("active", "state", "excess"),
    [
        (True, AlarmState.ACKNOWLEDGED, 4.0),
        (True, AlarmState.SHELVED, 0.0),
        (True, AlarmState.OUT_OF_SERVICE, 0.0),
        (True, AlarmState.SUPPRESSED, 0.0),
        (False, AlarmState.RETURNED_UNACKNOWLEDGED, 0.0),
        (False, AlarmState.NORMAL, 0.0),
    ],
)
def test_what_needs_no_attention_is_not_above_zero(active, state, excess):
    alert = replace(ALERT, is_active=active, state=state)
    assert decode(_alert(alert).body).fields["excess"] == excess


def test_a_value_that_returned_keeps_its_distance():
    alert = replace(ALERT, value=1, is_active=False, state=AlarmState.RETURNED_UNACKNOWLEDGED)
    assert decode(_alert(alert).body).fields["excess"] == -2.0


def test_a_cause_without_a_value_is_told_by_its_reason():
    silent = TopTag("flow", 1.0, reason="exception 2, illegal data address")
    fields = decode(_alert(replace(ALERT, top_tags=(silent,))).body).fields
    assert fields["cause"] == "flow: exception 2, illegal data address"


def test_a_summary_carries_all_that_is_known_of_it():
    point = decode(points.summary_envelope(SUMMARY, "demo", "skid").body)
    assert (point.measurement, point.at) == ("andon_summary", AT)
    assert point.tags == {"site": "demo", "line": "skid", "tag": "flow"}
    assert point.fields == {
        "count": 60, "bad": 1, "mean": 4.0, "std": 0.5, "min": 3.0, "max": 5.0, "last": 4.5,
        "coverage": 0.98,
    }  # fmt: skip


def test_each_sample_of_a_clip_is_a_point_of_its_tag():
    samples = batch(AT, 1.5, np.nan, first=3)
    made = points.clip_envelopes(samples, {3: "flow", 4: "level"}, "demo", "skid")
    assert [(each.kind, each.at) for each in made] == [(Kind.CLIP, AT)] * 2
    first, bad = (decode(each.body) for each in made)
    assert first == Point(
        "andon_clip",
        {"site": "demo", "line": "skid", "tag": "flow"},
        {"value": 1.5, "quality": "good"},
        AT,
    )
    assert (bad.tags["tag"], bad.fields) == ("level", {"quality": "bad"})


def test_the_report_of_a_clip_and_the_gateways_point_have_no_tag():
    report = points.clip_report({"found": 3}, "demo", "skid", AT)
    gateway = points.gateway_envelope({"health": "ok"}, "demo", "skid", AT + 1)
    assert (report.kind, report.at, gateway.kind, gateway.at) == (
        Kind.CLIP,
        AT,
        Kind.GATEWAY,
        AT + 1,
    )
    tags = {"site": "demo", "line": "skid"}
    assert decode(report.body) == Point("andon_clip", tags, {"found": 3}, AT)
    assert decode(gateway.body) == Point("andon_gateway", tags, {"health": "ok"}, AT + 1)


def test_a_gap_says_what_was_lost_where_and_of_which_time():
    gap = points.gap_envelope(Kind.SUMMARY, "evicted", 3, AT - 9, AT - 2, "demo", "skid", AT)
    assert (gap.kind, gap.at) == (Kind.GATEWAY, AT)
    assert decode(gap.body) == Point(
        "andon_gateway",
        {"site": "demo", "line": "skid"},
        {
            "gap_class": "summary",
            "gap_reason": "evicted",
            "gap_count": 3,
            "gap_from": AT - 9,
            "gap_to": AT - 2,
        },
        AT,
    )


@pytest.mark.parametrize(("clock", "more"), [("stepped", {"clock": "stepped"}), ("", {})])
def test_a_point_of_another_epoch_is_the_same_a_little_later(clock, more):
    made = points.summary_envelope(SUMMARY, "demo", "skid")
    again = points.restamped(made, clock, 100_000)
    assert (again.kind, again.at) == (Kind.SUMMARY, AT + 100_000)
    before, after = decode(made.body), decode(again.body)
    assert (after.measurement, after.tags, after.at) == (
        before.measurement,
        before.tags,
        AT + 100_000,
    )
    assert after.fields == {**before.fields, **more}


def test_a_summary_is_timed_by_its_end():
    envelope = points.summary_envelope(SUMMARY, "demo", "skid")
    assert (envelope.kind, envelope.at, decode(envelope.body).at) == (Kind.SUMMARY, AT, AT)


def test_a_summary_of_states_names_the_last_one():
    named = replace(SUMMARY, last_name="jammed")
    fields = decode(points.summary_envelope(named, "demo", "skid").body).fields
    assert (fields["last"], fields["last_name"]) == (4.5, "jammed")


def test_silence_is_a_summary_with_coverage_zero_and_no_values():
    silent = Summary("flow", AT - 60, AT, 0, 0, 0.0)
    fields = decode(points.summary_envelope(silent, "demo", "skid").body).fields
    assert fields == {"count": 0, "bad": 0, "coverage": 0.0}


# docs/influx-schema.md against what is written.


def _documented(measurement):
    """name -> (role, type) from the tables below the measurement's headline."""
    text = SCHEMA.read_text(encoding="utf-8")
    section = text.split(f"\n## {measurement}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \| (tag|field) \| (\w+) \|", section, re.MULTILINE)
    return {name: (role, kind) for name, role, kind in rows}


def _written(body):
    words = {str: "string", int: "integer", float: "float", bool: "boolean"}
    point = decode(body)
    tags = dict.fromkeys(point.tags, ("tag", "string"))
    return tags | {name: ("field", words[type(v)]) for name, v in point.fields.items()}


def _doubted(body):
    """As a clock makes it that is not trusted."""
    return points.restamped(Envelope(Kind.GATEWAY, AT, body), "stepped", 0).body


def _clip_bodies(at):
    samples = batch(at, 1.5, np.nan)
    first, bad = points.clip_envelopes(samples, {0: "flow", 1: "level"}, "demo", "skid")
    assert decode(bad.body).fields == {"quality": "bad"}
    assert (first.kind, first.at) == (Kind.CLIP, at)
    clip = Clip(at, at - 1, at + 1, 0, ["flow"], ["pump.anomaly-1"], 1)
    fields = report_of(Cut(clip, 3, samples, "thinned"))
    return first.body, points.clip_report(fields, "demo", "skid", at).body


def _gateway_body():
    tags = [Tag("flow", "plc", 10**9)]
    health = Health("skid", "demo", tags, FreshnessWatch(tags, 5.0, 3.0))
    detector = DetectorHealth("pump", [Alarm("anomaly", 3.0)])
    detector.note(Score(AT, np.array([1.5]), 1.0))
    health.detectors = {"pump": detector}
    return points.gateway_envelope(health.gateway_fields(AT), "demo", "skid", AT).body


@pytest.mark.parametrize(
    ("measurement", "body"),
    [
        ("andon_alert", _alert(FULL).body),
        (
            "andon_summary",
            points.summary_envelope(replace(SUMMARY, last_name="jammed"), "demo", "skid").body,
        ),
    ],
)
def test_the_schema_page_lists_exactly_what_is_written(measurement, body):
    assert _documented(measurement) == _written(_doubted(body))


def test_the_schema_page_lists_exactly_what_the_gateway_says_of_itself():
    documented = {
        name.replace("<detector>", "pump"): entry
        for name, entry in _documented("andon_gateway").items()
    }
    gap = points.gap_envelope(Kind.SUMMARY, "evicted", 3, AT, AT, "demo", "skid", AT)
    begun = points.maintenance_fields(Change("began", AT, "anna", "oil change"))
    maintenance = points.gateway_envelope(begun, "demo", "skid", AT)
    marked = _written(gap.body) | _written(maintenance.body)
    assert documented == _written(_doubted(_gateway_body())) | marked


def test_the_schema_page_lists_exactly_what_a_clip_holds():
    sample, report = _clip_bodies(AT)
    assert _documented("andon_clip") == _written(_doubted(sample)) | _written(_doubted(report))


MEASUREMENTS = ["andon_alert", "andon_summary", "andon_gateway", "andon_clip"]


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_no_tag_shares_its_name_with_a_field(measurement):
    text = SCHEMA.read_text(encoding="utf-8")
    section = text.split(f"\n## {measurement}\n", 1)[1].split("\n## ", 1)[0]
    listed = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(listed) == len(set(listed)) > 0


# A strict server takes what the encoder writes.


@pytest.fixture(scope="module")
def influx(tmp_path_factory):
    with servers.influxdb(tmp_path_factory.mktemp("influxdb")) as server:
        servers.create_database(server, "d")
        yield server


def _post(url, body):
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=PATIENCE) as answer:
        return answer.status


HARD = {
    "site": Point("h1", {"t": 'a b,c=d"e'}, {"x": 1.0}, AT),
    "quotes": Point("h2", {}, {"s": 'say "hello" \\ and, = \\"'}, AT),
    "tiny": Point("h3", {}, {"x": 5e-324, "y": 1.7976931348623157e308, "z": -0.0}, AT),
    "big": Point("h4", {}, {"x": 1e16, "i": 2**63 - 1, "j": -(2**63) + 1}, AT),
    "unicode": Point("h5 °C", {"ü": "°"}, {"ß ,=": "漢字 🏭"}, AT),
    "slash": Point("h6", {"t": "C:\\plant\\"}, {"x": True}, AT),
    "breaks": Point("h7", {"t": "two\nlines"}, {"s": "two\nlines"}, AT),
}


@pytest.mark.parametrize("name", HARD)
def test_a_strict_server_takes_awkward_points(influx, name):
    assert _post(f"{influx.url}/write?db=d", encode(HARD[name])) == 204


def test_a_strict_server_refuses_what_is_not_line_protocol(influx):
    with pytest.raises(urllib.error.HTTPError):
        _post(f"{influx.url}/write?db=d", b"h x=,y= 1")


def test_a_strict_server_takes_all_four_measurements_in_one_batch(influx):
    now = time.time_ns()
    bodies = [
        _alert(replace(ALERT, at=now)).body,
        points.summary_envelope(replace(SUMMARY, end=now), "demo", "skid").body,
        _gateway_body(),
        *_clip_bodies(now),
    ]
    assert _post(f"{influx.url}/write?db=d", b"\n".join(bodies)) == 204
