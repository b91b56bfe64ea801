"""Finds the answer to a request in the bytes received on RTU (pure).

Promises
- An answer is accepted only if its checksum, unit, function code and length match the request, and
  if nothing follows it.
- Our own request is never taken for an answer, even where it would pass for one: the request for 20
  coils from 0x03AA on has the form of an answer with three bytes of values.
- A whole frame that belongs to another request, such as a late answer, is skipped.
- Zeros from a bus whose driver changes direction are not part of a frame.
- With `tolerate: [stray_bytes]` a frame may begin within the first few bytes and may be followed by
  a few, unless those hold another frame: then it is not known which one is the answer.
"""

from dataclasses import replace

from connectors.modbus.framing import (
    ONLY_OWN_REQUEST,
    OWN_REQUEST,
    ExpectedResponse,
    ParsedFrames,
    crc,
    mismatch,
    stray,
)
from connectors.modbus.identification import FUNCTION as IDENTIFY
from connectors.modbus.identification import pdu_bytes as identification_bytes
from connectors.modbus.tolerance import MAX_STRAY, Deviation, Tolerance

_SHORTEST = 5


def parse_rtu(
    buffer: bytes, expected: ExpectedResponse, sent: bytes, tolerance: Tolerance
) -> ParsedFrames:
    """Parses all bytes received since the request `sent` was sent."""
    used = _first(buffer)
    echo = _echo(buffer, used, sent, tolerance)
    if echo < 0:
        parsed = _answer(buffer[used:], expected, sent, tolerance)
        # The last zero may be the unit of a frame of which the rest is still to come.
        is_open = not (parsed.pdu or parsed.used)
        return replace(parsed, used=max(0, used - 1) if is_open else used + parsed.used)
    if not tolerance.bears("echo"):
        return ParsedFrames(why=OWN_REQUEST, option="echo")
    borne: tuple[Deviation, ...] = ("echo",) if echo <= used else ("echo", "stray_bytes")
    used = echo + len(sent)
    used += _first(buffer[used:])
    parsed = _answer(buffer[used:], expected, b"", tolerance)
    # Until the answer is there the echo stays in the buffer: it comes only once.
    if not parsed.pdu:
        return replace(parsed, used=0, why=parsed.why or ONLY_OWN_REQUEST)
    return replace(parsed, used=used + parsed.used, borne=borne + parsed.borne)


def _echo(buffer: bytes, zeros: int, sent: bytes, tolerance: Tolerance) -> int:
    """Where our own request begins; -1 if it did not come back."""
    if not sent:
        return -1
    at = buffer.find(sent, 0, zeros + MAX_STRAY + len(sent))
    return at if at <= zeros or tolerance.bears("stray_bytes") else -1


def _answer(
    rest: bytes, expected: ExpectedResponse, sent: bytes, tolerance: Tolerance
) -> ParsedFrames:
    used, why = 0, ""
    option: Deviation | None = None
    while len(frame := rest[used:]) >= _SHORTEST:
        if sent.startswith(frame):
            # Perhaps our own request, of which the rest is still to come.
            break
        size = _size(frame)
        if not _is_whole(frame, size):
            return _behind_strays(frame, used, expected, sent, tolerance)
        pdu = frame[1 : size - 2]
        if expected.is_met_by(frame[0], pdu, tolerance.units):
            return _alone(frame, used, 0, size, expected, tolerance)
        why, option = mismatch(frame[0], pdu, expected)
        used += size
    return ParsedFrames(used, why=why or _part(rest), option=option)


def _behind_strays(
    rest: bytes, used: int, expected: ExpectedResponse, sent: bytes, tolerance: Tolerance
) -> ParsedFrames:
    """The answer behind stray bytes, or why these bytes are not one."""
    for at in range(1, min(MAX_STRAY, len(rest) - _SHORTEST) + 1):
        frame = rest[at:]
        size = _size(frame)
        if sent and sent.startswith(frame[: len(sent)]):
            break
        if _is_whole(frame, size) and expected.is_met_by(
            frame[0], frame[1 : size - 2], tolerance.units
        ):
            if not tolerance.bears("stray_bytes"):
                return ParsedFrames(used, why=stray(rest[:at], "before"), option="stray_bytes")
            return _alone(frame, used + at, at, size, expected, tolerance)
    size = _size(rest)
    if size and len(rest) < size:
        return ParsedFrames(used, why=_part(rest))
    return ParsedFrames(used, why="a wrong checksum" if size else "bytes that are no Modbus frame")


def _alone(
    frame: bytes,
    used: int,
    skipped: int,
    size: int,
    expected: ExpectedResponse,
    tolerance: Tolerance,
) -> ParsedFrames:
    """The answer at the beginning of `frame`, if what follows it cannot be another one."""
    behind = frame[size:]
    borne: tuple[Deviation, ...] = ("stray_bytes",) if skipped or behind else ()
    if frame[0] != expected.unit:
        borne += ("unit_id",)
    if behind:
        if len(behind) > MAX_STRAY or _holds_a_frame(behind):
            return ParsedFrames(used, why="more than one answer came")
        if not tolerance.bears("stray_bytes"):
            return ParsedFrames(used, why=stray(behind, "after"), option="stray_bytes")
    return ParsedFrames(used + len(frame), frame[1 : size - 2], borne=borne, frame=frame[:size])


def _holds_a_frame(data: bytes) -> bool:
    starts = range(len(data) - _SHORTEST + 1)
    return any(_is_whole(data[at:], _size(data[at:])) for at in starts)


def _is_whole(frame: bytes, size: int) -> bool:
    return bool(size) and len(frame) >= size and _has_right_checksum(frame[:size])


def _has_right_checksum(frame: bytes) -> bool:
    return int.from_bytes(frame[-2:], "little") == crc(frame[:-2])


def _size(rest: bytes) -> int:
    """Length of the frame that begins here; 0 if it cannot be the response to a read."""
    if rest[1] & 0x80:
        return 5
    if rest[1] == IDENTIFY:
        return 3 + identification_bytes(rest[1:])
    return 5 + rest[2] if 1 <= rest[1] <= 4 else 0


def _first(data: bytes) -> int:
    """Where the first frame begins: after the zeros, the last of which may be its unit."""
    zeros = len(data) - len(data.lstrip(b"\0"))
    frame = data[max(0, zeros - 1) :]
    has_unit_0 = zeros and len(frame) >= _SHORTEST and _is_whole(frame, _size(frame))
    return zeros - 1 if has_unit_0 else zeros


def _part(rest: bytes) -> str:
    return "only part of an answer came" if rest else ""
