import asyncio
import json
from contextlib import asynccontextmanager

import aiomqtt
import pytest
import servers
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE

from gateway.api.alarms import Alarm, Severity
from gateway.api.contracts import Places
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_json import JsonAlarms
from gateway.sinks.mqtt_options import MqttSinkOptions

PLACES = Places(None, None, "demo", "skid")
ROOT = "andon/demo/skid"
AT = 1_700_000_000_000_000_001


def point(alarm="p.high", state="unacknowledged", *, active=True, n=0, **more):
    fields = {"id": f"guard.{alarm}-1", "alarm": alarm, "state": state, "active": active,
              "transition": "raised", "value": 7.5, "message": "p high"}  # fmt: skip
    tags = {"site": "demo", "line": "skid", "detector": "guard", "severity": "high"}
    return Point("andon_alert", tags, {**fields, **more}, AT + n)


OVER = {"state": "normal", "active": False, "transition": "returned"}


def envelopes(*points):
    return [Envelope(Kind.ALERT, each.at, encode(each)) for each in points]


def shown(alarms, *points):
    return [m for each in points for m in alarms.show(each, 0, is_superseded=False)]


def alarms(**options):
    return JsonAlarms(MqttSinkOptions(host="h", **options), PLACES)


# What is published ----------------------------------------------------------------------------


def test_a_transition_is_an_event_and_the_kept_state_of_its_alarm():
    event, state = shown(alarms(), point())
    assert (event.topic, event.qos, event.retain) == (f"{ROOT}/alarms/events", 1, False)
    assert (state.topic, state.qos, state.retain) == (
        f"{ROOT}/alarms/state/guard/p.high", 1, True
    )  # fmt: skip
    assert state.payload == event.payload
    assert json.loads(event.payload) == {
        "version": 1,
        "key": f"guard.p.high-1/raised/{AT}",
        "time": "2023-11-14T22:13:20.000000001Z",
        **point().tags,
        **point().fields,
    }


def test_causes_are_a_list_and_not_a_text():
    causes = [{"tag": "p", "share": 1.0, "actual": 7.5, "unit": "bar"}]
    (event, _) = shown(alarms(), point(causes=json.dumps(causes)))
    assert json.loads(event.payload)["causes"] == causes


@pytest.mark.parametrize(
    ("fields", "is_over"),
    [
        (OVER, True),
        ({"state": "suppressed_by_design", "active": False, "transition": "suppressed"}, True),
        ({"state": "suppressed_by_design", "active": True, "transition": "suppressed"}, False),
        ({"state": "returned_unacknowledged", "active": False}, False),
        ({"state": "shelved", "active": False, "transition": "shelved"}, False),
        ({"state": "out_of_service", "active": False}, False),
        ({"state": "latched_acknowledged", "active": False}, False),
    ],
)
def test_a_state_is_kept_until_nothing_of_the_alarm_is_left(fields, is_over):
    some = alarms()
    shown(some, point())
    _, state = shown(some, point(**fields))
    assert (state.payload == b"") is is_over
    assert state.retain


@pytest.mark.parametrize("over", [True, False])
def test_whether_an_alarm_is_over_is_known_from_its_point_and_not_from_its_state(over):
    some = alarms()
    returned = {"state": "suppressed_by_design", "active": False, "transition": "suppressed"}
    _, state = shown(some, point(**returned, over=over))
    assert (state.payload == b"") is over


def test_a_comment_on_what_is_over_leaves_the_state_of_what_came_again():
    some = alarms()
    shown(some, point())
    saved = some.checkpoint()
    (event,) = shown(some, point(**{**OVER, "transition": "commented", "id": "guard.p.high-0"}))
    assert event.topic.endswith("/events")
    assert some.checkpoint() == saved


def test_a_state_that_changes_again_at_once_is_not_kept():
    (event,) = alarms().show(point(), 0, is_superseded=True)
    assert event.topic.endswith("/events")


