"""What a broker may send: bounds around the socket of a paho client.

paho reads a packet to its end whatever length it announces, decodes every property of it, and keeps
answers that are not fetched. It has no option for any of these, so its two inner methods that read
and handle a packet are wrapped.

Promises
- A packet that announces more than `most` bytes ends the connection before it is read, and so does
  a packet of any other kind than PUBLISH that announces more than 16 KiB.
- The properties of a message are skipped unread: they are not used, and reading them takes paho a
  time that grows with the square of their number.
- A broker that does not fetch our answers, or keeps back too many messages of QoS 2, or sends what
  is not MQTT, is left.
- `why` says in words what ended the connection; it is empty if the guard did not end it.
"""

from typing import Any

CONNACK, PUBLISH = 0x20, 0x30
_MQTT_5 = 5
_OTHER_THAN_MESSAGE = 16 * 1024
_MOST_UNSENT = 10_000
"""Answers that wait until the broker reads them."""
_MOST_HELD = 1_000
"""Messages of QoS 2 that the broker has not released yet."""
_LONGEST_TOPIC = 1_024
"""Bytes of a topic that are looked at to name it."""


class PacketGuard:
    """Watches what a paho client reads.

    `too_long` has the topic of a message that was too long, empty if it is not known; else None.
    """

    def __init__(self, paho: Any, most: int) -> None:
        from paho.mqtt.enums import MQTTErrorCode

        self.why = ""
        self.too_long: str | None = None
        self._paho, self._most = paho, most
        self._refusal = MQTTErrorCode.MQTT_ERR_PROTOCOL
        self._is_greeted = False
        # There is no public way.
        self._receive, self._handle = paho._sock_recv, paho._packet_handle  # noqa: SLF001
        paho._sock_recv, paho._packet_handle = self.receive, self.handle  # noqa: SLF001

    def receive(self, count: int) -> bytes:
        """What came, at most `count` bytes: 1 of a header, else all that a packet announces."""
        kind = self._packet["command"] & 0xF0
        if count > (self._most if kind == PUBLISH else _OTHER_THAN_MESSAGE):
            self.why = self._too_long(kind, count)
        elif len(self._paho._out_packet) > _MOST_UNSENT:  # noqa: SLF001
            self.why = "the broker sends requests and does not read the answers"
        else:
            received: bytes = self._receive(count)
            return received
        raise ConnectionAbortedError(self.why)

    def handle(self) -> Any:
        """Handles the packet that was read; paho closes the connection if that fails."""
        command = self._packet["command"]
        try:
            self.why = self._objection(command)
            if not self.why:
                if command & 0xF0 == PUBLISH and self._paho.protocol == _MQTT_5:
                    whole = bytes(self._packet["packet"])
                    self._packet["packet"] = without_properties(command, whole)
                result = self._handle()
                # A login that is refused has an error of its own.
                if result != self._refusal or command & 0xF0 == CONNACK:
                    return result
        except Exception:  # noqa: BLE001 - paho and aiomqtt fail in many ways on what is no MQTT
            self.why = ""
        self.why = self.why or "the broker sent something that is not MQTT"
        return self._refusal

    @property
    def _packet(self) -> Any:
        return self._paho._in_packet  # noqa: SLF001 - there is no public way

    def _objection(self, command: int) -> str:
        if command & 0xF0 == CONNACK:
            if self._is_greeted:
                return "the broker accepted the connection twice, which is not MQTT"
            self._is_greeted = True
        if command & 0xF6 == PUBLISH | 4:  # QoS 2
            held = self._paho._in_messages.values()  # noqa: SLF001 - as above
            if len(held) >= _MOST_HELD or sum(len(each.payload) for each in held) > self._most:
                return "the broker keeps back too many messages of QoS 2: request QoS 1"
        return ""

    def _too_long(self, kind: int, count: int) -> str:
        if kind != PUBLISH:
            return f"the broker announces {_size(count)} where MQTT needs a few bytes"
        self.too_long = self._topic(count)
        on = f" on {self.too_long[:200]}" if self.too_long else ""
        return f"a message{on} has {_size(count)}, more than the {_size(self._most)} that are read"

    def _topic(self, count: int) -> str:
        """The topic of the message that is announced, if it came with its header; else empty."""
        try:
            head = self._receive(min(count, 2 + _LONGEST_TOPIC))
        except OSError:
            return ""
        end = 2 + int.from_bytes(head[:2], "big")
        return head[2:end].decode(errors="replace") if len(head) >= end else ""


def without_properties(command: int, packet: bytes) -> bytes:
    """A PUBLISH packet of MQTT 5 without its properties; ValueError if it is none."""
    at = 2 + int.from_bytes(packet[:2], "big") + (2 if command & 0x06 else 0)
    length = 0
    for place, byte in enumerate(packet[at : at + 4]):
        length |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            rest = at + place + 1 + length
            break
    else:
        raise ValueError("the length of the properties has no end")
    if rest > len(packet):
        raise ValueError("the properties are longer than the packet")
    return packet[:at] + b"\0" + packet[rest:]


def _size(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count / 1e6:.3g} MB"
