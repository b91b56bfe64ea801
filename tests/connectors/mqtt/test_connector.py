import asyncio
import gc
import json
import math
import signal
import time
from pathlib import Path

import pytest
import servers
from patience import PATIENCE

from connectors.mqtt import client
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import Quality

# After a failed handshake the library leaves its socket to the garbage collector.
LEAVES_A_SOCKET = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
NOON = 1_767_268_800 * 10**9


async def collected():
    await asyncio.sleep(0)  # the task that closed the connection is released
    gc.collect()


async def test_values_arrive_with_their_own_time_and_their_bytes(
    broker, connector, publish, samples
):
    tags = {"t": {"topic": "plant/t", "time_path": "at", "time_format": "iso"}}
    payload = b'{"value": 21.5, "at": "2026-01-01T12:00:00Z"}'
    async with connector(broker.port, tags).open() as batches:
        await publish(("plant/t", payload))
        rows, taken = await samples(batches, 1)
    assert rows == [(0, 21.5, Quality.GOOD, NOON)]
    assert taken[0].wire_bytes == len("plant/t") + len(payload)
    assert taken[0].lost == 0


async def test_without_its_own_time_a_sample_has_the_time_of_reception(
    broker, connector, publish, samples
):
    async with connector(broker.port, {"t": {"topic": "t", "path": ""}}).open() as batches:
        before = time.time_ns()
        await publish(("t", b"1.5"))
        rows, _ = await samples(batches, 1)
    ((_, value, quality, at),) = rows
    assert (value, quality) == (1.5, Quality.GOOD)
    assert before <= at <= time.time_ns()


async def test_two_tags_are_read_from_one_topic_and_other_topics_are_not(
    broker, connector, publish, samples
):
    tags = {
        "a": {"topic": "plant/both", "path": "a"},
        "c": {"topic": "plant/c"},
        "b": {"topic": "plant/both", "path": "b.0"},
    }
    async with connector(broker.port, tags).open() as batches:
        await publish(
            ("plant/other", b'{"value": 9}'),
            ("plant/both", b'{"a": 1, "b": [2]}'),
            ("plant/c", b'{"value": 3}'),
        )
        rows, _ = await samples(batches, 3)
    assert [(tag, value) for tag, value, _, _ in rows] == [(0, 1.0), (2, 2.0), (1, 3.0)]


async def test_queued_messages_come_in_one_batch(broker, connector, publish, samples):
    async with connector(broker.port, {"t": {"topic": "t", "path": ""}}).open() as batches:
        await publish(*(("t", str(n)) for n in range(50)), ("t", b"end"))
        rows, taken = await samples(batches, 51)
    assert [value for _, value, _, _ in rows[:50]] == list(range(50))
    assert len(taken) < 51


async def test_a_retained_message_is_uncertain_unless_its_own_time_is_recent(
    broker, connector, publish, samples
):
    def payload(at):
        return json.dumps({"value": 1, "at": at}).encode()

    young = time.time_ns()
    await publish(("young", payload(young)), ("old", payload(NOON)), retain=True)
    dated = {"time_path": "at", "time_format": "ns", "period": "1min"}
    tags = {
        "undated": {"topic": "young"},
        "young": {"topic": "young"} | dated,
        "old": {"topic": "old"} | dated,
    }
    async with connector(broker.port, tags).open() as batches:
        rows, _ = await samples(batches, 3)
        assert [(tag, quality) for tag, _, quality, _ in sorted(rows)] == [
            (0, Quality.UNCERTAIN),
            (1, Quality.GOOD),
            (2, Quality.UNCERTAIN),
        ]
        assert [at for *_, at in sorted(rows)][1:] == [young, NOON]
        await publish(("old", payload(NOON)), retain=True)
        rows, _ = await samples(batches, 1)
    assert rows[0][2:] == (Quality.GOOD, NOON)


async def test_a_wildcard_is_read_for_its_levels_and_topics_without_a_tag_are_counted(
    broker, connector, publish, samples, events
):
    tags = {
        "t": {"topic": "plant/+/t", "levels": {"north": "1", "south": "2"}, "path": ""},
        "power": {"topic": "plant/1/t", "path": ""},
    }
    async with connector(broker.port, tags).open() as batches:
        await publish(*((f"plant/{n}/t", str(n)) for n in (1, 3, 2, 3)))
        rows, taken = await samples(batches, 3)
    assert [(tag, value) for tag, value, *_ in rows] == [(0, 1.0), (2, 1.0), (1, 2.0)]
    assert sum(batch.unmatched for batch in taken) >= 1
    unmatched = [event for event in events if event["event"] == "mqtt.unmatched_topic"]
    assert [event["topic"] for event in unmatched] == ["plant/3/t"]


