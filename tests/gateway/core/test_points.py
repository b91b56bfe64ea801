import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import servers
from fakes import batch
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.line_protocol import decode, encode
from gateway.api.model import (
    Alarm,
    AlarmState,
    Alert,
    Envelope,
    Kind,
    Point,
    Score,
    Severity,
    Summary,
    Tag,
    TopTag,
    Transition,
)
from gateway.core import points
from gateway.core.clips import Clip, Cut
from gateway.core.freshness import FreshnessWatch
from gateway.history.clipper import report_of
from gateway.telemetry.health import DetectorHealth, Health

AT = 1_700_000_000_123_456_789
SCHEMA = Path(__file__).parents[3] / "docs" / "influx-schema.md"

# What a name may hold and still come back unchanged; `encode` says what happens to the rest.
_plain = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\")
names = st.text(_plain, min_size=1, max_size=12)
measurements = names.filter(lambda text: not text.startswith("#"))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
int64 = st.integers(-(2**63), 2**63 - 1)
values = st.one_of(
    texts, st.booleans(), int64, st.floats(allow_nan=False, allow_infinity=False), texts
)
any_point = st.builds(
    Point,
    measurements,
    st.dictionaries(names, names, max_size=4),
    st.dictionaries(names, values, min_size=1, max_size=5),
    int64,
)
anything = st.builds(
    Point,
    st.text(min_size=1, max_size=12),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.text(), st.booleans(), st.integers(), st.floats()),
        max_size=4,
    ),
    st.integers(),
)


@given(any_point)
def test_every_point_comes_back_from_its_line(point):
    decoded = decode(encode(point))
    assert decoded == point
    assert [type(v) for v in decoded.fields.values()] == [type(v) for v in point.fields.values()]


@given(any_point)
def test_every_line_comes_back_from_its_point(point):
    line = encode(point)
    assert encode(decode(line)) == line


@given(anything)
def test_any_point_is_one_clean_line_or_a_value_error(point):
    try:
        line = encode(point)
    except ValueError:
        return
    assert not re.search(rb"[\x00-\x1f\x7f]", line)
    kept = decode(line)
    assert encode(kept) == line
    assert all(math.isfinite(v) for v in kept.fields.values() if isinstance(v, float))


def test_the_order_of_tags_does_not_change_the_bytes():
    one = Point("m", {"b": "2", "a": "1"}, {"v": 1.0}, AT)
    other = Point("m", {"a": "1", "b": "2"}, {"v": 1.0}, AT)
    assert encode(one) == encode(other) == b"m,a=1,b=2 v=1.0 1700000000123456789"


def test_types_are_written_as_influxdb_reads_them():
    fields = {"f": 5.0, "i": 5, "yes": True, "no": False, "s": 'a "b" \\ c'}
    line = encode(Point("m", {}, fields, 1))
    assert line == b'm f=5.0,i=5i,yes=true,no=false,s="a \\"b\\" \\\\ c" 1'


def test_numpy_scalars_are_written_as_plain_numbers():
    fields = {"f": np.float64(0.1), "g": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True)}
    assert encode(Point("m", {}, fields, 1)) == b"m f=0.1,g=0.5,i=3i,b=true 1"


def test_names_are_escaped():
    line = encode(Point("a b,c", {"k =": "v, ="}, {"f =,": 1}, 1))
    assert line == b"a\\ b\\,c,k\\ \\==v\\,\\ \\= f\\ \\=\\,=1i 1"


def test_line_breaks_become_spaces_and_backslashes_in_names_slashes():
    line = encode(Point("m", {"t": "a\nb\\"}, {"s": "one\r\ntwo"}, 1))
    assert line == b'm,t=a\\ b/ s="one  two" 1'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_value_that_is_no_number_is_left_out(value):
    assert encode(Point("m", {}, {"x": value, "y": 1.0}, 1)) == b"m y=1.0 1"


def test_an_empty_tag_value_is_left_out():
    assert encode(Point("m", {"t": "", "u": "x"}, {"y": 1}, 1)) == b"m,u=x y=1i 1"


@pytest.mark.parametrize(
    "point",
    [
        Point("m", {}, {}, 1),
        Point("m", {}, {"x": math.nan}, 1),
        Point("", {}, {"x": 1}, 1),
        Point("#m", {}, {"x": 1}, 1),
        Point("m", {"": "v"}, {"x": 1}, 1),
        Point("m", {}, {"": 1}, 1),
        Point("m", {}, {"x": 2**63}, 1),
        Point("m", {}, {"x": 1}, 2**63),
        Point("m", {}, {"x": None}, 1),
        Point("m", {}, {"x": "\ud800"}, 1),
    ],
)
def test_what_cannot_be_said_in_line_protocol_is_refused(point):
    with pytest.raises(ValueError):
        encode(point)


@pytest.mark.parametrize(
    "line", [b"", b"m", b"m x=1", b"m x= 1", b'm x="a 1', b"m,t= x=1 1", b"m x=1 1\nm x=2 2"]
)
def test_a_foreign_line_is_refused(line):
    with pytest.raises(ValueError):
        decode(line)


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
)
SUMMARY = Summary("flow", AT - 60, AT, 60, 1, 0.98, 4.0, 0.5, 3.0, 5.0, 4.5)


TAGS = {
    "vibration_de": Tag("vibration_de", "plc", 1, "mm/s"),
    "valve": Tag("valve", "plc", 1, names={2.0: "jammed"}),
}


def _alert(alert=ALERT, index=0):
    return points.alert_envelope(alert, "demo", "skid", index, TAGS)


def test_an_alert_names_its_cause_in_words():
    point = decode(_alert().body)
    assert point.fields["cause"] == "vibration_de 5.1 mm/s (expected 2.3) 61 %; current 12 20 %"
    assert point.fields["top_tags"] == "vibration_de,current"


def test_a_state_in_a_cause_has_its_name():
    alert = replace(ALERT, top_tags=(TopTag("valve", 0.9, 2.0), TopTag("valve", 0.1, 3.0)))
    assert decode(_alert(alert).body).fields["cause"] == "valve 2 jammed 90 %; valve 3 10 %"


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
    assert decode(_alert(replace(ALERT, state=AlarmState.NORMAL)).body).fields["active"] is False


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
        ("andon_alert", _alert().body),
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
    assert documented == _written(_doubted(_gateway_body())) | _written(gap.body)


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
        _post(f"{server.url}/query", urllib.parse.urlencode({"q": "CREATE DATABASE d"}).encode())
        yield server


def _post(url, body):
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as answer:
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
