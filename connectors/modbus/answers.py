"""Is this the answer to that request? (pure)

Promises
- Data is handed on only if the function code, the length byte and the number of bytes are exactly
  those of the right answer; anything else is a fault with a sentence for people.
- A device exception is told apart from a broken answer, and "not these addresses" from the rest:
  only that may be cured by asking for less at a time.
"""

from dataclasses import dataclass

from connectors.modbus.plan import Request

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still busy with it",
    6: "device busy",
    7: "negative acknowledgement",
    8: "memory parity error",
    10: "gateway has no path to the unit",
    11: "gateway got no answer from the unit",
}
# Some devices answer 3 where 2 is meant, above all when too many registers are asked for.
_REFUSALS = (2, 3)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`data` to decode if `fault` is empty; `is_refused` if the device does not give this range."""

    data: bytes = b""
    fault: str = ""
    is_refused: bool = False


def judge(request: Request, pdu: bytes) -> Verdict:
    """Look at an answer's function code and everything after it."""
    size = request.data_bytes
    if len(pdu) == size + 2 and pdu[0] == request.function and pdu[1] == size:
        return Verdict(data=pdu[2:])
    if len(pdu) == 2 and pdu[0] == request.function | 0x80:
        said = EXCEPTIONS.get(pdu[1], f"device exception {pdu[1]}")
        return Verdict(fault=said, is_refused=pdu[1] in _REFUSALS)
    if not pdu or pdu[0] & 0x7F != request.function:
        what = f"function {pdu[0]}" if pdu else "nothing"
        return Verdict(fault=f"answered {what} instead of function {request.function}")
    return Verdict(fault=f"answered {max(0, len(pdu) - 2)} bytes of data instead of {size}")
