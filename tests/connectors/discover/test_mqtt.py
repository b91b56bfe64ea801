"""Against a real broker: the numbers in messages become a line file that `andon check` accepts."""

import asyncio
import json
import time

import aiomqtt
import pytest
import servers
import sparkplug
from click.testing import CliRunner
from sparkplug import DOUBLE, INT32, STRING, edge_node

from connectors.discover.command import discover
from connectors.discover.mqtt import source_settings
from connectors.discover.mqtt_file import line_file, listing, rounded
from connectors.discover.survey import BrokerSurvey
from connectors.mqtt.reader import Reader
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.topics import plan_of
from gateway.api.model import SECOND
from gateway.config.load import load

NOW = 1_767_268_800 * SECOND


@pytest.fixture
def broker(tmp_path):
    with servers.mosquitto(tmp_path, "log_type all") as server:
        yield server


async def run(*words):
    return await asyncio.to_thread(CliRunner().invoke, discover, ["mqtt", *map(str, words)])


async def keep_publishing(port, *messages):
    """Publishes every 0.2 s until it is cancelled."""
    async with aiomqtt.Client("127.0.0.1", port) as client, edge_node(port) as node:
        while True:
            for topic, payload in messages:
                await client.publish(topic, payload)
            await node.birth(sparkplug.metric("Line/Flow", 2.5, DOUBLE, alias=1))
            await node.say("DBIRTH", sparkplug.metric("Speed", -7, INT32), device="pump-1")
            await node.say("NDATA", sparkplug.metric("Mode", "AUTO", STRING))
            await asyncio.sleep(0.2)


async def test_numbers_json_and_sparkplug_become_tags_that_are_accepted(broker, tmp_path):
    file = tmp_path / "line.yaml"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    document = {"value": 21.5, "at": now, "a.b": [1], "unit": "C"}
    messages = (("plant/plain", "1.5"), ("plant/json", json.dumps(document)), ("plant/text", "hi"))
    elements = [{"id": "Speed", "v": 7, "q": True, "t": time.time_ns() // 10**6}]
    messages += (("plant/list", json.dumps({"values": elements})),)
    publishing = asyncio.create_task(keep_publishing(broker.port, *messages))

    done = await run(f"mqtt://127.0.0.1:{broker.port}", "--for", "1500ms", "-o", file)

    publishing.cancel()
    assert done.exit_code == 0, done.output
    tags = load(file).sources["broker"].tags
    read = {
        (tag.topic or tag.sparkplug, tag.metric or tag.path, tag.time_format)
        for tag in tags.values()
    }
    assert read == {
        ("plant/plain", "", None),
        ("plant/json", "value", "iso"),
        ("plant/json", '["a.b"].0', "iso"),
        ("plant/list", "values[id=Speed].v", "ms"),
        ("plant/edge", "Line/Flow", None),
        ("plant/edge/pump-1", "Speed", None),
    }
    assert {tag.period for tag in tags.values() if tag.topic} == {SECOND // 5}
    assert {tag.period for tag in tags.values() if tag.metric} == {None}
    assert "plant/text  text" in done.output
    log = (tmp_path / "server.log").read_text()
    assert "Received SUBSCRIBE from andon-discover" in log
    assert "Received PUBLISH from andon" not in log


async def test_topics_with_the_names_of_other_types_become_tags(broker, tmp_path):
    names = ("null", "true", "Yes", "off", "~", "1e3", "0x1f", "12:30", "2026-01-31", "007", "<<")
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for number, name in enumerate(names):
            await client.publish(name, number, retain=True)
    file = tmp_path / "line.yaml"

    done = await run(f"mqtt://127.0.0.1:{broker.port}", "--for", "1s", "-o", file)

    assert done.exit_code == 0, done.output
    assert {tag.topic for tag in load(file).sources["broker"].tags.values()} == set(names)


async def test_only_the_given_topics_are_subscribed_to(broker):
    publishing = asyncio.create_task(keep_publishing(broker.port, ("a/x", "1"), ("b/x", "2")))

    done = await run(f"127.0.0.1:{broker.port}", "--for", "1s", "--topic", "a/#")

    publishing.cancel()
    assert 'topic: "a/x"' in done.stdout
    assert "b/x" not in done.output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["mqtt://127.0.0.1:1"], 1, "refused"),
        (["http://h"], 1, "is not a broker's URL"),
        (["mqtt://u:p@h"], 1, "does not belong in the URL"),
        (["mqtt://h:99999"], 1, "from 1 to 65535"),
        (["h", "--password", "x", "--username", "u"], 1, "clear text"),
        (["h", "--for", "30"], 2, "is not a duration"),
    ],
)
async def test_wrong_arguments_have_a_readable_error(words, code, message):
    done = await run(*words)
    assert done.exit_code == code
    assert message in done.output


