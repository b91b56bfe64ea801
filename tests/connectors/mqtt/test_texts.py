"""Numbers in text: what is read when the file asks for it, and what is refused with which words."""

import json

import pytest
from pydantic import ValidationError

from connectors.mqtt import MqttOptions
from connectors.mqtt.reader import Reader
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.topics import plan_of
from gateway.api.model import Quality

NUMBER, COMMA = {"text": "number"}, {"text": "number", "decimal": ","}
CELSIUS = NUMBER | {"unit": "°C"}


def read(payload, **tag):
    """The value, or the reason of the bad sample."""
    tags = {"t": {"topic": "t"} | tag}
    options = MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    payload = payload if isinstance(payload, bytes) else payload.encode()
    message = ReceivedMessage(10**18, "t", payload, len(payload), False)
    batch = Reader(plan_of(options), options, lambda *_, **__: None).batch([message])
    assert (batch.quality.tolist() == [Quality.BAD]) == bool(batch.reasons)
    return batch.reasons[0] if batch.reasons else batch.value[0]


@pytest.mark.parametrize(
    ("payload", "options", "value"),
    [
        ('{"value":"21.5"}', NUMBER, 21.5),
        ('{"value":21.5}', NUMBER, 21.5),
        ('{"value":"12,5"}', COMMA, 12.5),
        ('{"value":12.5}', COMMA, 12.5),
        ('"21.5"', NUMBER | {"path": ""}, 21.5),
        ("+21.5", NUMBER | {"path": ""}, 21.5),
        ("-0,5", COMMA | {"path": ""}, -0.5),
        ("00123", NUMBER | {"path": ""}, 123),
        (".5", NUMBER | {"path": ""}, 0.5),
        ("5.", NUMBER | {"path": ""}, 5),
        (" 21.5\n", NUMBER | {"path": ""}, 21.5),
        (b"21.5\0", NUMBER | {"path": ""}, 21.5),
        ("\u221221.5", NUMBER | {"path": ""}, -21.5),
        ("1.5E+3", NUMBER | {"path": ""}, 1500),
        ("21.5 °C", CELSIUS | {"path": ""}, 21.5),
        ("21.5°C", CELSIUS | {"path": ""}, 21.5),
        ("21.5\u00a0\u2103", CELSIUS | {"path": ""}, 21.5),
        ("21.5", CELSIUS | {"path": ""}, 21.5),
        ("50 %", NUMBER | {"unit": "%", "path": ""}, 50),
        ('{"value":"0x1F"}', {"text": "hex"}, 31),
        ('{"value":"ff"}', {"text": "hex"}, 255),
        ('{"value":"OFF"}', NUMBER | {"enumeration": {"OFF": 0}}, 0),
        ('{"value":"7"}', NUMBER | {"enumeration": {"OFF": 0}}, 7),
        ("1.5;2.5;3.5", {"path": "1", "separator": ";"}, 2.5),
        ("1,5;2,5;3,5", {"path": "2", "separator": ";", "decimal": ","}, 3.5),
        ("200,c8y_Temperature,T,25 C", {"path": "3", "separator": ",", "unit": "C"}, 25),
        ("7", {"path": "0", "separator": ";"}, 7),
    ],
)
def test_a_number_in_text_is_read_when_the_file_asks_for_it(payload, options, value):
    assert read(payload, **options) == value


@pytest.mark.parametrize(
    ("payload", "options", "reason"),
    [
        ('{"value":"21.5"}', {}, "a number as text: `text: number` reads it"),
        ("+21.5", {"path": ""}, "a number as text: `text: number` reads it"),
        ("21.5 °C", {"path": ""}, "text, not a number: '99.9 °C' (9: a digit)"),
        ('{"value":"12,5"}', NUMBER, 'a number with the decimal mark ,: `decimal: ","` reads it'),
        ('{"value":"12.5"}', COMMA, 'a number with the decimal mark .: `decimal: "."` reads it'),
        (
            '{"value":"1.234,5"}',
            COMMA,
            "a number with separators of thousands, which could mean another number",
        ),
        (
            '{"value":"1,234.5"}',
            NUMBER,
            "a number with separators of thousands, which could mean another number",
        ),
        ('{"value":"1_000"}', NUMBER, "text, not a number: '9_999' (9: a digit)"),
        ('{"value":"70 °F"}', CELSIUS, "a number with the unit '°F': `unit: °C`"),
        ('{"value":"70 °F"}', NUMBER, "a number with the unit '°F': the tag has no `unit`"),
        ('{"value":"nan"}', NUMBER, "text, not a number: 'nan'"),
        ('{"value":"inf"}', NUMBER, "text, not a number: 'inf'"),
        ('{"value":"1e999"}', NUMBER, "too large for a number"),
        ('{"value":"5²"}', NUMBER, "text, not a number: '5²'"),
        ('{"value":"0x1F"}', NUMBER, "text, not a number: '0x1F'"),
        ('{"value":"0xXY"}', {"text": "hex"}, "text, not a hexadecimal number: '0xXY'"),
        ('{"value":" "}', NUMBER, "an empty text, not a number"),
        ('{"value":"OK"}', NUMBER, "text, not a number: 'OK'"),
        ('{"value":"HALF"}', {"enumeration": {"ON": 1}}, "text, not in the enumeration: 'HALF'"),
        ("1.5;x", {"path": "1", "separator": ";"}, "text, not a number: 'x'"),
        ("1.5", {"path": "1", "separator": ";"}, "the list has no position 1"),
    ],
)
def test_any_other_text_is_bad_with_its_reason(payload, options, reason):
    assert read(payload, **options) == reason


def test_arabic_digits_are_not_taken_for_a_number():
    assert "not a number" in read('"\\u0661"', path="", **NUMBER)


@pytest.mark.parametrize(
    ("tag", "field", "message"),
    [
        ({"decimal": ","}, "decimal", "add `text: number`"),
        ({"text": "hex", "decimal": ","}, "decimal", "add `text: number`"),
        ({"path": "1", "separator": ",", "decimal": ","}, "decimal", "would look the same"),
        ({"separator": ";"}, "separator", "number of a column"),
        ({"path": "1", "separator": ";", "format": "senml"}, "format", "without a `separator`"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tag, field, message):
    tags = {"t": {"topic": "t"} | tag}
    with pytest.raises(ValidationError) as caught:
        MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    assert {error["loc"][-1]: message in error["msg"] for error in caught.value.errors()} == {
        field: True
    }


def test_a_payload_of_columns_has_its_time_in_one():
    tags = {"t": {"topic": "t", "path": "1", "separator": ";", "time_path": "0"}}
    tags["t"]["time_format"] = "%d.%m.%Y %H:%M:%S"
    options = MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    payload = b"01.01.2026 12:00:00;2.5"
    message = ReceivedMessage(10**18, "t", payload, len(payload), False)
    batch = Reader(plan_of(options), options, lambda *_, **__: None).batch([message])
    assert (batch.at[0], batch.value[0]) == (1_767_268_800 * 10**9, 2.5)
    assert json.dumps(dict(batch.reasons)) == "{}"
