import asyncio
from contextlib import asynccontextmanager

import aiomqtt
import pytest
import servers
import sparkplug
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE

from connectors.mqtt.connector import MqttConnector, MqttOptions
from gateway.api.alarms import Alarm, Severity
from gateway.api.contracts import Places, SinkRejected
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point, Quality
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_options import MqttSinkOptions
from gateway.sinks.mqtt_sparkplug import SparkplugAlarms

PLACES = Places(None, None, "demo", "skid")
NOW, AT = 1_700_000_100_000_000_000, 1_700_000_000_123_456_789
ALARMS = {"guard": [Alarm("a", 1.0, Severity.HIGH), Alarm("b", 1.0, Severity.LOW)]}
NODE = "spBv1.0/demo/{}/skid"


def point(alarm="a", state="unacknowledged", *, active=True, n=0, **more):
    fields = {"id": f"guard.{alarm}-1", "alarm": alarm, "state": state, "active": active,
              "transition": "raised", "value": 7.5, "threshold": 5.0,
              "message": "A high"}  # fmt: skip
    tags = {"site": "demo", "line": "skid", "detector": "guard", "severity": "high"}
    return Point("andon_alert", tags, {**fields, **more}, AT + n)


OVER = {"state": "normal", "active": False, "transition": "returned"}


def envelopes(*points):
    return [Envelope(Kind.ALERT, each.at, encode(each)) for each in points]


def node(**options):
    alarms = SparkplugAlarms(MqttSinkOptions(host="h", payload="sparkplug", **options), PLACES)
    alarms.set_alarms(ALARMS)
    return alarms


def bd_seq(message):
    return sparkplug.decoded(message.payload)["metrics"]["bdSeq"]["value"]


def rebirth(value=True, name="Node Control/Rebirth"):
    return sparkplug.payload(sparkplug.metric(name, value, sparkplug.BOOLEAN), at=1)


# What is published ----------------------------------------------------------------------------