@pytest.mark.parametrize("protocol", ["3.1.1", 5])
async def test_a_kept_session_brings_the_messages_of_the_meantime_with_their_times(
    broker, connector, publish, samples, protocol
):
    tags = {"t": {"topic": "t", "time_path": "at", "time_format": "ns"}}
    kept = {"protocol": protocol, "session_expiry": "1h", "client_id": "andon-press-3"}
    source = connector(broker.port, tags, **kept)
    async with source.open():
        pass
    await publish(*(("t", json.dumps({"value": n, "at": NOON + n}).encode()) for n in range(5)))
    assert (await source.probe()).ok  # takes nothing away from the session
    async with source.open() as batches:
        rows, _ = await samples(batches, 5)
    assert [(value, at) for _, value, _, at in rows] == [(n, NOON + n) for n in range(5)]


async def test_without_it_the_messages_of_the_meantime_are_not_kept(
    broker, connector, publish, samples
):
    source = connector(broker.port, {"t": {"topic": "t"}}, protocol=5, client_id="andon")
    async with source.open():
        pass
    await publish(("t", b'{"value": 1}'))
    async with source.open() as batches:
        await publish(("t", b'{"value": 2}'))
        rows, _ = await samples(batches, 1)
    assert rows[0][1] == 2


async def test_bad_payloads_are_bad_samples_and_the_good_ones_between_them_are_good(
    broker, connector, publish, samples
):
    bad = [
        b"",
        b"\xff",
        b"{",
        b'{"value": NaN}',
        b'{"value": "1"}',
        b"[" * 200_000,
        b" " * 2_000_000,
    ]
    messages = [b'{"value": 1}', *bad, b'{"value": 2}']
    async with connector(broker.port, {"t": {"topic": "t"}}).open() as batches:
        await publish(*(("t", payload) for payload in messages))
        rows, _ = await samples(batches, len(messages))
    assert [row[2] for row in rows] == [Quality.GOOD, *[Quality.BAD] * 7, Quality.GOOD]
    assert [row[1] for row in rows if row[2] == Quality.GOOD] == [1, 2]
    assert all(math.isnan(row[1]) for row in rows if row[2] == Quality.BAD)


async def test_a_message_of_many_megabytes_is_not_sent_to_us_with_mqtt_5(
    broker, connector, publish, samples
):
    async with connector(broker.port, {"t": {"topic": "t"}}, protocol=5).open() as batches:
        await publish(("t", b" " * 20_000_000), ("t", b'{"value": 2}'))
        rows, taken = await samples(batches, 1)
    assert rows[0][1:3] == (2, Quality.GOOD)
    assert sum(batch.wire_bytes for batch in taken) < 1000


async def test_many_topics_are_all_subscribed_to(broker, connector, publish, samples):
    tags = {f"t{n}": {"topic": f"t/{n}", "path": ""} for n in range(50)}
    async with connector(broker.port, tags).open() as batches:
        await publish(*((f"t/{n}", str(n)) for n in range(50)))
        rows, _ = await samples(batches, 50)
    assert [(tag, value) for tag, value, _, _ in rows] == [(n, n) for n in range(50)]


async def test_a_broker_that_stops_is_lost_and_read_again_when_it_is_back(
    broker, connector, publish, samples
):
    source = connector(broker.port, {"t": {"topic": "t"}})
    async with source.open() as batches:
        await publish(("t", b'{"value": 1}'))
        await samples(batches, 1)
        broker.stop()
        with pytest.raises(SourceLost, match=f"127.0.0.1:{broker.port}: "):
            await asyncio.wait_for(anext(batches), PATIENCE)
    with pytest.raises(SourceLost, match="refused"):
        async with source.open():
            pytest.fail("no broker is listening")
    broker.start()
    async with source.open() as batches:
        await publish(("t", b'{"value": 2}'))
        rows, _ = await samples(batches, 1)
    assert rows[0][1] == 2


async def test_a_server_that_accepts_the_connection_and_sends_nothing_is_lost_in_time(
    accepting, connector, monkeypatch
):
    monkeypatch.setattr(client, "TIMEOUT_S", 0.5)
    async with accepting() as port:
        with pytest.raises(SourceLost, match=r"no connection within 0.5s|timed out"):
            async with asyncio.timeout(PATIENCE), connector(port, {"t": {"topic": "t"}}).open():
                pytest.fail("the server sent nothing")


async def test_disconnecting_from_a_frozen_broker_does_not_take_long(broker, connector):
    async with connector(broker.port, {"t": {"topic": "t"}}).open():
        broker.signal(signal.SIGSTOP)
        left = time.monotonic()
    # Long before the broker answers, or is given up.
    assert time.monotonic() - left < PATIENCE / 2


