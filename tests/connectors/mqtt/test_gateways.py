"""Payloads of public gateways and devices: each is read with its values and times, or says why not.

A row: the tag's options, the payload, and the samples: value (None if bad), time, reason.
"""

import json
import math

import pytest

from connectors.mqtt import MqttOptions
from connectors.mqtt.reader import Reader
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.topics import plan_of
from gateway.api.model import SECOND, Quality

NOON = 1_767_268_800  # 2026-01-01T12:00:00Z
MS = NOON * 1000
ISO = "2026-01-01T12:00:00Z"
NOW = (NOON + 1) * SECOND
AT = NOON * SECOND
IN_MS = {"time_format": "ms"}
SPEED = "Ch1.Dev1.Speed"
KEPWARE = {"path": f"values[id={SPEED}].v", "time_path": "t", "quality_path": "q"}
KEPWARE |= {"quality_good": [True]} | IN_MS


def kepware(*elements):
    return {"timestamp": MS, "values": list(elements)}


def element(name=SPEED, value=1121, at=MS, *, good=True):
    return {"id": name, "v": value, "q": good, "t": at}


TEMP = element("Ch1.Dev1.Temp", 55.5)
SENML = [
    {"bn": "urn:dev:ow:1:", "bt": NOON + 10, "n": "voltage", "u": "V", "v": 120.1},
    {"n": "current", "t": -10, "v": 1.2},
    {"n": "current", "v": 1.7},
]
SENML_TAG = {"format": "senml", "time_path": "t", "time_format": "s"}
PUBSUB = {
    "MessageId": "1",
    "Messages": [
        {"DataSetWriterId": 1, "Payload": {"rpm": {"Value": 7, "SourceTimestamp": ISO}}},
        {"DataSetWriterId": 2, "Payload": {"bar": {"Value": 3, "SourceTimestamp": ISO}}},
    ],
}
PUBLISHER = [
    {
        "NodeId": "nsu=urn:plc;s=Speed",
        "Value": {"Value": 7, "SourceTimestamp": ISO, "StatusCode": {"Symbol": "Good"}},
    },
    {"NodeId": "nsu=urn:plc;s=Temp", "Value": {"StatusCode": {"Symbol": "BadNoCommunication"}}},
]
SITEWISE = {
    "propertyAlias": "/press/speed",
    "propertyValues": [
        {
            "value": {"doubleValue": value},
            "timestamp": {"timeInSeconds": NOON + value, "offsetInNanos": 5},
            "quality": quality,
        }
        for value, quality in ((1, "GOOD"), (2, "BAD"))
    ],
}
NEURON = {
    "node": "modbus",
    "group": "g",
    "timestamp": MS,
    "values": {"speed": 7},
    "errors": {"temp": 2002},
}
ECP = {"timestamp": MS, "tags": [{"name": "speed", "value": 7}, {"name": "temp", "error": 2002}]}
TELEGRAF = {
    "metrics": [
        {"name": "cpu", "tags": {"cpu": "cpu0"}, "fields": {"idle": 91.5}, "timestamp": NOON},
        {"name": "cpu", "tags": {"cpu": "cpu1"}, "fields": {"idle": 80.5}, "timestamp": NOON},
        {"name": "mem", "tags": {}, "fields": {"free": 5}, "timestamp": NOON},
    ]
}
CPU1 = "[name=cpu][tags.cpu=cpu1].fields.idle"
TASMOTA = {"Time": "2026-01-01T13:00:00", "ENERGY": {"Power": 12, "Voltage": 229}}