async def test_a_broker_without_messages_is_reported(broker):
    done = await run(f"127.0.0.1:{broker.port}", "--for", "500ms")
    assert done.exit_code == 1
    assert "no number was received within 500ms" in done.output


def surveyed(*messages, most=10):
    survey = BrokerSurvey(most)
    for number, (topic, payload) in enumerate(messages):
        at, size = NOW + number * SECOND, len(topic) + len(payload)
        survey.add(ReceivedMessage(at, topic, payload, size, False))
    return survey


def test_the_list_describes_each_topic():
    aliases = sparkplug.payload(sparkplug.metric(None, 1.0, DOUBLE, alias=1), seq=0)
    survey = surveyed(
        ("a", b"1"),
        ("b", b'{"t": 1767268800000, "v": true, "w": {"x": [2]}}'),
        ("c", b"\xff"),
        ("d", b""),
        ("e", b"[" * 5000),
        ("spBv1.0/g/NDATA/n", aliases),
        ("spBv1.0/g/NCMD/n", b""),
    )
    assert list(listing(survey)) == [
        "a  number, 1 message: the payload = 1",
        "b  JSON, 1 message: v = 1, w.x.0 = 2, t = its time (ms)",
        "c  not in UTF-8, 1 message",
        "d  empty, 1 message",
        "e  JSON that is nested too deeply, 1 message",
        "spBv1.0/g/NCMD/n  empty, 1 message",
        "g/n  Sparkplug, 1 message: aliases without a birth",
    ]


def test_the_number_of_topics_is_limited():
    survey = surveyed(*((f"t/{n}", b"1") for n in range(5)), most=3)
    assert len(survey.numbers) == 3
    assert list(listing(survey))[-1] == "2 messages on further topics"


def test_a_period_is_rounded_to_a_common_one():
    assert [rounded(round(s * SECOND)) / SECOND for s in (0.19, 1.02, 9.6, 58, 9e9)] == [
        0.2,
        1,
        10,
        60,
        3600,
    ]