async def test_a_cancelled_connection_is_still_closed(accepting, connector, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", 1.0)
    async with accepting() as port:  # on exit it waits for the peer to close
        source = connector(port, {"t": {"topic": "t"}})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), source.open():
                pytest.fail("the server sent nothing")


async def test_a_broker_that_ends_between_two_reads_logs_nothing(broker, connector, caplog, events):
    async with connector(broker.port, {"t": {"topic": "t"}}).open() as batches:
        broker.stop()
        with pytest.raises(SourceLost):
            await anext(batches)
    gc.collect()
    assert (caplog.records, events) == ([], [])


@pytest.fixture
def closed_broker(tmp_path):
    # As root, mosquitto would switch to a user who cannot read the folder.
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    extra = f"user root\npassword_file {passwords}\nallow_anonymous false"
    with servers.mosquitto(tmp_path, extra) as server:
        yield server


async def test_a_refused_login_is_reported_without_the_password(
    closed_broker, connector, monkeypatch
):
    monkeypatch.setenv("BROKER_PASSWORD", "open-sesame")
    login = {"username": "andon", "password": "${env:BROKER_PASSWORD}"}
    source = connector(closed_broker.port, {"t": {"topic": "t"}}, **login)
    with pytest.raises(ConfigError, match=r"refuses us: not authorized \(user andon") as caught:
        async with source.open():
            pytest.fail("refused")
    assert "open-sesame" not in str(caught.value) + repr(source)


async def test_a_missing_secret_is_named(broker, connector, monkeypatch):
    monkeypatch.delenv("BROKER_PASSWORD", raising=False)
    login = {"username": "andon", "password": "${env:BROKER_PASSWORD}"}
    with pytest.raises(ConfigError, match="BROKER_PASSWORD is not set"):
        async with connector(broker.port, {"t": {"topic": "t"}}, **login).open():
            pytest.fail("no password")


async def test_a_missing_certificate_file_is_named(broker, connector, tmp_path):
    source = connector(
        broker.port, {"t": {"topic": "t"}}, config=tmp_path, tls={"ca": "authority.pem"}
    )
    with pytest.raises(ConfigError, match=r"authority\.pem"):
        async with source.open():
            pytest.fail("no certificate")


@LEAVES_A_SOCKET
async def test_a_broker_with_the_pinned_authority_is_read_encrypted_and_no_other_is(
    encrypted_broker, connector, tmp_path
):
    tags, port = {"t": {"topic": "t"}}, encrypted_broker.port
    trusting = connector(port, tags, config=tmp_path, tls={"ca": "ca.pem"})
    assert (await trusting.probe()).ok
    with pytest.raises(SourceLost, match="certificate verify failed"):
        async with connector(port, tags, tls={}).open():
            pytest.fail("not an authority of the system")
    await collected()


@LEAVES_A_SOCKET
async def test_there_is_no_fallback_to_an_unencrypted_connection(broker, connector):
    with pytest.raises(SourceLost):
        async with connector(broker.port, {"t": {"topic": "t"}}, tls={}).open():
            pytest.fail("in clear text")
    await collected()


@pytest.fixture
def guarded_broker(tmp_path):
    """Allows everyone to subscribe to `open`, and to nothing else."""
    servers.program("mosquitto")  # brings the plugin along
    (plugin,) = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    may = {"acltype": "subscribeLiteral", "topic": "open", "priority": 0, "allow": True}
    access = {"publishClientSend": True, "publishClientReceive": True, "unsubscribe": True}
    rules = {
        "defaultACLAccess": access | {"subscribe": False},
        "roles": [{"rolename": "reader", "acls": [may]}],
        "groups": [{"groupname": "anybody", "roles": [{"rolename": "reader"}]}],
        "anonymousGroup": "anybody",
    }
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(rules))
    extra = f"user root\nplugin {plugin}\nplugin_opt_config_file {path}"
    with servers.mosquitto(tmp_path, extra) as server:
        yield server


async def test_a_topic_that_the_broker_refuses_is_bad_and_the_others_are_read(
    guarded_broker, connector, samples, events
):
    tags = {"open": {"topic": "open", "path": ""}, "secret": {"topic": "secret"}}
    source = connector(guarded_broker.port, tags)
    async with source.open() as batches:
        rows, _ = await samples(batches, 1)
    assert [(tag, quality) for tag, _, quality, _ in rows] == [(1, Quality.BAD)]
    refused = [event for event in events if event["event"] == "mqtt.subscription_refused"]
    assert [event["topic"] for event in refused] == ["secret"]
    probe = await source.probe()
    assert not probe.ok
    assert probe.message == "connected, but the broker refuses to subscribe to secret"


