"""Validates a response against its request (pure).

Promises
- Data is passed on only if the function code, the length byte and the number of bytes are exactly
  those of the expected response; anything else is a fault with a readable reason.
- A device exception is distinguished from a malformed response. Devices do not agree on which one
  they send for addresses that do not exist or for too many registers, so any of them may mean that,
  but for those that gateways send for a unit.
"""

from dataclasses import dataclass

from connectors.modbus.plan import Request
from connectors.modbus.tolerance import with_hint
from connectors.modbus.wire import ModbusResponse

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
_OF_GATEWAYS = (10, 11)
"""About the unit as a whole: a smaller request cannot cure them."""
_PASSING = (5, 6)
"""About the moment: the same request may be served soon."""


@dataclass(frozen=True, slots=True)
class CheckedResponse:
    """`data` to decode if `fault` is empty.

    `is_refused` if the device refuses these addresses, or so many: a smaller request may be served.
    `is_passing` if it may also serve this one at another time.
    """

    data: bytes = b""
    fault: str = ""
    is_refused: bool = False
    is_passing: bool = False


def check_response(request: Request, response: ModbusResponse) -> CheckedResponse:
    """Checks the function code of a response and everything after it."""
    size, pdu = request.data_bytes, response.pdu
    if response.why:
        return CheckedResponse(fault=with_hint(response.why, response.option))
    if len(pdu) == size + 2 and pdu[0] == request.function and pdu[1] == size:
        return CheckedResponse(data=pdu[2:])
    if len(pdu) == 2 and pdu[0] == request.function | 0x80:
        code = pdu[1]
        name = EXCEPTIONS.get(code)
        fault = f"exception {code}, {name}" if name else f"exception {code}"
        is_refused, is_passing = code not in _OF_GATEWAYS, code in _PASSING
        return CheckedResponse(fault=fault, is_refused=is_refused, is_passing=is_passing)
    return CheckedResponse(fault=_malformed(request, pdu))


def _malformed(request: Request, pdu: bytes) -> str:
    if not pdu:
        return "an empty answer came"
    if pdu[0] & 0x7F != request.function:
        what = "an exception" if pdu[0] & 0x80 else "an answer"
        return f"{what} to function {pdu[0] & 0x7F} came for function {request.function}"
    count = max(0, len(pdu) - 2)
    if count == request.data_bytes:
        return f"the answer says {pdu[1]} bytes of data, {count} came"
    return f"{count} bytes of data came instead of {request.data_bytes}"