def test_a_connection_begins_with_the_births_and_their_death_is_the_will():
    alarms = node()
    will = alarms.begin(NOW)
    node_birth, device_birth = alarms.opening(NOW)
    assert (will.topic, will.qos, will.retain) == (NODE.format("NDEATH"), 1, False)
    assert (node_birth.topic, node_birth.qos, node_birth.retain) == (
        NODE.format("NBIRTH"), 0, False
    )  # fmt: skip
    assert (device_birth.topic, device_birth.qos) == (NODE.format("DBIRTH") + "/andon", 0)
    death, birth = sparkplug.decoded(will.payload), sparkplug.decoded(node_birth.payload)
    assert "seq" not in death
    assert death["metrics"].keys() == {"bdSeq"}
    assert (bd_seq(will), bd_seq(node_birth), birth["seq"]) == (0, 0, 0)
    assert birth["metrics"]["Node Control/Rebirth"]["value"] is False
    assert all(metric["timestamp"] == NOW // 10**6 for metric in birth["metrics"].values())


def test_the_birth_of_the_device_has_every_alarm_also_one_that_is_normal():
    alarms = node()
    alarms.begin(NOW)
    born = sparkplug.decoded(alarms.opening(NOW)[1].payload)
    assert born["seq"] == 1
    shown = {name: (m["value"], m["datatype"]) for name, m in born["metrics"].items()}
    assert shown == {
        **{f"alarms/guard/{name}/state": ("normal", 12) for name in "ab"},
        **{f"alarms/guard/{name}/active": (False, 11) for name in "ab"},
        **{f"alarms/guard/{name}/message": ("", 12) for name in "ab"},
        **{f"alarms/guard/{name}/value": (None, 10) for name in "ab"},
        "alarms/guard/a/severity": ("high", 12),
        "alarms/guard/b/severity": ("low", 12),
    }
    assert all(metric["timestamp"] for metric in born["metrics"].values())
    assert born["metrics"]["alarms/guard/a/value"]["null"] == 1


def test_a_transition_is_data_with_its_own_time_and_the_rest_as_properties():
    alarms = node()
    alarms.begin(NOW)
    alarms.opening(NOW)
    (data,) = alarms.show(point(by="anna", reason="seen"), NOW, is_superseded=False)
    assert (data.topic, data.qos, data.retain) == (NODE.format("DDATA") + "/andon", 0, False)
    found = sparkplug.decoded(data.payload)
    assert (found["seq"], found["timestamp"]) == (2, NOW // 10**6)
    metrics = {name.rpartition("/")[2]: m for name, m in found["metrics"].items()}
    assert {name: m["value"] for name, m in metrics.items()} == {
        "state": "unacknowledged",
        "active": True,
        "severity": "high",
        "message": "A high",
        "value": 7.5,
    }
    assert {m["timestamp"] for m in metrics.values()} == {AT // 10**6}
    assert not any("historical" in m for m in metrics.values())
    assert metrics["state"]["properties"] == {
        "key": f"guard.a-1/raised/{AT}",
        "id": "guard.a-1",
        "transition": "raised",
        "by": "anna",
        "reason": "seen",
        "threshold": 5.0,
    }


def test_what_is_superseded_at_once_is_historical():
    alarms = node()
    (data,) = alarms.show(point(), NOW, is_superseded=True)
    assert {m["historical"] for m in sparkplug.decoded(data.payload)["metrics"].values()} == {1}


def test_a_comment_on_what_is_over_is_historical_and_changes_no_birth():
    alarms = node()
    alarms.begin(NOW)
    alarms.opening(NOW)
    alarms.show(point(), NOW, is_superseded=False)
    past = point(**{**OVER, "transition": "commented", "id": "guard.a-0"})
    (data,) = alarms.show(past, NOW, is_superseded=False)
    state = sparkplug.decoded(data.payload)["metrics"]["alarms/guard/a/state"]
    assert (state["value"], state["historical"]) == ("normal", True)
    born = sparkplug.decoded(alarms.opening(NOW)[1].payload)["metrics"]
    assert born["alarms/guard/a/state"]["value"] == "unacknowledged"


def test_an_alarm_that_no_birth_had_is_born_before_its_data():
    alarms = node()
    birth, data = alarms.show(point("new"), NOW, is_superseded=False)
    assert "/DBIRTH/" in birth.topic
    assert "/DDATA/" in data.topic
    names = sparkplug.decoded(birth.payload)["metrics"]
    assert "alarms/guard/new/state" in names
    assert "alarms/guard/a/state" in names


def test_the_sequence_wraps_and_begins_again_with_each_birth():
    alarms = node()
    alarms.begin(NOW)
    births = alarms.opening(NOW)
    seqs = [sparkplug.decoded(each.payload)["seq"] for each in births]
    for n in range(300):
        (data,) = alarms.show(point(n=n), NOW, is_superseded=False)
        seqs.append(sparkplug.decoded(data.payload)["seq"])
    assert seqs == [n % 256 for n in range(302)]
    assert sparkplug.decoded(alarms.opening(NOW)[0].payload)["seq"] == 0


def test_each_connection_has_the_next_bd_seq_also_after_a_restart():
    alarms = node()
    seen = [bd_seq(alarms.begin(NOW)) for _ in range(255)]
    again = node()
    again.restore(alarms.checkpoint())
    seen += [bd_seq(again.begin(NOW)) for _ in range(2)]
    assert seen == [*range(256), 0]
    assert bd_seq(again.closing(NOW)[0]) == 0


def test_a_restart_remembers_the_alarms_and_forgets_those_that_exist_no_more():
    alarms = node()
    alarms.show(point("a"), NOW, is_superseded=False)
    alarms.show(point("gone"), NOW, is_superseded=False)
    saved = alarms.checkpoint()
    assert alarms.checkpoint() is saved
    again = SparkplugAlarms(MqttSinkOptions(host="h", payload="sparkplug"), PLACES)
    again.restore(saved)
    again.set_alarms(ALARMS)
    again.begin(NOW)
    metrics = sparkplug.decoded(again.opening(NOW)[1].payload)["metrics"]
    states = {name: m["value"] for name, m in metrics.items() if name.endswith("/state")}
    assert states == {
        "alarms/guard/a/state": "unacknowledged",
        "alarms/guard/b/state": "normal",
    }
    assert metrics["alarms/guard/a/state"]["timestamp"] == AT // 10**6


def test_ids_are_options_with_the_names_of_the_line():
    alarms = node(group="Plant {site}", node="andon-{line}", device="Alarms")
    will = alarms.begin(NOW)
    assert will.topic == "spBv1.0/Plant demo/NDEATH/andon-skid"
    assert alarms.subscriptions == [("spBv1.0/Plant demo/NCMD/andon-skid", 1)]
    assert alarms.opening(NOW)[1].topic == "spBv1.0/Plant demo/DBIRTH/andon-skid/Alarms"


@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        (rebirth(value=False), "not Node Control/Rebirth = false"),
        (rebirth(name="Node Control/Reboot"), "not Node Control/Reboot"),
        (rebirth(name="alarms/guard/a/state"), "not alarms/guard/a/state"),
        (sparkplug.payload(*[sparkplug.metric(n, True, 11) for n in "ab"]), "not a, b"),
        (b"\xff\xff", "what is no Sparkplug command"),
        (b"", "what is no Sparkplug command"),
        (sparkplug.payload(sparkplug.part(1, 2, b"\xff\xfe")), "not UTF-8"),
        (rebirth() + bytes(70_000), "what is no Sparkplug command"),
    ],
)
def test_every_other_command_is_refused_in_words(payload, refused):
    alarms = node()
    said = alarms.receive("spBv1.0/demo/NCMD/skid", payload, is_retained=False)
    assert refused in said
    assert said.startswith("only Node Control/Rebirth = true is accepted")
    assert alarms.due(NOW) == []


@given(st.binary(max_size=200))
def test_no_bytes_of_a_command_do_anything_but_be_refused(payload):
    alarms = node()
    said = alarms.receive("spBv1.0/demo/NCMD/skid", payload, is_retained=False)
    assert said.startswith("only Node Control/Rebirth = true is accepted")
    assert alarms.due(NOW) == []


def test_a_rebirth_is_answered_once_with_the_same_bd_seq():
    alarms = node()
    alarms.begin(NOW)
    alarms.opening(NOW)
    for _ in range(3):
        assert alarms.receive("spBv1.0/demo/NCMD/skid", rebirth(), is_retained=False) == ""
    birth, device = alarms.due(NOW)
    assert (bd_seq(birth), sparkplug.decoded(birth.payload)["seq"]) == (0, 0)
    assert "/DBIRTH/" in device.topic
    assert alarms.due(NOW) == []


# On a broker ----------------------------------------------------------------------------------


@pytest.fixture
def broker(tmp_path):
    with servers.mosquitto(tmp_path) as server:
        yield server


def new_sink(broker, **options):
    given = {"host": "127.0.0.1", "port": broker.port, "timeout": f"{PATIENCE}s"}
    sink = MqttSink("scada", MqttSinkOptions(payload="sparkplug", **given, **options), PLACES)
    sink.set_alarms(ALARMS)
    return sink


@asynccontextmanager
async def host(broker):
    """A host that reads everything, with the decoder of the tests."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("spBv1.0/#", qos=1)
        yield client, aiter(client.messages)


async def read(messages, count):
    async with asyncio.timeout(PATIENCE):
        found = [await anext(messages) for _ in range(count)]
    return [(m.topic.value.split("/")[2], sparkplug.decoded(m.payload)) for m in found]


async def test_a_host_sees_births_data_and_the_death_with_unbroken_numbers(broker):
    sink = new_sink(broker)
    async with host(broker) as (_, messages):
        async with sink.open():
            await sink.ping()
            await sink.write(envelopes(point(), point(**OVER, n=1), point("b", n=2)))
        found = await read(messages, 6)
    kinds = [kind for kind, _ in found]
    assert kinds == ["NBIRTH", "DBIRTH", "DDATA", "DDATA", "DDATA", "NDEATH"]
    assert [payload.get("seq") for _, payload in found] == [0, 1, 2, 3, 4, None]
    raised = found[2][1]["metrics"]["alarms/guard/a/state"]
    assert (raised["value"], raised["historical"]) == ("unacknowledged", 1)
    assert "historical" not in found[3][1]["metrics"]["alarms/guard/a/state"]


async def test_a_host_gets_a_rebirth_within_seconds_and_no_other_command_does_anything(broker):
    sink = new_sink(broker)
    assert sink.ping_every == 1.0
    async with host(broker) as (client, messages), sink.open():
        await sink.write(envelopes(point()))
        await read(messages, 3)
        for payload in (rebirth(name="Node Control/Reboot"), rebirth()):
            await client.publish("spBv1.0/demo/NCMD/skid", payload, qos=1)
        await read(messages, 2)  # the commands, which the host reads too
        async with asyncio.timeout(PATIENCE):
            while not sink._alarms._is_rebirth_due:
                await asyncio.sleep(0.01)
        await sink.ping()
        found = await read(messages, 2)
    (said,) = sink.diagnostics
    assert said.startswith("1 command refused: only Node Control/Rebirth = true is accepted")
    assert [(kind, payload["seq"]) for kind, payload in found] == [("NBIRTH", 0), ("DBIRTH", 1)]
    assert found[1][1]["metrics"]["alarms/guard/a/state"]["value"] == "unacknowledged"


async def test_a_lost_connection_is_a_death_and_the_next_birth_has_the_next_number(broker):
    sink = new_sink(broker)
    async with host(broker) as (_, messages), sink.open():
        await sink.write(envelopes(point()))
        await read(messages, 3)
        sink._link.client._client.socket().shutdown(2)
        ((kind, death),) = await read(messages, 1)
        assert (kind, death["metrics"]["bdSeq"]["value"]) == ("NDEATH", 0)
        async with asyncio.timeout(PATIENCE):
            while not sink._link.ended.done():
                await asyncio.sleep(0.01)
        await sink.write(envelopes(point(**OVER, n=1)))
        found = await read(messages, 3)
    assert [kind for kind, _ in found] == ["NBIRTH", "DBIRTH", "DDATA"]
    assert found[0][1]["metrics"]["bdSeq"]["value"] == 1
    states = [payload["metrics"]["alarms/guard/a/state"]["value"] for _, payload in found[1:]]
    assert states == ["unacknowledged", "normal"]


async def test_what_is_no_alarm_is_named(broker):
    sink = new_sink(broker)
    other = Point("andon_alert", {"site": "demo"}, {"x": 1.0}, AT)
    async with sink.open():
        with pytest.raises(SinkRejected, match="not a transition") as refused:
            await sink.write([*envelopes(other, point()), Envelope(Kind.ALERT, 1, b"x")])
    assert refused.value.which == (0, 2)


async def test_andons_own_source_reads_the_alarms_as_tags(broker):
    tags = {
        "active": {"sparkplug": "demo/skid/andon", "metric": "alarms/guard/a/active"},
        "value": {"sparkplug": "demo/skid/andon", "metric": "alarms/guard/a/value"},
        "state": {
            "sparkplug": "demo/skid/andon",
            "metric": "alarms/guard/a/state",
            "enumeration": {"normal": 0, "unacknowledged": 1},
        },
    }
    options = MqttOptions(type="mqtt", host="127.0.0.1", port=broker.port, tags=tags)
    declared = MqttConnector.declared_tags("scada", options)
    names = [tag.name for tag in declared]
    newest = {}

    async def follow(batches, wanted):
        async with asyncio.timeout(PATIENCE):
            while newest != wanted:
                batch = await anext(batches)
                for tag, value, quality in zip(batch.tag, batch.value, batch.quality, strict=True):
                    is_good = quality == Quality.GOOD
                    newest[names[tag]] = float(value) if is_good else Quality(quality).name

    sink = new_sink(broker)
    async with MqttConnector("scada", options, declared, PLACES).open() as reading:
        batches = aiter(reading)
        async with sink.open():
            await sink.write(envelopes(point()))
            await follow(batches, {"active": 1.0, "value": 7.5, "state": 1.0})
            await sink.write(envelopes(point(**{**OVER, "value": 4.0}, n=1)))
            await follow(batches, {"active": 0.0, "value": 4.0, "state": 0.0})
        await follow(batches, {"active": "BAD", "value": "BAD", "state": "BAD"})
