"""What docs/mqtt-alerts.md shows is what is sent."""

import json
import re
from pathlib import Path

import pytest

from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, AlarmState, Alert, Severity, Tag, TopTag, Transition
from gateway.core.alarms.words import Words
from gateway.core.points import alert_envelope
from gateway.sinks.mqtt import MqttSinkOptions, to_message

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "mqtt-alerts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"### (\w+).*?```json\n(.*?)```", PAGE, re.DOTALL)
NOON = 1_767_268_800 * SECOND
TAGS = {"vibration_de": Tag("vibration_de", "plc", SECOND, unit="mm/s")}
LIMIT = {
    "id": "guard.vibration_de.high-19b796dd600",
    "detector": "guard",
    "alarm": "vibration_de.high",
    "severity": Severity.HIGH,
    "opened_at": NOON,
    "threshold": 4.5,
    "tag": "vibration_de",
    "top_tags": (TopTag("vibration_de", 1.0, actual=5.1),),
}
MISSING = {
    "id": "data.no_data-19b796dd600",
    "detector": "data",
    "alarm": "no_data",
    "severity": Severity.MEDIUM,
    "opened_at": NOON,
    "threshold": 0.5,
    "top_tags": (TopTag("speed", 1.0),),
    "message": "No data from plc: 1 of 1 tags (speed)",
}
STATES = AlarmState
ALERTS = {
    "Raised": Alert(
        **LIMIT,
        transition=Transition.RAISED,
        is_active=True,
        state=STATES.UNACKNOWLEDGED,
        at=NOON,
        value=5.1,
        peak=5.1,
        message="vibration_de.high: 5.1 above its limit of 4.5",
    ),
    "Acknowledged": Alert(
        **LIMIT,
        transition=Transition.ACKNOWLEDGED,
        is_active=True,
        state=STATES.ACKNOWLEDGED,
        at=NOON + 60 * SECOND,
        value=6.3,
        peak=6.3,
        message="vibration_de.high acknowledged by anna",
    ),
    "Returned": Alert(
        **LIMIT,
        transition=Transition.RETURNED,
        is_active=False,
        state=STATES.NORMAL,
        at=NOON + 120 * SECOND,
        value=4.1,
        peak=6.3,
        message="vibration_de.high returned to normal after 120 s",
    ),
    "Suppressed": Alert(
        **LIMIT,
        transition=Transition.SUPPRESSED,
        is_active=False,
        state=STATES.SUPPRESSED,
        at=NOON + 120 * SECOND,
        value=4.5,
        peak=6.3,
        message="vibration_de.high suppressed by design after 120 s: running is 0",
    ),
    "Missing": Alert(
        **MISSING,
        transition=Transition.RAISED,
        is_active=True,
        state=STATES.UNACKNOWLEDGED,
        at=NOON,
        value=1.0,
        peak=1.0,
    ),
}


def sent(alert):
    envelope = alert_envelope(alert, "demo-plant", "press-3", 0, Words("press-3", TAGS))
    topic, payload = to_message(decode(envelope.body), MqttSinkOptions(host="h").topic)
    return topic, json.loads(payload)


def test_the_page_has_an_example_of_every_kind():
    assert [name for name, _ in EXAMPLES] == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_example_is_what_is_sent(name):
    topic, payload = sent(ALERTS[name])
    assert topic in PAGE
    shown = json.loads(dict(EXAMPLES)[name])
    assert {key: payload.get(key) for key in shown} == shown


@pytest.mark.parametrize("name", ALERTS)
def test_every_field_that_is_sent_is_described(name):
    schema = (DOCS / "influx-schema.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `(\w+)` \|", schema, re.MULTILINE)) | {"time"}
    assert sent(ALERTS[name])[1].keys() <= known


def test_the_page_has_the_defaults_of_the_options():
    options = MqttSinkOptions(host="h")
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", PAGE, re.MULTILINE))
    assert rows["topic"] == options.topic
    assert rows["retain"] == str(options.retain).lower()
    assert rows["keepalive"] == "10s"
    assert rows["timeout"] == "10s"
