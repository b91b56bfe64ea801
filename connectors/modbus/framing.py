"""Frames of RTU and ASCII, which carry no number of the request they answer (pure).

Promises
- An answer is taken only if its checksum, its unit, its function code and its length are those of
  the request, and if nothing follows it. Nobody hunts for something like a frame in the middle of
  other bytes: that is how values are invented.
- A whole frame that is somebody else's, such as a late answer, is passed over.
- Zeros that a line makes when its driver turns round are no part of a frame.
"""

from binascii import unhexlify
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from connectors.modbus.connection import Transport
from connectors.modbus.identification import FUNCTION as IDENTIFY
from connectors.modbus.identification import MEI_TYPE
from connectors.modbus.identification import pdu_bytes as identification_bytes

REQUEST_PDU_BYTES = 5


def frame_bytes(transport: Transport, pdu_bytes: int) -> int:
    """Length of a whole frame on the wire; headers of TCP/IP and TLS not counted."""
    if transport in ("tcp", "tls"):
        return 7 + pdu_bytes
    if transport == "ascii_over_tcp":
        return 1 + 2 * (1 + pdu_bytes + 1) + 2
    return 1 + pdu_bytes + 2


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that one request must have: `data_bytes` of values, or an identification."""

    unit: int
    function: int
    data_bytes: int = 0

    def is_met_by(self, unit: int, pdu: bytes) -> bool:
        """Exactly these values, or the device's refusal to give them."""
        if unit != self.unit:
            return False
        if len(pdu) == 2:
            return pdu[0] == self.function | 0x80
        if self.function == IDENTIFY:
            return pdu[:2] == bytes((IDENTIFY, MEI_TYPE))
        return len(pdu) == 2 + self.data_bytes and pdu[:2] == bytes(
            (self.function, self.data_bytes)
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What was found: the `pdu`, or why there is none yet; `used` bytes are done with."""

    used: int = 0
    pdu: bytes = b""
    why: str = ""


Take = Callable[[bytes, Expected], Taken]


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc(body).to_bytes(2, "little")


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return b":" + (body + bytes((-sum(body) & 0xFF,))).hex().upper().encode() + b"\r\n"


def take_rtu(buffer: bytes, expected: Expected) -> Taken:
    """Look at all bytes since the request was sent."""
    used = len(buffer) - len(buffer.lstrip(b"\0"))
    why = ""
    while len(rest := buffer[used:]) >= 5:
        size = _rtu_size(rest)
        if not size:
            return Taken(used, why="garbage came")
        if len(rest) < size:
            return Taken(used, why="half an answer came")
        if int.from_bytes(rest[size - 2 : size], "little") != crc(rest[: size - 2]):
            return Taken(used, why="an answer with a wrong checksum came")
        if expected.is_met_by(rest[0], rest[1 : size - 2]):
            return _only(rest, size, used, rest[1 : size - 2])
        why = _foreign(rest[0], rest[1 : size - 2], expected)
        used += size
    return Taken(used, why=why or ("half an answer came" if rest else ""))


def take_ascii(buffer: bytes, expected: Expected) -> Taken:
    """Look at all bytes since the request was sent."""
    used, why = 0, ""
    while (start := buffer.find(b":", used)) >= 0:
        end = buffer.find(b"\r\n", start)
        if end < 0:
            return Taken(start, why="half an answer came")
        body = _unhex(buffer[start + 1 : end])
        if len(body) < 4 or sum(body) & 0xFF:
            why = "an answer with a wrong checksum came"
        elif expected.is_met_by(body[0], body[1:-1]):
            return _only(buffer[start:], end + 2 - start, start, body[1:-1])
        else:
            why = _foreign(body[0], body[1:-1], expected)
        used = end + 2
    return Taken(used, why=why or ("garbage came" if buffer else ""))


def _only(rest: bytes, size: int, used: int, pdu: bytes) -> Taken:
    if len(rest) > size:
        return Taken(used, why="more than an answer came")
    return Taken(used + size, pdu)


def _foreign(unit: int, pdu: bytes, expected: Expected) -> str:
    if unit != expected.unit:
        return f"unit {unit} answered instead"
    if pdu[0] & 0x7F != expected.function or expected.function == IDENTIFY:
        return f"an answer to function {pdu[0] & 0x7F} came"
    return f"an answer with {len(pdu) - 2} bytes of data instead of {expected.data_bytes} came"


def _rtu_size(rest: bytes) -> int:
    """Length of the frame that begins here; 0 if no answer to a read begins so."""
    if rest[1] & 0x80:
        return 5
    if rest[1] == IDENTIFY:
        return 3 + identification_bytes(rest[1:])
    return 5 + rest[2] if 1 <= rest[1] <= 4 else 0


def _unhex(text: bytes) -> bytes:
    try:
        # Not `bytes.fromhex`, which passes over spaces and line ends.
        return unhexlify(text)
    except ValueError:
        return b""


def crc(data: bytes) -> int:
    """CRC-16 of Modbus; it travels with its low byte first."""
    value, table = 0xFFFF, _crc_table()
    for byte in data:
        value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
    return value


@cache
def _crc_table() -> tuple[int, ...]:
    return tuple(_crc_of_byte(byte) for byte in range(256))


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return value
