"""Responses of Modbus devices: frames of each transport, then every type of value in them."""

import numpy as np

from connectors.modbus import framing
from connectors.modbus.ascii_frames import parse_ascii
from connectors.modbus.identification import identification, pdu_bytes
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import RequestLimits, make_plan, polled_tags
from connectors.modbus.registers import DTYPES
from connectors.modbus.responses import check_response
from connectors.modbus.rtu_frames import parse_rtu
from connectors.modbus.tcp_frames import parse_tcp
from connectors.modbus.tolerance import COUNTED, tolerance_of
from connectors.modbus.wire import Frames, ModbusResponse
from fuzzing.targets import check_sentence
from gateway.api.model import Quality

_TAGS = {
    **{
        kind: {
            "address": 20 * number,
            "data_type": kind,
            "no_value": [1],
            "unit_id": number % 2 + 1,
        }
        for number, kind in enumerate(DTYPES)
        if kind != "bool"
    },
    "plain": {"address": 500},
    "bit": {"address": 501, "data_type": "bool", "bit": 3},
    "coil": {"address": 3, "table": "coil"},
    "scaled": {"address": 510, "scale": 1e300, "scale_register": 512},
    "text": {"address": 520, "data_type": "string", "length": 3, "enumeration": {"ON": 1}},
}
_OPTIONS = ModbusOptions.model_validate({"type": "modbus", "host": "h", "tags": _TAGS})
_REQUESTS = make_plan(polled_tags(_OPTIONS), RequestLimits())
_NAMES = tuple(COUNTED)
_PARSERS = (parse_tcp, parse_rtu, parse_ascii)


def frames(data: bytes) -> None:
    """Transport and whether to frame the rest, what is tolerated, which request; then the bytes."""
    if len(data) < 3:
        return
    kind, request = data[0] % 3, _REQUESTS[data[2] % len(_REQUESTS)]
    names = [name for bit, name in enumerate(_NAMES) if data[1] >> bit & 1]
    tolerance = tolerance_of(names, [1, 2], is_numbered=kind == 0)
    function, received = request.function, data[3:]
    asked = bytes(
        (function, *request.address.to_bytes(2, "big"), *request.count.to_bytes(2, "big"))
    )
    if data[0] & 0x80:
        # Right in all but what the rest says: the fuzzer cannot guess a checksum.
        received = _framed(kind, request.unit, received)
    sent, expected = (
        _framed(kind, request.unit, asked),
        framing.ExpectedResponse(request.unit, function, request.data_bytes),
    )
    parsed = _PARSERS[kind](received[: Frames.MAX_SIZE], expected, sent, tolerance)
    assert 0 <= parsed.used <= len(received)
    check_sentence(parsed.why)
    if parsed.pdu:
        response = ModbusResponse(parsed.pdu, request.unit, 7, why=parsed.why, option=parsed.option)
        _decode(request, response)


def _framed(kind: int, unit: int, pdu: bytes) -> bytes:
    if kind == 0:
        return framing.tcp_frame(7, unit, pdu[:65_000])
    return (framing.rtu_frame if kind == 1 else framing.ascii_frame)(unit, pdu)


def _decode(request, response: ModbusResponse) -> None:
    checked = check_response(request, response)
    check_sentence(checked.fault)
    if checked.fault:
        return
    value, quality = request.decoder.decode(checked.data)
    bad = quality == Quality.BAD
    assert np.array_equal(np.isfinite(value), ~bad)
    reasons = request.decoder.reasons(checked.data, quality) if quality.any() else {}
    assert reasons.keys() == set(request.decoder.tag[bad].tolist())
    for reason in reasons.values():
        check_sentence(reason)


def identified(data: bytes) -> None:
    """A device's identification, complete or not."""
    if data:
        assert pdu_bytes(data) > 0
    check_sentence(identification(data))
