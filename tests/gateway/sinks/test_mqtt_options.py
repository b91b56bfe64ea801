import pytest
from pydantic import ValidationError

from gateway.sinks.mqtt_options import MqttSinkOptions


def test_the_port_follows_from_encryption():
    ports = [
        MqttSinkOptions(host="h", **options).resolved_port
        for options in (
            {},
            {"tls": True},
            {"tls": True, "port": 1},
            {"transport": "websockets"},
            {"transport": "websockets", "tls": True},
        )
    ]
    assert ports == [1883, 8883, 1, 80, 443]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "/mqtt"}, "add `transport: websockets`"),
        ({"transport": "websockets", "path": "mqtt"}, "match pattern"),
        ({"keepalive": "1500ms"}, "whole seconds"),
        ({"keepalive": "1s"}, "2s to 65535s"),
        ({"topic": ""}, "must not be empty"),
        ({"topic": "andon/#"}, r"contain \+ or #"),
        ({"topic": "a/+/b"}, r"contain \+ or #"),
        ({"topic": "andon/{tag}"}, "{tag}: it may contain {site}, {line}, {detector}"),
        ({"topic": "andon/{}"}, "unknown placeholder {}"),
        ({"topic": "a/{site!r}"}, "unknown placeholder {site}"),
        ({"topic": "a/{site:9}"}, "unknown placeholder {site}"),
        ({"topic": "a/{"}, "Single '{'"),
        ({"prefix": "a/{detector}"}, r"{detector}: it may contain {site}, {line} \["),
        ({"prefix": "a/"}, "must not end with a slash"),
        ({"group": "g"}, "`group` belongs to `payload: sparkplug`"),
        ({"payload": "sparkplug", "states": True}, "`states` belongs to `payload: json`"),
        ({"payload": "sparkplug", "node": "a/b"}, "must not contain /"),
        ({"payload": "sparkplug", "device": "a+"}, r"contain \+ or #"),
        ({"payload": "xml"}, "'json' or 'sparkplug'"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        MqttSinkOptions(host="h", **options)