async def test_a_probe_counts_the_tags_it_has_seen(broker, connector, publish):
    tags = {"a": {"topic": "a", "path": ""}, "b": {"topic": "b", "path": ""}}
    await publish(("a", b"1"), retain=True)
    probe = await connector(broker.port, tags).probe()
    assert probe.ok
    assert probe.message.endswith(
        "2 topics subscribed, 1 of 2 tags seen within 2 s; "
        "a: a message that the broker kept, of unknown age"
    )
    assert dict(probe.details) == {"topics": 2, "tags": 2, "seen": 1}


async def test_a_probe_ends_with_the_last_tag_and_disturbs_no_session(
    broker, connector, publish, samples
):
    source = connector(broker.port, {"a": {"topic": "a", "path": ""}})
    await publish(("a", b"1"), retain=True)
    async with source.open() as batches:
        await samples(batches, 1)
        probe = await source.probe()
        await publish(("a", b"2"))
        rows, _ = await samples(batches, 1)
    assert probe.ok
    assert "1 topic subscribed, 1 of 1 tags seen" in probe.message
    assert rows[0][1] == 2


async def test_a_probe_without_a_broker_fails(connector):
    probe = await connector(servers.free_port(), {"a": {"topic": "a"}}).probe()
    assert not probe.ok
    assert "refused" in probe.message


def kepware(*elements):
    """What a gateway sends that publishes only the tags that have changed."""
    values = [{"id": name, "v": value, "q": True, "t": NOON // 10**6} for name, value in elements]
    return json.dumps({"timestamp": NOON // 10**6, "values": values}).encode()


async def test_an_element_of_a_list_is_read_by_its_key_and_never_by_its_place(
    broker, connector, publish, samples, events
):
    near = {"time_path": "t", "time_format": "ms", "quality_path": "q", "quality_good": [True]}
    tags = {
        name: {"topic": "iotgateway", "path": f"values[id=Ch1.Dev1.{name}].v"} | near
        for name in ("Speed", "Temp")
    }
    speed, temp, other = ("Ch1.Dev1.Speed", 1121), ("Ch1.Dev1.Temp", 55.5), ("Ch1.Dev1.Level", 3)
    async with connector(broker.port, tags).open() as batches:
        for elements in ((speed, temp), (temp,), (temp, speed), (other, temp)):
            await publish(("iotgateway", kepware(*elements)))
        rows, taken = await samples(batches, 6)
    assert [row[1] for row in rows if row[0] == 0] == [1121, 1121]
    assert [row[1] for row in rows if row[0] == 1] == [55.5] * 4
    assert {row[2:] for row in rows} == {(Quality.GOOD, NOON)}
    assert sum(batch.unmatched for batch in taken) == 1
    unmatched = [event for event in events if event["event"] == "mqtt.unmatched_element"]
    assert [event["element"] for event in unmatched] == ["'id=Ch1.Dev1.Level'"]


async def test_a_tag_that_its_topic_does_not_have_is_named_in_status_and_probe(
    broker, connector, publish, samples, events
):
    tags = {"a": {"topic": "t", "path": "a"}, "b": {"topic": "t", "path": "valeu"}}
    source = connector(broker.port, tags)
    sentence = "b has not been in any message on t so far"
    async with source.open() as batches:
        await publish(*[("t", b'{"a": 1}')] * 10)
        await samples(batches, 10)
        assert source.diagnostics == [sentence]
        await publish(("t", b'{"valeu": 1}'))
        await samples(batches, 1)
        assert source.diagnostics == []
    assert [event["tag"] for event in events if event["event"] == "mqtt.tag_absent"] == ["b"]
    await publish(("t", b'{"a": 1}'), retain=True)
    assert sentence in (await source.probe()).message


async def test_numbers_and_times_in_text_are_read_where_the_file_asks_for_it(
    broker, connector, publish, samples
):
    timed = {"time_path": "at", "time_format": "%d.%m.%Y %H:%M:%S", "timezone": "Europe/Berlin"}
    tags = {
        "asked": {"topic": "t", "text": "number", "decimal": ",", "unit": "°C"} | timed,
        "not_asked": {"topic": "t"} | timed,
    }
    payload = '{"value": "12,5 °C", "at": "01.01.2026 13:00:00"}'.encode()
    async with connector(broker.port, tags).open() as batches:
        await publish(("t", payload))
        rows, taken = await samples(batches, 2)
    assert rows[0] == (0, 12.5, Quality.GOOD, NOON)
    assert (rows[1][2], rows[1][3]) == (Quality.BAD, NOON)
    assert taken[0].reasons == {1: "text, not a number: '99,9 °C' (9: a digit)"}


async def test_a_refused_topic_gives_its_reason(guarded_broker, connector, samples):
    async with connector(guarded_broker.port, {"secret": {"topic": "secret"}}).open() as batches:
        _, taken = await samples(batches, 1)
    assert taken[0].reasons == {0: "the broker refuses to subscribe to its topic"}