CASES = {
    # A list of objects, of which only the changed ones are in it
    "kepware": (KEPWARE, kepware(TEMP, element()), [(1121, AT)]),
    "kepware: not in the list": (KEPWARE, kepware(TEMP), []),
    "kepware: empty": (KEPWARE, kepware(), []),
    "kepware: first": (KEPWARE, kepware(element(), TEMP), [(1121, AT)]),
    "kepware: bad": (KEPWARE, kepware(element(good=False)), [(None, AT, "quality false")]),
    "kepware: twice": (
        KEPWARE,
        kepware(element(value=1), element(value=2, at=MS + 500)),
        [(1, AT), (2, AT + SECOND // 2)],
    ),
    "kepware: twice without times": (
        {"path": KEPWARE["path"]},
        kepware(element(value=1), element(value=2)),
        [(2, NOW)],
    ),
    "kepware: time of the message": (
        {"path": KEPWARE["path"], "time_path": "/timestamp"} | IN_MS,
        kepware(element(at=5)),
        [(1121, AT)],
    ),
    "kepware: broken time": (
        KEPWARE,
        kepware(element(at="yesterday"), element(value=3)),
        [(None, NOW, "time cannot be read as ms: 'yesterday'"), (3, AT)],
    ),
    "kepware: time of the element that is not there": (
        {"path": KEPWARE["path"], "time_path": "timestamp"} | IN_MS,
        kepware(element()),
        [(None, NOW, "no time at its `time_path` in the element (from the document on, …")],
    ),
    "kepware: text instead of the list": (
        KEPWARE,
        {"values": "none"},
        [(None, NOW, "text: 'none', not a list")],
    ),
    "kepware: an element without a value": (
        KEPWARE,
        kepware({"id": SPEED, "q": False, "t": MS}),
        [(None, AT, "quality false")],
    ),
    "kepware: null": (KEPWARE, kepware(element(value=None)), [(None, AT, "null")]),
    "numeric ids": (
        {"path": "[channel=2].value"},
        [{"channel": 1, "value": 5}, {"channel": 2, "value": 6}, {"channel": 22, "value": 7}],
        [(6, NOW)],
    ),
    "several kinds of message on one topic": (
        {"path": "[sensor=b].v"},
        {"sensor": "a", "v": 1},
        [],
    ),
    # Several samples in a message
    "samples": (
        {"path": "[*].v", "time_path": "t"} | IN_MS,
        [{"t": MS, "v": 1}, {"t": MS + 1000, "v": 2}, {"t": MS + 2000}],
        [(1, AT), (2, AT + SECOND)],
    ),
    "one sample instead of a list": (
        {"path": "[*].v", "time_path": "t"} | IN_MS,
        {"t": MS, "v": 1},
        [(1, AT)],
    ),
    "pairs": (
        {"path": "[*].1", "time_path": "0"} | IN_MS,
        [[MS, 1], [MS + 1000, None]],
        [(1, AT), (None, AT + SECOND, "null")],
    ),
    "columns": (
        {"path": "v[*]", "time_path": "t[*]"} | IN_MS,
        {"t": [MS, MS + 1000], "v": [1, 2]},
        [(1, AT), (2, AT + SECOND)],
    ),
    "columns of different length": (
        {"path": "v[*]", "time_path": "t[*]"} | IN_MS,
        {"t": [MS], "v": [1, 2]},
        [(None, NOW, "no time: the lists of values and times differ in length")] * 2,
    ),
    "columns without values": (
        {"path": "v[*]", "time_path": "t[*]", "absent": "bad"} | IN_MS,
        {"t": [MS]},
        [(None, NOW, "not in the message")],
    ),
    "no columns": (
        {"path": "v[*]", "time_path": "t[*]"} | IN_MS,
        {"t": [MS], "v": "none"},
        [(None, NOW, "text: 'none', not a list")],
    ),
    "columns in bytes": (
        {"path": "v[*]", "time_path": "t[*]"} | IN_MS,
        "offline",
        [(None, NOW, "text: 'offline', not an object with `v`")],
    ),
    "columns of series": (
        {"path": "series[id=b].v[*]", "time_path": "t[*]"} | IN_MS,
        {"series": [{"id": "a", "t": [], "v": []}, {"id": "b", "t": [MS], "v": [3]}]},
        [(3, AT)],
    ),
    "a vector": ({"path": "acc.2"}, {"acc": [0.1, 0.2, 9.8]}, [(9.8, NOW)]),
    "a vector that is too short": (
        {"path": "acc.2"},
        {"acc": [0.1]},
        [(None, NOW, "the list has no position 2")],
    ),
    "fixed places": ({"path": "relays[1].power"}, {"relays": [{}, {"power": 4}]}, [(4, NOW)]),
    # Gateways and devices
    "neuron": (
        {"path": "values.speed", "error_path": "errors.speed", "time_path": "timestamp"} | IN_MS,
        NEURON,
        [(7, AT)],
    ),
    "neuron: error": (
        {"path": "values.temp", "error_path": "errors.temp", "time_path": "timestamp"} | IN_MS,
        NEURON,
        [(None, AT, "error 2002")],
    ),
    "neuron: absent": (
        {"path": "values.other", "error_path": "errors.other", "time_path": "timestamp"} | IN_MS,
        NEURON,
        [],
    ),
    "neuron ecp": (
        {"path": "tags[name=temp].value", "error_path": "error", "time_path": "/timestamp"} | IN_MS,
        ECP,
        [(None, AT, "error 2002")],
    ),
    "telegraf": (
        {"path": f"metrics{CPU1}", "time_path": "timestamp", "time_format": "s"},
        TELEGRAF,
        [(80.5, AT)],
    ),
    "telegraf, not in a batch": (
        {"path": CPU1, "time_path": "timestamp", "time_format": "s"},
        TELEGRAF["metrics"][1],
        [(80.5, AT)],
    ),
    "thingsboard": (
        {"path": "[*].values.temperature", "time_path": "ts"} | IN_MS,
        [{"ts": MS, "values": {"temperature": 42}}, {"ts": MS, "values": {"humidity": 80}}],
        [(42, AT)],
    ),
    "thingsboard gateway": (
        {"path": '["Device A"][*].values.temperature', "time_path": "ts"} | IN_MS,
        {"Device A": [{"ts": MS, "values": {"temperature": 42}}], "Device B": []},
        [(42, AT)],
    ),
    "opc publisher": (
        {
            "path": '[NodeId="nsu=urn:plc;s=Speed"].Value.Value',
            "time_path": "Value.SourceTimestamp",
            "time_format": "iso",
            "quality_path": "Value.StatusCode.Symbol",
            "quality_good": ["Good"],
        },
        PUBLISHER,
        [(7, AT)],
    ),
    "opc publisher: bad": (
        {
            "path": "[NodeId=nsu=urn:plc;s=Temp].Value.Value",
            "quality_path": "Value.StatusCode.Symbol",
            "quality_good": ["Good"],
        },
        PUBLISHER,
        [(None, NOW, "quality 'BadNoCommunication'")],
    ),
    "opc ua pubsub": (
        {
            "path": "Messages[*].Payload.bar.Value",
            "time_path": "Payload.bar.SourceTimestamp",
            "time_format": "iso",
        },
        PUBSUB,
        [(3, AT)],
    ),
    "sitewise": (
        {
            "path": "[propertyAlias=/press/speed].propertyValues[*].value.doubleValue",
            "time_path": "timestamp",
            "time_format": "s",
            "quality_path": "quality",
            "quality_good": ["GOOD"],
        },
        SITEWISE,
        [(1, AT + SECOND + 5), (None, AT + 2 * SECOND + 5, "quality 'BAD'")],
    ),
    "tasmota": (
        {
            "path": "ENERGY.Power",
            "time_path": "Time",
            "time_format": "iso",
            "timezone": "Europe/Berlin",
        },
        TASMOTA,
        [(12, AT)],
    ),
    "zigbee2mqtt": (
        {"path": "temperature", "time_path": "last_seen", "time_format": "iso"},
        {"temperature": 21.5, "linkquality": 90, "last_seen": ISO},
        [(21.5, AT)],
    ),
    "zigbee2mqtt: only what changed": ({"path": "temperature"}, {"linkquality": 90}, []),
    "zigbee2mqtt: state": (
        {"path": "state", "enumeration": {"ON": 1, "OFF": 0}},
        {"state": "ON"},
        [(1, NOW)],
    ),
    "losant": (
        {"path": "data.temp", "time_path": "time.$date", "time_format": "iso"},
        {"time": {"$date": ISO}, "data": {"temp": 3}},
        [(3, AT)],
    ),
    "cumulocity": (
        {"path": "c8y_Temperature.T.value", "time_path": "time", "time_format": "iso"},
        {"time": ISO, "type": "c8y", "c8y_Temperature": {"T": {"value": 25, "unit": "C"}}},
        [(25, AT)],
    ),
    "node-red: payload": ({"path": "payload"}, {"payload": 5, "_msgid": "a1"}, [(5, NOW)]),
    "home assistant": ({"path": "", "text": "number"}, "21.5", [(21.5, NOW)]),
    "home assistant: unavailable": (
        {"path": "", "text": "number"},
        "unavailable",
        [(None, NOW, "text, not a number: 'unavailable'")],
    ),
    "senml": (
        SENML_TAG | {"path": "[n=urn:dev:ow:1:current].v"},
        SENML,
        [(1.2, AT), (1.7, AT + 10 * SECOND)],
    ),
    "senml: times relative to now": (
        SENML_TAG | {"path": "[n=a].v"},
        [{"n": "a", "v": 1, "t": -1}, {"n": "a", "v": 2}],
        [(1, NOW - SECOND), (2, NOW)],
    ),
    "senml: base value": (
        SENML_TAG | {"path": "[n=a].v"},
        [{"bn": "a", "bv": 100, "bt": NOON, "v": 1}],
        [(101, AT)],
    ),
    "senml: boolean": (
        SENML_TAG | {"path": "[n=a].vb"},
        [{"bt": NOON}, {"n": "a", "vb": True}],
        [(1, AT)],
    ),
    "senml: an integer too large to add to": (
        SENML_TAG | {"path": "[n=a].v"},
        [{"n": "a", "bv": 0.5, "v": 10**400}, {"n": "a", "bv": 10**400, "v": 0.5}],
        [(None, NOW, "null"), (None, NOW, "null")],
    ),
    "senml: a time too large to add to": (
        SENML_TAG | {"path": "[n=a].v"},
        [{"n": "a", "v": 1, "t": -(10**400)}, {"bt": 0.5, "n": "a", "v": 1, "t": 10**400}],
        [(None, NOW, "time cannot be read as s: null")] * 2,
    ),
    "senml: no list": (SENML_TAG | {"path": "[n=a].v"}, {"n": "b"}, []),
}


def read(tag, payload):
    tags = {"t": {"topic": "t"} | tag}
    options = MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    body = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
    return reader(options).batch([ReceivedMessage(NOW, "t", body, len(body), False)])


def reader(options, events=None):
    def notify(event, /, **fields):
        if events is not None:
            events.append((event, fields))

    return Reader(plan_of(options), options, notify)


@pytest.mark.parametrize("name", CASES)
def test_a_payload_is_read_with_its_values_and_times(name):
    tag, payload, expected = CASES[name]
    batch = read(tag, payload)
    samples = [
        (None if math.isnan(value) else value, at)
        for value, at in zip(batch.value.tolist(), batch.at.tolist(), strict=True)
    ]
    assert samples == [(value, at) for value, at, *_ in expected]
    assert [quality == Quality.BAD for quality in batch.quality.tolist()] == [
        value is None for value, *_ in expected
    ]
    newest = max(expected, key=lambda each: each[1], default=())
    if len(newest) == 3:
        assert batch.reasons[0].startswith(newest[2].removesuffix("…"))
    elif len(newest) == 2:
        assert not batch.reasons


def test_elements_that_no_tag_reads_are_counted_and_named_once():
    tags = {"speed": {"topic": "t"} | KEPWARE}
    options = MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    events = []
    mine = reader(options, events)
    body = json.dumps(kepware(element(), TEMP, {"v": 1}, 7)).encode()
    message = ReceivedMessage(NOW, "t", body, len(body), False)
    assert [mine.batch([message]).unmatched for _ in range(2)] == [3, 3]
    assert [fields["element"] for event, fields in events] == ["'id=Ch1.Dev1.Temp'", "'no id'"]
    assert {event for event, _ in events} == {"mqtt.unmatched_element"}


def test_a_value_that_a_later_one_replaces_for_want_of_times_is_counted():
    batch = read({"path": KEPWARE["path"]}, kepware(element(value=1), element(value=2)))
    assert (batch.value.tolist(), batch.unmatched) == ([2], 1)


def test_a_tag_that_no_message_has_is_named_until_one_does():
    tags = {"a": {"topic": "t", "path": "a"}, "b": {"topic": "t", "path": "b"}}
    options = MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags})
    mine = reader(options)

    def send(payload):
        mine.batch([ReceivedMessage(NOW, "t", payload, len(payload), False)])
        return dict(mine.absent)

    assert [send(b'{"a": 1}') for _ in range(10)] == [{}] * 9 + [{1: "t"}]
    assert send(b'{"a": 1, "b": 2}') == {}
    assert send(b'{"a": 1}') == {}


def test_with_absent_bad_a_message_without_the_value_is_a_bad_sample():
    batch = read({"path": "temperature", "absent": "bad"}, {"linkquality": 90})
    assert batch.quality.tolist() == [Quality.BAD]
    assert batch.reasons == {0: "no `temperature` in the message"}


def test_a_place_in_a_list_of_objects_is_refused():
    with pytest.raises(ValueError, match=r"select by key, as in values\[id=NAME\]\.v"):
        read({"path": "values.0.v"}, kepware(TEMP))
