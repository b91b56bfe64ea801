"""Answers falsified on their way, as the proxy's `change` wants them (pure).

A Modbus answer is taken apart and put together again, so that its header or checksum is right and
only what is meant to be wrong is wrong. Streams of OPC UA and MQTT are falsified message by
message where the fault is in a message, and piece by piece where bytes are missing.
"""

import random
import struct

from connectors.modbus.framing import rtu_frame

_OPCUA_TYPE = 24
"""Where the id of the response's type stands: after message, channel and sequence header."""
_OPCUA_RESPONSE_HEADER = 24
_BROWSE_RESPONSE = 530


def modbus(kind, lie):
    """`lie` takes unit and PDU and returns others; `kind` is tcp or rtu."""
    return (lambda data: _rtu(data, lie)) if kind == "rtu" else (lambda data: _tcp(data, lie))


def _tcp(data, lie):
    unit, pdu = lie(data[6], data[7:])
    return data[:4] + struct.pack(">HB", len(pdu) + 1, unit) + pdu


def _rtu(data, lie):
    return rtu_frame(*lie(data[0], data[1:-2]))


def shorter(unit, pdu):
    """One register less than was asked for; of what has none, the last byte is missing."""
    if len(pdu) < 4:
        return unit, pdu[:-1]
    return unit, bytes((pdu[0], pdu[1] - 2)) + pdu[2:-2]


def longer(unit, pdu):
    """One register more than was asked for."""
    return unit, bytes((pdu[0], pdu[1] + 2)) + pdu[2:] + b"\0\7"


def other_transaction(data):
    """Modbus TCP: the number of a request that nobody made."""
    return struct.pack(">H", struct.unpack_from(">H", data)[0] ^ 0x5555) + data[2:]


def other_function(unit, pdu):
    return unit, bytes((pdu[0] + 1,)) + pdu[1:]


def other_unit(unit, pdu):
    return unit + 1, pdu


def device_failure(unit, pdu):
    return unit, bytes((pdu[0] | 0x80, 4))


def cut_short(data):
    """The last bytes of what came are missing."""
    return data[:-2]


def drawn_out(data):
    """What came has more bytes than it says."""
    return data + b"\0\7"


def garbage(data):
    """As many bytes, at random, always the same ones for one length."""
    return random.Random(len(data)).randbytes(len(data))


def other_response(data):
    """OPC UA: each response is an empty one to Browse, with the number of the right request."""
    kind, nothing = struct.pack("<BBH", 1, 0, _BROWSE_RESPONSE), struct.pack("<ii", 0, 0)

    def lie(message):
        head = message[_OPCUA_TYPE + 4 : _OPCUA_TYPE + 4 + _OPCUA_RESPONSE_HEADER]
        return message[:_OPCUA_TYPE] + kind + head + nothing

    return _each_message(data, lie)


def other_request(data):
    """OPC UA: each response has the number of a request that nobody made."""

    def lie(message):
        number = struct.pack("<I", 1_000_000)
        return message[: _OPCUA_TYPE - 4] + number + message[_OPCUA_TYPE:]

    return _each_message(data, lie)


def _each_message(data, lie):
    pieces = []
    while len(data) >= 8:
        size = struct.unpack_from("<I", data, 4)[0]
        message, data = data[:size], data[size:]
        if message[:3] == b"MSG":
            message = lie(message)
            message = message[:4] + struct.pack("<I", len(message)) + message[8:]
        pieces.append(message)
    return b"".join(pieces) + data


def other_packet(data):
    """MQTT: the first packet of what came says that it is of another kind."""
    return bytes((data[0] ^ 0x40,)) + data[1:]
