"""RTU and ASCII frames, which carry no number of their request (pure).

Promises
- A response is accepted only if its checksum, unit, function code and length match the request, and
  if nothing follows it. Frames are never searched for in the middle of other bytes: that would
  invent values.
- A whole frame that belongs to another request, such as a late response, is skipped.
- Zeros from a bus whose driver changes direction are not part of a frame.
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
    """Length of a whole frame on the wire, without the headers of TCP/IP and TLS."""
    if transport in ("tcp", "tls"):
        return 7 + pdu_bytes
    if transport == "ascii_over_tcp":
        return 1 + 2 * (1 + pdu_bytes + 1) + 2
    return 1 + pdu_bytes + 2


@dataclass(frozen=True, slots=True)
class ExpectedResponse:
    """The response that a request must get: `data_bytes` of values, or an identification."""

    unit: int
    function: int
    data_bytes: int = 0

    def is_met_by(self, unit: int, pdu: bytes) -> bool:
        """True for exactly these values, or the device's exception instead of them."""
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
class ParsedFrames:
    """The `pdu`, or why there is none yet; `used` bytes have been consumed."""

    used: int = 0
    pdu: bytes = b""
    why: str = ""


FrameParser = Callable[[bytes, ExpectedResponse], ParsedFrames]


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc(body).to_bytes(2, "little")


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return b":" + (body + bytes((-sum(body) & 0xFF,))).hex().upper().encode() + b"\r\n"


def parse_rtu(buffer: bytes, expected: ExpectedResponse) -> ParsedFrames:
    """Parses all bytes received since the request was sent."""
    used = len(buffer) - len(buffer.lstrip(b"\0"))
    why = ""
    while len(rest := buffer[used:]) >= 5:
        size = _rtu_size(rest)
        if not size:
            return ParsedFrames(used, why="received garbage")
        if len(rest) < size:
            return ParsedFrames(used, why="received part of a response")
        if int.from_bytes(rest[size - 2 : size], "little") != crc(rest[: size - 2]):
            return ParsedFrames(used, why="received a wrong checksum")
        if expected.is_met_by(rest[0], rest[1 : size - 2]):
            return _only(rest, size, used, rest[1 : size - 2])
        why = _foreign(rest[0], rest[1 : size - 2], expected)
        used += size
    return ParsedFrames(used, why=why or ("received part of a response" if rest else ""))


def parse_ascii(buffer: bytes, expected: ExpectedResponse) -> ParsedFrames:
    """Parses all bytes received since the request was sent."""
    used, why = 0, ""
    while (start := buffer.find(b":", used)) >= 0:
        end = buffer.find(b"\r\n", start)
        if end < 0:
            return ParsedFrames(start, why="received part of a response")
        body = _unhex(buffer[start + 1 : end])
        if len(body) < 4 or sum(body) & 0xFF:
            why = "received a wrong checksum"
        elif expected.is_met_by(body[0], body[1:-1]):
            return _only(buffer[start:], end + 2 - start, start, body[1:-1])
        else:
            why = _foreign(body[0], body[1:-1], expected)
        used = end + 2
    return ParsedFrames(used, why=why or ("received garbage" if buffer else ""))


def _only(rest: bytes, size: int, used: int, pdu: bytes) -> ParsedFrames:
    if len(rest) > size:
        return ParsedFrames(used, why="received more than a response")
    return ParsedFrames(used + size, pdu)


def _foreign(unit: int, pdu: bytes, expected: ExpectedResponse) -> str:
    if unit != expected.unit:
        return f"received a response from unit {unit}"
    if pdu[0] & 0x7F != expected.function or expected.function == IDENTIFY:
        return f"received a response to function {pdu[0] & 0x7F}"
    return f"received {len(pdu) - 2} bytes of data instead of {expected.data_bytes}"


def _rtu_size(rest: bytes) -> int:
    """Length of the frame that begins here; 0 if it cannot be the response to a read."""
    if rest[1] & 0x80:
        return 5
    if rest[1] == IDENTIFY:
        return 3 + identification_bytes(rest[1:])
    return 5 + rest[2] if 1 <= rest[1] <= 4 else 0


def _unhex(text: bytes) -> bytes:
    try:
        # Not `bytes.fromhex`, which skips whitespace.
        return unhexlify(text)
    except ValueError:
        return b""


def crc(data: bytes) -> int:
    """The Modbus CRC-16; it is sent low byte first."""
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
