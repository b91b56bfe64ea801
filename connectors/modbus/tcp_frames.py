"""Finds the answer to a request in the bytes received on Modbus TCP (pure).

Promises
- An answer is accepted only if the numbers in its header are those of the request: transaction,
  protocol 0, unit, and the length that it has. What follows the header is for `responses`.
- Our own request is never taken for an answer.
- The answer to another transaction is skipped, as it may be a late one.
- What follows an answer is not used: the number of the next request tells what belongs to it.
"""

from collections.abc import Container
from dataclasses import replace
from struct import Struct

from connectors.modbus.framing import (
    ONLY_OWN_REQUEST,
    OWN_REQUEST,
    ExpectedResponse,
    ParsedFrames,
    mismatch,
    stray,
    wrong_unit,
)
from connectors.modbus.tolerance import MAX_STRAY, Deviation, Tolerance

_HEADER = Struct(">HHHB")
_LONGEST = 254
"""Bytes after the length field of the longest answer: the unit and 253 of the PDU."""


def parse_tcp(
    buffer: bytes,
    expected: ExpectedResponse,
    sent: bytes,
    tolerance: Tolerance,
    earlier: Container[int] = (),
) -> ParsedFrames:
    """Parses all bytes received since the request `sent` was sent.

    `earlier` holds the transaction numbers of the requests before it: their answers are late.
    """
    if _is_right(buffer, expected, sent):
        return ParsedFrames(len(buffer), buffer[7:], frame=buffer)
    used, latest = 0, ParsedFrames()
    is_echo = False
    while len(rest := buffer[used:]) > _HEADER.size:
        if sent.startswith(rest[: len(sent)]) and not is_echo:
            # Our own request, or its first bytes.
            if len(rest) < len(sent):
                return ParsedFrames(why="only part of an answer came")
            if not tolerance.bears("echo"):
                return ParsedFrames(len(buffer), sent[7:], why=OWN_REQUEST, option="echo")
            is_echo = True
            used += len(sent)
            continue
        parsed = _Candidate(rest, expected, sent, tolerance, earlier).parsed()
        if parsed.pdu:
            echo: tuple[Deviation, ...] = ("echo",) if is_echo else ()
            return replace(parsed, used=len(buffer), borne=echo + parsed.borne)
        latest = parsed
        if not parsed.used:
            latest = _behind_strays(rest, expected, sent, tolerance, earlier) or parsed
            if latest.pdu:
                return replace(latest, used=len(buffer))
            break
        used += parsed.used
    why = latest.why or ("only part of an answer came" if buffer[used:] else "")
    if is_echo and not why:
        why = ONLY_OWN_REQUEST
    # An echo stays in the buffer, so that it is known that it came.
    return ParsedFrames(0 if is_echo else used, why=why, option=latest.option)


def _is_right(buffer: bytes, expected: ExpectedResponse, sent: bytes) -> bool:
    """Nothing but the values requested, with every number right: the usual answer, in short."""
    length = 3 + expected.data_bytes
    head = (length >> 8, length & 0xFF, expected.unit, expected.function, expected.data_bytes)
    return (
        len(buffer) == 6 + length
        and buffer[:4] == sent[:4]
        and buffer[4:9] == bytes(head)
        and buffer != sent
        and expected.data_bytes > 0
    )