def test_a_name_cannot_add_a_level_or_a_wildcard_to_a_topic():
    event, state = shown(alarms(topic="x/{detector}/{severity}"), point("a/b+#"))
    assert event.topic == "x/guard/high"
    assert state.topic == f"{ROOT}/alarms/state/guard/a_b__"


def test_without_states_there_are_events_alone_and_no_will():
    some = alarms(states=False, retain=True, prefix="plant/{line}")
    assert some.begin(0) is None
    assert [*some.subscriptions, *some.opening(0), *some.closing(0)] == []
    (event,) = shown(some, point())
    assert (event.topic, event.retain) == ("plant/skid/alarms/events", True)


def test_a_checkpoint_is_the_same_object_until_something_changes_and_restores_the_states():
    some = alarms()
    shown(some, point())
    saved = some.checkpoint()
    assert some.checkpoint() is saved
    other = alarms()
    other.restore(saved)
    assert [m.topic for m in other.opening(0)] == [
        f"{ROOT}/alarms/state/guard/p.high", f"{ROOT}/status"
    ]  # fmt: skip
    shown(some, point(**OVER))
    assert some.checkpoint() != saved


def test_an_alarm_that_the_line_has_no_more_is_forgotten():
    some = alarms()
    shown(some, point("a"), point("b"))
    some.set_alarms({"guard": [Alarm("b", 1.0, Severity.HIGH)]})
    assert [m.topic.rpartition("/")[2] for m in some.opening(0)] == ["b", "status"]


def test_only_kept_states_of_this_line_are_cleared():
    some = alarms()
    mine = json.dumps({"site": "demo", "line": "skid"}).encode()
    for topic, payload, is_retained in (
        ("s/old", mine, True),
        ("s/echo", mine, False),
        ("s/other", json.dumps({"site": "demo", "line": "press"}).encode(), True),
        ("s/list", b"[1]", True),
        ("s/deep", b"[" * 60_000, True),
        ("s/long", mine + b" " * 65_536, True),
        ("s/text", b"\xff", True),
    ):
        assert some.receive(topic, payload, is_retained=is_retained) == ""
    assert [(m.topic, m.payload, m.retain) for m in some.due(0)] == [("s/old", b"", True)]
    assert some.due(0) == []


@given(st.binary(max_size=100) | st.recursive(st.none(), st.lists).map(json.dumps).map(str.encode))
def test_whatever_lies_below_the_states_is_left_alone(payload):
    some = alarms()
    assert some.receive(f"{ROOT}/alarms/state/x", payload, is_retained=True) == ""
    assert some.due(0) == []


# On a broker ----------------------------------------------------------------------------------


@pytest.fixture
def broker(tmp_path):
    with servers.mosquitto(tmp_path) as server:
        yield server


def new_sink(broker, **options):
    options = MqttSinkOptions(host="127.0.0.1", port=broker.port, timeout=f"{PATIENCE}s", **options)
    return MqttSink("panel", options, PLACES)


@asynccontextmanager
async def client(broker, topic="#"):
    async with aiomqtt.Client("127.0.0.1", broker.port) as connected:
        await connected.subscribe(topic, qos=1)
        yield connected


async def kept(broker):
    """What the broker keeps, by topic: a mark that is published last ends the list."""
    found = {}
    async with client(broker) as connected, asyncio.timeout(PATIENCE):
        await connected.publish("mark", b"1", qos=1)
        messages = aiter(connected.messages)
        while (message := await anext(messages)).topic.value != "mark":
            found[message.topic.value] = message.payload
    return found


def states(found):
    return {t.rpartition("/")[2]: json.loads(p)["state"] for t, p in found.items()
            if "/state/" in t}  # fmt: skip


async def test_states_follow_the_alarms_and_the_status_follows_the_connection(broker):
    sink = new_sink(broker)
    async with sink.open():
        await sink.write(envelopes(point("a"), point("b"), point("b", **OVER, n=1)))
        found = await kept(broker)
        assert states(found) == {"a": "unacknowledged"}
        assert found[f"{ROOT}/status"] == b"online"
        await sink.write(envelopes(point("a", **OVER, n=2)))
        assert states(await kept(broker)) == {}
    assert await kept(broker) == {f"{ROOT}/status": b"offline"}