MS, ISO = NOW // 10**6, "2026-01-01T12:00:00Z"
KEPWARE = [
    {"id": "Ch1.Dev1.Speed", "v": 1121, "q": True, "t": MS},
    {"id": "Ch1.Dev1.Temp", "v": 55.5, "q": True, "t": MS},
]
NEAR = {"time_path": "t", "time_format": "ms", "quality_path": "q", "quality_good": [True]}
# The payload, and for each proposed path its value and further options.
PAYLOADS = {
    "kepware": (
        {"timestamp": MS, "values": KEPWARE},
        {
            "values[id=Ch1.Dev1.Speed].v": (1121, NEAR),
            "values[id=Ch1.Dev1.Temp].v": (55.5, NEAR),
        },
    ),
    "time of the message": (
        {"timestamp": MS, "values": [{"id": 7, "v": 1}, {"id": 8, "v": 2}]},
        {
            f"values[id={n}].v": (n - 6, {"time_path": "/timestamp", "time_format": "ms"})
            for n in (7, 8)
        },
    ),
    "neuron": (
        {"node": "n", "group": "g", "timestamp": MS, "values": {"a": 1}, "errors": {}},
        {"values.a": (1, {"time_path": "timestamp", "time_format": "ms"})},
    ),
    "telegraf": (
        {
            "metrics": [
                {"name": "cpu", "tags": {"cpu": f"cpu{n}"}, "fields": {"idle": n}, "timestamp": MS}
                for n in range(2)
            ]
        },
        {
            f"metrics[name=cpu][tags.cpu=cpu{n}].fields.idle": (
                n,
                {"time_path": "timestamp", "time_format": "ms"},
            )
            for n in range(2)
        },
    ),
    "thingsboard": (
        {"Device A": [{"ts": MS, "values": {"t": 4}}, {"ts": MS + 1000, "values": {"t": 5}}]},
        {"Device A[*].values.t": (5, {"time_path": "ts", "time_format": "ms"})},
    ),
    "opc publisher": (
        [
            {
                "NodeId": "nsu=urn:plc;s=Speed",
                "Value": {"Value": 7, "SourceTimestamp": ISO, "StatusCode": {"Symbol": "Good"}},
            }
        ],
        {
            "[NodeId=nsu=urn:plc;s=Speed].Value.Value": (
                7,
                {
                    "time_path": "Value.SourceTimestamp",
                    "time_format": "iso",
                    "quality_path": "Value.StatusCode.Symbol",
                    "quality_good": ["Good"],
                },
            )
        },
    ),
    "senml": (
        [{"bn": "urn:1:", "bt": NOW // SECOND, "n": "a", "v": 3}, {"n": "b", "vb": True}],
        {
            path: (value, {"format": "senml", "time_path": "t", "time_format": "s"})
            for path, value in (("[n=urn:1:a].v", 3), ("[n=urn:1:b].vb", 1))
        },
    ),
    "pairs": ([[MS, 1], [MS + 1, 2]], {"[*].1": (2, {"time_path": "0", "time_format": "ms"})}),
    "a vector": (
        {"acc": [0.5, 1, 9.8]},
        {f"acc.{n}": (v, {}) for n, v in enumerate((0.5, 1, 9.8))},
    ),
    "quality by number": (
        {"value": 3, "quality": 192, "ts": MS},
        {
            "value": (
                3,
                {
                    "time_path": "ts",
                    "time_format": "ms",
                    "quality_path": "quality",
                    "quality_good": [192],
                },
            )
        },
    ),
    "a flow called q and a temperature called t": (
        {"p": 3.5, "q": 17.5, "t": 21.5},
        {"p": (3.5, {}), "q": (17.5, {}), "t": (21.5, {})},
    ),
    "text": (
        {"value": "21.5", "flow": "12,5", "air": "20.5 °C", "state": "OK", "order": "00123"},
        {
            "value": (21.5, {"text": "number"}),
            "flow": (12.5, {"text": "number", "decimal": ","}),
            "air": (20.5, {"text": "number", "unit": "°C"}),
        },
    ),
    "several times": (
        {"ServerTimestamp": ISO, "SourceTimestamp": ISO, "Value": 1},
        {"Value": (1, {"time_path": "SourceTimestamp", "time_format": "iso"})},
    ),
    "keys that need quotes": (
        {"a.b": {"0": {"c[1]": 5}}},
        {'["a.b"]["0"]["c[1]"]': (5, {})},
    ),
}


def proposed(document):
    survey = surveyed(("t", json.dumps(document).encode()))
    return survey, {
        location.field: survey.topics["t"].options[location.field] for location in survey.numbers
    }


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_is_proposed_is_read_back_with_its_value(name, tmp_path):
    document, expected = PAYLOADS[name]
    survey, _ = proposed(document)
    file = tmp_path / "line.yaml"
    file.write_text(line_file({"type": "mqtt", "host": "h"}, survey, 99), encoding="utf-8")
    options = load(file).sources["broker"]
    tags = list(options.tags.values())
    assert [tag.path for tag in tags] == list(expected)

    body = json.dumps(document).encode()
    message = ReceivedMessage(NOW, "t", body, len(body), False)
    batch = Reader(plan_of(options), options, lambda *_, **__: None).batch([message])
    assert batch.reasons == {}
    last = dict(zip(batch.tag.tolist(), batch.value.tolist(), strict=True))
    assert [last[at] for at in range(len(tags))] == [value for value, _ in expected.values()]
    for tag, (_, more) in zip(tags, expected.values(), strict=True):
        assert {key: getattr(tag, key) for key in more} == more
        assert (tag.time_path is not None) is ("time_path" in more)
        assert (tag.quality_path is not None) is ("quality_path" in more)


@pytest.mark.parametrize(
    ("document", "note"),
    [
        ([{"v": 1}, {"v": 2}], "the payload is a list whose elements have no key"),
        ({"x": [{"v": 1.5}]}, "x is a list whose elements have no key"),
        ({"x": [1, {"id": 3}]}, "x is a list whose elements have no key"),
        ({"x": [0] * 17}, "x is a list of 17 numbers"),
        ({"v": 1, "time": "2026-01-01T12:00:00"}, "time is a time without a zone"),
    ],
)
def test_what_is_left_out_or_has_to_be_added_is_named(document, note, tmp_path):
    survey, _ = proposed(document)
    assert note in "\n".join(listing(survey))
    text = line_file({"type": "mqtt", "host": "h"}, survey, 99)
    assert f"# t: {note}" in text


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "the payload is empty"),
        (b"RUN", "a text; a tag with `enumeration:` reads it"),
        (b'{"state": "RUN"}', "JSON without a number"),
        (b'{"state": ', "broken JSON"),
        (b"\xff\x01", "not in UTF-8"),
    ],
)
def test_a_topic_that_cannot_be_proposed_has_a_comment(payload, why):
    survey = surveyed(("odd", payload), ("t", b"1"))
    (comment,) = [
        row
        for row in line_file({"type": "mqtt", "host": "h"}, survey, 99).splitlines()
        if row.startswith("# odd")
    ]
    assert comment.startswith("# odd: not proposed: ")
    assert comment.endswith(why)


