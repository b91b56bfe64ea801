"""Frames of Modbus on the wire: how requests are built, and what answers are compared with (pure).

`tcp_frames`, `rtu_frames` and `ascii_frames` look for the answer in the bytes received.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from connectors.modbus.connection import Transport
from connectors.modbus.identification import FUNCTION as IDENTIFY
from connectors.modbus.identification import MEI_TYPE
from connectors.modbus.tolerance import PLACEHOLDER_UNITS, Deviation, Tolerance

REQUEST_PDU_BYTES = 5
OWN_REQUEST = "our own request came back"
ONLY_OWN_REQUEST = "only our own request came back"


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

    def is_met_by(self, unit: int, pdu: bytes, others: frozenset[int] = frozenset()) -> bool:
        """True for exactly these values, or the device's exception instead of them.

        `others` are units that may answer for this one.
        """
        if unit != self.unit and unit not in others:
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
    """The `pdu`, or `why` there is none yet; `used` bytes have been consumed.

    `option` is what `tolerate` would have to name to accept it; `borne` are the deviations that
    were tolerated in accepting it, and `frame` is the frame without stray bytes. With a `pdu`,
    `why` says what is wrong with it.
    """

    used: int = 0
    pdu: bytes = b""
    why: str = ""
    option: Deviation | None = None
    borne: tuple[Deviation, ...] = ()
    frame: bytes = b""


FrameParser = Callable[[bytes, ExpectedResponse, bytes, Tolerance], ParsedFrames]
"""Takes all bytes received since the request was sent, and the request's frame as it was sent."""


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    header = (transaction, 0, len(pdu) + 1)
    return b"".join(part.to_bytes(2, "big") for part in header) + bytes((unit,)) + pdu


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc(body).to_bytes(2, "little")


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return b":" + (body + bytes((-sum(body) & 0xFF,))).hex().upper().encode() + b"\r\n"


def mismatch(unit: int, pdu: bytes, expected: ExpectedResponse) -> tuple[str, Deviation | None]:
    """What is wrong with a whole frame that does not meet the request, and the option to bear it.

    Only the unit can be borne: the rest must be right.
    """
    if pdu[:1] and pdu[0] & 0x7F != expected.function:
        what = "an exception" if pdu[0] & 0x80 else "an answer"
        return f"{what} to function {pdu[0] & 0x7F} came for function {expected.function}", None
    if expected.function != IDENTIFY and not expected.is_met_by(expected.unit, pdu):
        return f"{len(pdu) - 2} bytes of data came instead of {expected.data_bytes}", None
    return wrong_unit(unit, expected)


def wrong_unit(unit: int, expected: ExpectedResponse) -> tuple[str, Deviation | None]:
    """The same for a frame of which only the unit is wrong."""
    why = f"unit {unit} answered for unit {expected.unit}"
    return why, "unit_id" if unit in PLACEHOLDER_UNITS else None


def stray(data: bytes, where: str) -> str:
    """'a stray byte 00 after the answer'."""
    shown = data[:8].hex(" ") + (" …" if len(data) > 8 else "")
    what = f"a stray byte {shown}" if len(data) == 1 else f"{len(data)} stray bytes {shown}"
    return f"{what} {where} the answer"


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
