"""Finds the answer to a request in the bytes received on ASCII (pure).

Promises
- An answer is accepted only if its checksum, unit, function code and length match the request, and
  if nothing follows it. Bytes before the colon that begins a frame are not part of it.
- Our own request is never taken for an answer.
- A whole frame that belongs to another request, such as a late answer, is skipped.
"""

from binascii import unhexlify

from connectors.modbus.framing import (
    ONLY_OWN_REQUEST,
    OWN_REQUEST,
    ExpectedResponse,
    ParsedFrames,
    mismatch,
    stray,
)
from connectors.modbus.tolerance import MAX_STRAY, Deviation, Tolerance


def parse_ascii(
    buffer: bytes, expected: ExpectedResponse, sent: bytes, tolerance: Tolerance
) -> ParsedFrames:
    """Parses all bytes received since the request `sent` was sent."""
    used, why = 0, ""
    option: Deviation | None = None
    borne: tuple[Deviation, ...] = ()
    while (start := buffer.find(b":", used)) >= 0:
        end = buffer.find(b"\r\n", start)
        if end < 0:
            return ParsedFrames(0 if borne else start, why="only part of an answer came")
        frame = buffer[start : end + 2]
        body = _unhex(frame[1:-2])
        if frame.upper() == sent.upper() and "echo" not in borne:
            if not tolerance.bears("echo"):
                return ParsedFrames(start, why=OWN_REQUEST, option="echo")
            borne = ("echo",)
        elif len(body) < 4 or sum(body) & 0xFF:
            why, option = "a wrong checksum", None
        elif expected.is_met_by(body[0], body[1:-1], tolerance.units):
            if start > used:
                borne += ("stray_bytes",)
            return _alone(buffer[end + 2 :], len(buffer), body, expected, tolerance, borne)
        else:
            why, option = mismatch(body[0], body[1:-1], expected)
        used = end + 2
    # Until the answer is there the echo stays in the buffer: it comes only once.
    if buffer and not why:
        why = ONLY_OWN_REQUEST if borne else "bytes that are no Modbus frame"
    return ParsedFrames(0 if borne else used, why=why, option=option)


def _alone(
    behind: bytes,
    used: int,
    body: bytes,
    expected: ExpectedResponse,
    tolerance: Tolerance,
    borne: tuple[Deviation, ...],
) -> ParsedFrames:
    if behind:
        if len(behind) > MAX_STRAY or b":" in behind:
            return ParsedFrames(why="more than one answer came")
        if not tolerance.bears("stray_bytes"):
            return ParsedFrames(why=stray(behind, "after"), option="stray_bytes")
        borne += ("stray_bytes",) if "stray_bytes" not in borne else ()
    if body[0] != expected.unit:
        borne += ("unit_id",)
    frame = b":" + body.hex().upper().encode() + b"\r\n"
    return ParsedFrames(used, body[1:-1], borne=borne, frame=frame)


def _unhex(text: bytes) -> bytes:
    try:
        # Not `bytes.fromhex`, which skips whitespace.
        return unhexlify(text)
    except ValueError:
        return b""