def test_an_edge_node_of_which_nothing_can_be_proposed_has_a_comment():
    alias = sparkplug.payload(sparkplug.metric(None, 1, sparkplug.INT32, alias=7), seq=1)
    text = sparkplug.payload(sparkplug.metric("Mode", "AUTO", sparkplug.STRING), seq=1)
    survey = surveyed(("spBv1.0/g/NDATA/a", alias), ("spBv1.0/g/NDATA/b", text))
    written = line_file({"type": "mqtt", "host": "h"}, survey, 99)
    assert "# g/a: not proposed: its metrics have aliases, and no birth came" in written
    assert "# g/b: not proposed: none of its metrics is a number" in written


def test_a_note_on_an_odd_topic_stays_a_comment():
    survey = surveyed(("a\nb: c", b'[{"v": 1}, {"v": 2}]'), ("t", b"1"))
    text = line_file({"type": "mqtt", "host": "h"}, survey, 99)
    assert [row for row in text.splitlines() if row.startswith("b: c")] == []


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("ws://h/mqtt", {"host": "h", "transport": "websockets", "path": "/mqtt"}),
        ("wss://h:8084", {"host": "h", "port": 8084, "transport": "websockets", "tls": {}}),
    ],
)
def test_a_websocket_is_written_by_its_parts(url, settings, tmp_path):
    given = dict.fromkeys(("username", "password", "ca"))
    assert source_settings(url, given, tmp_path) == {"type": "mqtt"} | settings