class _Candidate:
    """What begins at some byte, and what of it must be borne to accept it as the answer."""

    def __init__(
        self,
        rest: bytes,
        expected: ExpectedResponse,
        sent: bytes,
        tolerance: Tolerance,
        earlier: Container[int],
    ) -> None:
        self.rest, self.expected, self.sent = rest, expected, sent
        self.tolerance, self.earlier = tolerance, earlier
        self.transaction, self.protocol, self.length, self.unit = _HEADER.unpack_from(rest)
        self.wanted = int.from_bytes(sent[:2], "big")
        self.came = len(rest) - 6
        self.borne: tuple[Deviation, ...] = ()

    def parsed(self) -> ParsedFrames:
        """The answer; without a `pdu`, `used` is the length of what can be skipped."""
        for check in (self._protocol, self._length, self._transaction, self._unit, self._behind):
            problem = check()
            if problem is not None:
                return problem
        frame = self.rest[: 6 + self.length]
        return ParsedFrames(len(frame), frame[7:], borne=self.borne, frame=frame)

    def _protocol(self) -> ParsedFrames | None:
        if not self.protocol:
            return None
        bears = self.tolerance.bears
        is_ours = self.transaction == self.wanted or bears("transaction_id")
        if not is_ours or not (2 <= self.length <= _LONGEST or bears("length")):
            return ParsedFrames(why="bytes that are no Modbus TCP frame")
        if not bears("protocol_id"):
            why = f"protocol number {self.protocol} instead of 0"
            return ParsedFrames(why=why, option="protocol_id")
        self.borne += ("protocol_id",)
        return None

    def _length(self) -> ParsedFrames | None:
        says = f"the header says {_bytes(self.length)}, {self.came} came"
        true = self._true_length()
        if true and true != self.length:
            if self.came >= true:
                return self._wrong_length(true, says)
            if self.tolerance.bears("length"):
                return ParsedFrames(why=says)
        if not 2 <= self.length <= _LONGEST:
            return ParsedFrames(why=f"{says}: no Modbus answer")
        return ParsedFrames(why=says) if self.came < self.length else None

    def _true_length(self) -> int:
        """The length that the header should give, by what follows it; 0 if that is unknown."""
        rest, expected = self.rest, self.expected
        if len(rest) < 9 or not expected.data_bytes:
            return 0
        if rest[7] == expected.function | 0x80:
            return 3
        is_right = rest[7] == expected.function and rest[8] == expected.data_bytes
        return 3 + expected.data_bytes if is_right else 0

    def _wrong_length(self, true: int, says: str) -> ParsedFrames | None:
        if self.tolerance.bears("length"):
            self.borne += ("length",)
            self.length = true
            return None
        is_ours = self.transaction == self.wanted and self.unit == self.expected.unit
        if is_ours and true == 3 and self.rest[7] & 0x80:
            # An exception holds no value that could be wrong.
            return ParsedFrames(len(self.rest), self.rest[7:9])
        if is_ours and self.length < self.came:
            pdu = self.rest[7 : max(8, 6 + self.length)]
            return ParsedFrames(len(self.rest), pdu, why=says, option="length")
        return ParsedFrames(why=says, option="length")

    def _transaction(self) -> ParsedFrames | None:
        if self.transaction == self.wanted:
            return None
        size = 6 + self.length
        why = f"transaction number {self.transaction} instead of {self.wanted}"
        if self.transaction in self.earlier:
            return ParsedFrames(size, why="the answer to an earlier request came")
        if not self.tolerance.bears("transaction_id"):
            return ParsedFrames(size, why=why, option="transaction_id")
        pdu = self.rest[7:size]
        if not self.expected.is_met_by(self.expected.unit, pdu):
            # Without its number only its form can tell that it is not a late answer.
            return ParsedFrames(size, why=mismatch(self.unit, pdu, self.expected)[0])
        self.borne += ("transaction_id",)
        return None

    def _unit(self) -> ParsedFrames | None:
        if self.unit == self.expected.unit:
            return None
        if self.unit not in self.tolerance.units:
            why, option = wrong_unit(self.unit, self.expected)
            return ParsedFrames(6 + self.length, why=why, option=option)
        self.borne += ("unit_id",)
        return None

    def _behind(self) -> ParsedFrames | None:
        behind = self.came - self.length
        if behind > MAX_STRAY and "transaction_id" in self.borne:
            return ParsedFrames(why="more than one answer came")
        if behind:
            self.borne += ("stray_bytes",)
        return None


def _behind_strays(
    rest: bytes,
    expected: ExpectedResponse,
    sent: bytes,
    tolerance: Tolerance,
    earlier: Container[int],
) -> ParsedFrames | None:
    """The answer behind stray bytes, which must be right in every other respect."""
    for at in range(1, min(MAX_STRAY, len(rest) - _HEADER.size - 2) + 1):
        parsed = _Candidate(rest[at:], expected, sent, tolerance, earlier).parsed()
        if parsed.pdu and not parsed.why and expected.is_met_by(expected.unit, parsed.pdu):
            if not tolerance.bears("stray_bytes"):
                return ParsedFrames(why=stray(rest[:at], "before"), option="stray_bytes")
            return replace(parsed, borne=(*parsed.borne, "stray_bytes"))
    return None


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"
