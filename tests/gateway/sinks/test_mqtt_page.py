"""What docs/mqtt-alerts.md and its JSON Schema say is what is sent."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from gateway.api.alarms import Alarm, Severity, Transition
from gateway.api.contracts import Places
from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, Score, Tag
from gateway.core.alarms import acts
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.words import Words
from gateway.core.points import alert_envelope
from gateway.sinks.mqtt_json import JsonAlarms
from gateway.sinks.mqtt_options import MqttSinkOptions
from gateway.sinks.mqtt_sparkplug import SparkplugAlarms

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "mqtt-alerts.md").read_text(encoding="utf-8")
SCHEMA = json.loads((DOCS / "mqtt-alarm.schema.json").read_text(encoding="utf-8"))
EXAMPLES = re.findall(r"### (\w+)\n.*?```json\n(.*?)```", PAGE, re.DOTALL)
NOON = 1_767_268_800 * SECOND
TAGS = {"vibration_de": Tag("vibration_de", "plc", SECOND, unit="mm/s")}
PLACES = Places(None, None, "demo-plant", "press-3")
PLACE = "andon/demo-plant/press-3/alarms/state/guard/vibration_de.high"


def utc(at, form):
    return datetime.fromtimestamp(at // SECOND, UTC).strftime(form)


def transitions():
    """One alarm's life, as the alarm machine makes it."""
    words = Words("press-3", TAGS, time=utc)
    alarm = Alarm("vibration_de.high", 4.5, Severity.HIGH, tag="vibration_de",
                  advice="check the bearing's grease")  # fmt: skip
    machine = AlarmMachine("guard", [alarm], ["vibration_de"], NOON, words)

    def score(second, value):
        at, values = NOON + second * SECOND, np.array([value])
        return machine.step(Score(at, values, 1.0, contribution=np.array([1.0]), actual=values))

    def act(what, why):
        return [machine.act("guard.vibration_de.high", what, "anna", why)]

    alerts = [
        *score(0, 5.1),
        *act(acts.acknowledge("anna"), "on my way"),
        *act(acts.comment("real"), "grease is dry"),
        *act(acts.shelve(NOON + 3600 * SECOND), "is greased at the next stop"),
        *score(120, 4.1),
        *act(acts.unshelve, "greased"),
    ]
    return [
        (alert, decode(alert_envelope(alert, "demo-plant", "press-3", 0, words).body))
        for alert in alerts
    ]


MADE = transitions()


def messages(kind="json", places=PLACES):
    presentation = {"json": JsonAlarms, "sparkplug": SparkplugAlarms}[kind]
    made = presentation(MqttSinkOptions(host="h", payload=kind), places)
    return [list(made.show(point, NOON, is_superseded=False)) for _, point in MADE]


SENT = {
    alert.transition.value: json.loads(some[0].payload)
    for (alert, _), some in zip(MADE, messages(), strict=True)
}


def test_the_page_has_examples_of_what_happens_to_an_alarm():
    assert [name.lower() for name, _ in EXAMPLES] == ["raised", "acknowledged", "shelved"]
    assert list(SENT) == ["raised", "acknowledged", "commented", "shelved", "returned", "unshelved"]


@pytest.mark.parametrize("name", [name for name, _ in EXAMPLES])
def test_an_example_is_what_is_sent(name):
    shown, sent = json.loads(dict(EXAMPLES)[name]), SENT[name.lower()]
    assert {key: sent.get(key) for key in shown} == shown
    if name == "Raised":
        assert shown == sent


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_fits_the_schema_and_each_key_is_described(name):
    jsonschema.validate(SENT[name], SCHEMA, jsonschema.Draft202012Validator)
    assert SENT[name].keys() <= SCHEMA["properties"].keys()
    fields = (DOCS / "influx-schema.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)` \|", fields + PAGE, re.MULTILINE))
    assert SENT[name].keys() <= described


def test_the_schema_knows_the_names_of_the_model():
    assert SCHEMA["properties"]["transition"]["enum"] == [each.value for each in Transition]
    assert SCHEMA["properties"]["severity"]["enum"] == [each.value for each in Severity]
    wrong = {**SENT["raised"], "transition": "vanished"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_the_page_names_the_topics():
    topics = {each.topic for some in messages() for each in some}
    assert topics == {"andon/demo-plant/press-3/alarms/events", PLACE}
    assert all(topic in PAGE for topic in topics)
    last = messages()[-1][-1]
    assert (last.topic, last.payload) == (PLACE, b"")
    for some in messages("sparkplug"):
        for each in some:
            assert f"`{each.topic}`" in PAGE


def test_the_page_has_the_defaults_of_the_options():
    options = MqttSinkOptions(host="h")
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]*?)`? \|", PAGE, re.MULTILINE))
    for name in ("prefix", "payload", "group", "node", "device"):
        assert rows[name] == getattr(options, name)
    assert rows["topic"] == f"{options.prefix}/alarms/events"
    assert (rows["retain"], rows["states"]) == ("false", "true")
    assert (rows["keepalive"], rows["timeout"]) == ("10s", "10s")
    assert MqttSinkOptions.model_fields.keys() - {"type"} <= set(re.findall(r"`(\w+)`", PAGE))