async def test_a_connection_that_breaks_leaves_the_last_will(broker):
    sink = new_sink(broker)
    async with sink.open(), client(broker, f"{ROOT}/status") as watching:
        await sink.ping()
        messages = aiter(watching.messages)
        async with asyncio.timeout(PATIENCE):
            assert (await anext(messages)).payload == b"online"
            sink._link.client._client.socket().shutdown(2)
            assert (await anext(messages)).payload == b"offline"


async def test_a_broker_that_lost_everything_gets_the_states_again(broker):
    sink = new_sink(broker)
    async with sink.open():
        await sink.write(envelopes(point("a"), point("b", n=1)))
        await asyncio.to_thread(broker.stop)  # without persistence it forgets what it kept
        await asyncio.to_thread(broker.start)
        async with asyncio.timeout(PATIENCE):
            while not await _pings(sink):
                await asyncio.sleep(0.01)
        assert states(await kept(broker)) == {"a": "unacknowledged", "b": "unacknowledged"}


async def _pings(sink):
    from gateway.api.contracts import SinkUnavailable

    try:
        await sink.ping()
    except SinkUnavailable:
        return False
    return True


async def test_after_a_restart_the_kept_states_are_made_right(broker):
    first = new_sink(broker)
    async with first.open():
        await first.write(envelopes(point("a"), point("b", n=1), point("gone", n=2)))
    second = new_sink(broker)
    second.restore(first.checkpoint())
    second.set_alarms({"guard": [Alarm(name, 1.0, Severity.HIGH) for name in "ab"]})
    async with client(broker) as other:
        # Somebody cleared one of the states, and a neighbour keeps something there.
        await other.publish(f"{ROOT}/alarms/state/guard/a", b"", qos=1, retain=True)
        await other.publish(f"{ROOT}/alarms/state/note", b"do not touch", qos=1, retain=True)
    async with second.open():
        await second.ping()
        found = await kept(broker)
    assert found.pop(f"{ROOT}/alarms/state/note") == b"do not touch"
    assert states(found) == {"a": "unacknowledged", "b": "unacknowledged"}


async def test_a_kept_message_that_is_too_long_does_not_hold_up_alarms(broker):
    async with client(broker) as other:
        topic = f"{ROOT}/alarms/state/x"
        await other.publish(topic, b"x" * 1_100_000, qos=1, retain=True)
    from gateway.api.contracts import SinkUnavailable

    sink = new_sink(broker)
    async with sink.open():
        with pytest.raises(SinkUnavailable, match="more than the"):
            await sink.ping()
        await sink.write(envelopes(point("a")))
        found = await kept(broker)
    assert f"{ROOT}/alarms/state/guard/a" in found


async def test_a_broker_that_refuses_the_subscription_is_reported_and_gets_the_states(
    broker, monkeypatch, capsys
):
    sink = new_sink(broker)
    async with sink.open():
        await sink.write(envelopes(point("a")))
    again = new_sink(broker)
    again.restore(sink.checkpoint())

    async def refused(*_, **__):
        return (0x80,)

    async with client(broker) as other:
        await other.publish(f"{ROOT}/alarms/state/guard/a", b"", qos=1, retain=True)
        monkeypatch.setattr(aiomqtt.Client, "subscribe", refused)
        async with again.open():
            await again.ping()
            monkeypatch.undo()
            assert states(await kept(broker)) == {"a": "unacknowledged"}
    (said,) = again.diagnostics
    assert said.startswith(f"{ROOT}/alarms/state/#: the broker refuses to subscribe")
    assert "sink.not_subscribed" in capsys.readouterr().out


async def test_what_another_payload_remembered_is_reported_and_left(broker, capsys):
    sink = new_sink(broker)
    sink.restore(b"nonsense")
    assert "sink.memory_unusable" in capsys.readouterr().out
    assert [m.topic for m in sink._alarms.opening(0)] == [f"{ROOT}/status"]
