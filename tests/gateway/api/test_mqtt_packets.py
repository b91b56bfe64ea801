import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_wire import PUBLISH, publish, user_properties, varying
from paho.mqtt import client as paho

from gateway.api.mqtt_packets import PacketGuard, without_properties

MOST = 100_000


class Reading(paho.Client):
    """paho's own reading of packets, from bytes instead of a socket."""

    def __init__(self, protocol=paho.MQTTv311):
        super().__init__(paho.CallbackAPIVersion.VERSION2, protocol=protocol)
        self.came, self.messages = b"", []
        self.on_message = lambda _client, _userdata, message: self.messages.append(message)

    def _sock_recv(self, bufsize):
        if not self.came:
            raise BlockingIOError
        data, self.came = self.came[:bufsize], self.came[bufsize:]
        return data

    def read(self, data):
        """What paho makes of these bytes, packet by packet, until one fails."""
        self.came = data
        while (result := self._packet_read()) == paho.MQTT_ERR_SUCCESS:
            pass
        return result


@pytest.fixture
def client():
    return Reading()


def test_a_message_within_the_limit_is_passed_on(client):
    guard = PacketGuard(client, MOST)
    client.read(publish("a/b", b"x" * 50_000))
    assert [len(message.payload) for message in client.messages] == [50_000]
    assert (guard.why, guard.too_long) == ("", None)


def test_a_message_that_announces_too_much_is_not_read_and_its_topic_is_named(client):
    guard = PacketGuard(client, MOST)
    result = client.read(publish("plant/giant", bytes(200), length=250_000_000))
    assert result == paho.MQTT_ERR_CONN_LOST
    assert guard.why == "a message on plant/giant has 250 MB, more than the 0.1 MB that are read"
    assert guard.too_long == "plant/giant"
    assert client.messages == []


def test_a_topic_that_did_not_come_with_its_header_is_not_known(client):
    guard = PacketGuard(client, MOST)
    client.read(publish("plant/giant", length=250_000_000)[:8])
    assert guard.too_long == ""
    assert guard.why == "a message has 250 MB, more than the 0.1 MB that are read"


def test_no_other_packet_may_be_long(client):
    guard = PacketGuard(client, MOST)
    assert client.read(b"\x90" + varying(20_000) + bytes(20_000)) == paho.MQTT_ERR_CONN_LOST
    assert guard.why == "the broker announces 0.02 MB where MQTT needs a few bytes"
    assert guard.too_long is None


def test_a_second_acceptance_ends_the_connection(client):
    guard = PacketGuard(client, MOST)
    client.read(b"\x20\x02\0\0")
    assert not guard.why
    assert client.read(b"\x20\x02\0\0") == paho.MQTT_ERR_PROTOCOL
    assert "accepted the connection twice" in guard.why


@pytest.mark.parametrize("topic", ["", b"\xff\xfe"])
def test_what_is_not_mqtt_ends_the_connection(client, topic):
    guard = PacketGuard(client, MOST)
    client.on_message = lambda _client, _userdata, message: message.topic
    assert client.read(publish(topic, b"1")) == paho.MQTT_ERR_PROTOCOL
    assert guard.why == "the broker sent something that is not MQTT"


def test_messages_that_the_broker_keeps_back_are_bounded_in_number_and_in_bytes(client):
    client._send_pubrec = lambda _mid: paho.MQTT_ERR_SUCCESS
    guard = PacketGuard(client, MOST)
    data = b"".join(publish("a", b"x", qos=2, number=n) for n in range(1, 2_000))
    assert client.read(data) == paho.MQTT_ERR_PROTOCOL
    assert len(client._in_messages) == 1_000
    assert "QoS 2" in guard.why
    client._in_messages.clear()
    data = b"".join(publish("a", bytes(40_000), qos=2, number=n) for n in range(1, 9))
    assert client.read(data) == paho.MQTT_ERR_PROTOCOL
    assert len(client._in_messages) == 3


def test_answers_that_the_broker_does_not_read_are_bounded(client):
    guard = PacketGuard(client, MOST)
    client._out_packet.extend([{}] * 10_001)
    assert client.read(publish("a", b"1")) == paho.MQTT_ERR_CONN_LOST
    assert "does not read the answers" in guard.why


def test_the_properties_of_a_message_are_skipped():
    client = Reading(paho.MQTTv5)
    PacketGuard(client, MOST)
    client.read(publish("a", b"payload", properties=user_properties(70_000)))
    (message,) = client.messages
    assert message.payload == b"payload"
    assert not hasattr(message.properties, "UserProperty")


@given(st.binary(max_size=50), st.binary(max_size=300), st.integers(0, 1))
def test_only_the_properties_of_a_message_go(topic, properties, qos):
    whole = publish(topic, b"payload", qos=qos, properties=properties)
    bare = publish(topic, b"payload", qos=qos, properties=b"")
    assert without_properties(PUBLISH | qos << 1, body(whole)) == body(bare)


@pytest.mark.parametrize("rest", [b"", b"\xff\xff\xff\xff\xff", b"\x05abc"])
def test_properties_that_do_not_fit_their_packet_are_refused(rest):
    with pytest.raises(ValueError, match="properties"):
        without_properties(PUBLISH, b"\0\1a" + rest)


def body(packet):
    at = 1
    while packet[at] & 0x80:
        at += 1
    return packet[at + 1 :]
