import pytest
from pydantic import ValidationError

from connectors.mqtt import MqttConnector, MqttOptions
from gateway.api.model import SECOND


def source(tag=None, **options):
    written = {"topic": "plant/t"} | (tag or {})
    tags = {"tags": {"t": {key: value for key, value in written.items() if value is not None}}}
    return MqttOptions.model_validate({"type": "mqtt", "host": "broker"} | tags | options)


def problems_of(tag=None, **options):
    with pytest.raises(ValidationError) as caught:
        source(tag, **options)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(
    ("tag", "field", "message"),
    [
        ({"topic": "plant/+/t"}, "levels", "which levels replace the +"),
        ({"topic": None}, "topic", "add a `topic`, or `sparkplug`"),
        ({"topic": None, "sparkplug": "g/n"}, "metric", "belong together"),
        ({"topic": None, "metric": "m"}, "metric", "belong together"),
        ({"sparkplug": "g/n", "metric": "m"}, "topic", "topics of its edge node"),
        ({"topic": None, "sparkplug": "n", "metric": "m"}, "sparkplug", "group/node/device"),
        ({"topic": None, "sparkplug": "g//d", "metric": "m"}, "sparkplug", "group/node/device"),
        ({"topic": None, "sparkplug": "g/#", "metric": "m"}, "sparkplug", "a + for each"),
        ({"topic": None, "sparkplug": "g/+", "metric": "m"}, "levels", "levels replace the +"),
        ({"topic": None, "sparkplug": "g/n", "metric": "m", "path": "v"}, "path", "leave it out"),
        ({"topic": "plant/a+/t", "levels": ["b"]}, "topic", "a whole level"),
        ({"topic": "plant/#"}, "topic", "write a + for each"),
        ({"levels": ["north"]}, "levels", "there is no +"),
        ({"topic": "+/t", "levels": {"a": "b/c"}}, "levels", "write one level"),
        ({"topic": "+/+", "levels": ["a"]}, "levels", "write 2 levels, joined by /"),
        ({"topic": "+/t", "levels": {"a": "+"}}, "levels", "cannot replace"),
        ({"topic": "+/t", "levels": {"a": "x", "b": "x"}}, "levels", "the same"),
        ({"topic": "$share/g/plant/t"}, "topic", "shared subscription"),
        ({"topic": "plant\0"}, "topic", "NUL"),
        ({"topic": "ü" * 32768}, "topic", "65535 bytes"),
        ({"topic": ""}, "topic", "at least 1 character"),
        ({"path": "a..b"}, "path", "a step is empty"),
        ({"path": ".a"}, "path", "a step is empty"),
        ({"time_path": "at"}, "time_format", "which format"),
        ({"time_path": "", "time_format": "s"}, "time_path", "no more fields"),
        ({"quality_path": "", "quality_good": [1]}, "quality_path", "no more fields"),
        ({"quality_path": "q"}, "quality_good", "which qualities are good?"),
        ({"quality_good": [192]}, "quality_good", "add it"),
        ({"qos": 3}, "qos", "0, 1 or 2"),
        ({"time_format": "iso"}, "time_format", "there is no `time_path`"),
        ({"time_path": "at", "time_format": "min"}, "time_format", "must be one of"),
        ({"time_path": "at", "time_format": "%Y-%m-%d %H:%M:%S %Z"}, "time_format", "write %z"),
        ({"time_path": "at", "time_format": "%d.%m.%Y %I:%M:%S"}, "time_format", "add %p"),
        ({"low": 5, "high": 1}, "high", "is below low (5)"),
        ({"patch": "v"}, "patch", "Extra inputs"),
    ],
)
def test_a_tag_that_cannot_be_read_is_refused_at_the_field_that_is_wrong(tag, field, message):
    problems = problems_of(tag)
    assert list(problems) == [("tags", "t", field)]
    assert message in problems["tags", "t", field]


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"host": "mqtt://broker"}, ("host",), "bare name"),
        ({"host": ""}, ("host",), "at least 1"),
        ({"keepalive": "1500ms"}, ("keepalive",), "whole seconds"),
        ({"keepalive": "1d"}, ("keepalive",), "65535s"),
        ({"qos": 3}, ("qos",), "0, 1 or 2"),
        ({"password": "${env:P}"}, ("password",), "without a `username`"),
        ({"username": "u", "password": "secret"}, ("password",), "clear text"),
        ({"tls": {"certificate": "c.pem"}}, ("tls", "key"), "belong together"),
        ({"tls": {"key": "k.pem"}}, ("tls", "key"), "belong together"),
        ({"tags": {}}, ("tags",), "at least 1"),
        ({"primary_host": "a/b"}, ("primary_host",), "pattern"),
        ({"protocol": 4}, ("protocol",), "'3.1.1' or '5'"),
        ({"session_expiry": "1h"}, ("session_expiry",), "needs a `client_id`, by which"),
        ({"session_expiry": "1h", "client_id": "a"}, ("session_expiry",), "give t a time"),
        ({"session_expiry": "1500ms", "client_id": "a"}, ("session_expiry",), "whole seconds"),
    ],
)
def test_a_wrong_setting_of_a_broker_is_refused_at_its_field(options, field, message):
    problems = problems_of(**options)
    assert list(problems) == [field]
    assert message in problems[field]


def test_a_kept_session_needs_a_time_of_every_tag():
    dated = {"time_path": "at", "time_format": "s"}
    assert source(dated, session_expiry="1h", client_id="a").session_expiry == 3600 * SECOND


def test_two_entries_never_make_the_same_tag():
    tags = {"north.t": {"topic": "x"}, "t": {"topic": "p/+", "levels": ["north"]}}
    assert "north.t is made twice" in problems_of(tags=tags)["tags",]
    long = {"t" * 60: {"topic": "p/+", "levels": ["north"]}}
    assert "longer than 64" in problems_of(tags=long)["tags",]


def test_the_port_follows_from_encryption_unless_it_is_given():
    assert source().resolved_port == 1883
    assert source(tls={}).resolved_port == 8883
    assert source(tls={}, port=1).resolved_port == 1


def test_a_tag_is_expected_every_five_seconds_by_default():
    (slow,) = MqttConnector.declared_tags("broker", source())
    (fast,) = MqttConnector.declared_tags("broker", source({"period": "1s"}))
    assert (slow.period, fast.period) == (5 * SECOND, SECOND)


def test_every_field_explains_itself_to_an_editor():
    schema = MqttOptions.model_json_schema()
    shown = schema["properties"].copy()
    for part in ("MqttTag", "Tls"):
        shown |= schema["$defs"][part]["properties"]
    assert [name for name, field in shown.items() if "description" not in field] == ["type"]
