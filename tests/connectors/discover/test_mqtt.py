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
from connectors.discover.mqtt_file import listing, path_of, rounded
from connectors.discover.survey import BrokerSurvey
from connectors.mqtt.payloads import steps
from connectors.mqtt.receive_queue import ReceivedMessage
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
        ("plant/json", "/a.b/0", "iso"),
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
        "c  bytes, 1 message",
        "d  empty, 1 message",
        "e  text, 1 message",
        "spBv1.0/g/NCMD/n  empty, 1 message",
        "g/n  Sparkplug, 1 message: aliases without a birth",
    ]


def test_the_number_of_topics_is_limited():
    survey = surveyed(*((f"t/{n}", b"1") for n in range(5)), most=3)
    assert len(survey.numbers) == 3
    assert list(listing(survey))[-1] == "2 messages on further topics"


@pytest.mark.parametrize(
    "path", [(), ("a",), ("a", "0"), ("a.b",), ("/a", "~"), ("a/b",), ("", "x")]
)
def test_a_written_path_is_read_back_unchanged(path):
    assert steps(path_of(path)) == path


def test_a_period_is_rounded_to_a_common_one():
    assert [rounded(round(s * SECOND)) / SECOND for s in (0.19, 1.02, 9.6, 58, 9e9)] == [
        0.2,
        1,
        10,
        60,
        3600,
    ]
