"""Validates a response against its request (pure).

Promises
- Data is passed on only if the function code, the length byte and the number of bytes are exactly
  those of the expected response; anything else is a fault with a readable reason.
- A device exception is distinguished from a malformed response, and "these addresses do not exist"
  from other exceptions: only a smaller request can cure that.
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
    11: "gateway got no response from the unit",
}
# Some devices send 3 where 2 is meant, especially when too many registers are requested.
_REFUSALS = (2, 3)


@dataclass(frozen=True, slots=True)
class CheckedResponse:
    """`data` to decode if `fault` is empty; `is_refused` if the device lacks these addresses."""

    data: bytes = b""
    fault: str = ""
    is_refused: bool = False


def check_response(request: Request, pdu: bytes) -> CheckedResponse:
    """Checks the function code of a response and everything after it."""
    size = request.data_bytes
    if len(pdu) == size + 2 and pdu[0] == request.function and pdu[1] == size:
        return CheckedResponse(data=pdu[2:])
    if len(pdu) == 2 and pdu[0] == request.function | 0x80:
        fault = EXCEPTIONS.get(pdu[1], f"device exception {pdu[1]}")
        return CheckedResponse(fault=fault, is_refused=pdu[1] in _REFUSALS)
    if not pdu or pdu[0] & 0x7F != request.function:
        what = f"function {pdu[0]}" if pdu else "an empty frame"
        return CheckedResponse(fault=f"response has {what} instead of function {request.function}")
    count = max(0, len(pdu) - 2)
    return CheckedResponse(fault=f"response has {count} bytes of data instead of {size}")
