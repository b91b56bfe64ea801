"""BCD, mod10 and powers of ten that a device keeps in a register."""

import asyncio
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_modbus import odd_device
from patience import PATIENCE

from connectors.modbus.options import ModbusTag
from connectors.modbus.plan import PolledTag, RequestLimits, make_plan
from connectors.modbus.registers import Decoder, Encoding, ResponseField
from gateway.api.model import SECOND, Quality


def one(data, scale_offset=None, **options):
    """The value, or why there is none."""
    if scale_offset is not None:
        options["scale_register"] = scale_offset
    decoder = Decoder([ResponseField(0, 0, Encoding(**options), scale_offset)])
    value, quality = decoder.decode(data)
    if quality[0] == Quality.GOOD:
        return float(value[0])
    assert np.isnan(value[0])
    return decoder.reasons(data, quality)[0]


NOT_BCD = "not a BCD number: a digit is above 9"
NOT_MOD10 = "not a mod10 number: a register is above 9999"
NO_VALUE = "the device says that it has no value (`no_value`)"


@pytest.mark.parametrize(
    ("data_type", "data", "order", "value"),
    [
        ("bcd16", "0000", "big", 0),
        ("bcd16", "1234", "big", 1234),
        ("bcd16", "9999", "big", 9999),
        ("bcd16", "000A", "big", NOT_BCD),
        ("bcd16", "A000", "big", NOT_BCD),
        ("bcd16", "FFFF", "big", NOT_BCD),
        ("bcd16", "0F00", "big", NOT_BCD),
        ("bcd32", "12345678", "big", 12345678),
        ("bcd32", "56781234", "little", 12345678),
        ("bcd32", "99999999", "big", 99999999),
        ("bcd32", "1234567B", "big", NOT_BCD),
        ("bcd32", "C2345678", "big", NOT_BCD),
        ("bcd64", "0000001234567890", "big", 1234567890),
        ("bcd64", "00000012345678D0", "big", NOT_BCD),
        ("mod10_32", "00010002", "big", 10002),
        ("mod10_32", "00020001", "little", 10002),
        ("mod10_32", "270F270F", "big", 99999999),
        ("mod10_32", "00002710", "big", NOT_MOD10),
        ("mod10_32", "FFFF0000", "big", NOT_MOD10),
        ("mod10_48", "000100020003", "big", 100020003),
        ("mod10_48", "000300020001", "little", 100020003),
        ("mod10_48", "000127110003", "big", NOT_MOD10),
        ("mod10_64", "0001000200030004", "big", 1000200030004),
        ("mod10_64", "0004000300020001", "little", 1000200030004),
        ("mod10_64", "8000000000000000", "big", NOT_MOD10),
    ],
)
def test_decimal_types_are_read_or_bad_with_their_reason(data_type, data, order, value):
    assert one(bytes.fromhex(data), data_type=data_type, word_order=order) == value


@settings(deadline=None)
@given(st.integers(0, 10**16 - 1), st.sampled_from(["big", "little"]), st.integers(2, 4))
def test_every_number_comes_back_from_bcd_and_mod10(number, order, words):
    number %= 10 ** (4 * words)
    digits = [number // 10**at % 10**4 for at in range(0, 4 * words, 4)]
    if order == "big":
        digits.reverse()
    data = struct.pack(f">{words}H", *digits)
    assert one(data, data_type=f"mod10_{16 * words}", word_order=order) == float(number)
    if words in (2, 4):
        bcd = struct.pack(f">{words}H", *(int(str(part), 16) for part in digits))
        assert one(bcd, data_type=f"bcd{16 * words}", word_order=order) == float(number)


@pytest.mark.parametrize(
    ("data_type", "no_value", "data"),
    [
        ("bcd16", 0xFFFF, "FFFF"),
        ("bcd16", 9999, "9999"),
        ("bcd32", 0xFFFFFFFF, "FFFFFFFF"),
        ("bcd32", 99999999, "99999999"),
        ("mod10_32", 0xFFFFFFFF, "FFFFFFFF"),
        ("mod10_32", 99999999, "270F270F"),
        ("mod10_48", 0xFFFFFFFFFFFF, "FFFFFFFFFFFF"),
        ("mod10_64", 9999999999999999, "270F270F270F270F"),
    ],
)
def test_no_value_of_a_decimal_type_is_a_number_or_a_bit_pattern(data_type, no_value, data):
    assert one(bytes.fromhex(data), data_type=data_type, no_value=(no_value,)) == NO_VALUE
    other = Encoding(data_type, no_value=(no_value,))
    zero = bytes(2 * other.words)
    assert one(zero, data_type=data_type, no_value=(no_value,)) == 0


def test_no_value_is_known_in_the_units_of_the_tag_as_far_as_it_is_a_number():
    def absent(**options):
        return ModbusTag(address=0, **options).as_tag("t", "plc", SECOND).no_value

    assert absent(data_type="bcd16", no_value=[9999, 0xFFFF], scale=0.1) == (999.9000000000001,)
    assert absent(data_type="mod10_48", no_value=7, offset=1) == (8.0,)
    assert absent(data_type="int16", no_value=0x8000, scale_register=1) == ()


def test_decimal_types_among_others_move_none_of_them():
    kinds = ["uint16", "mod10_48", "float64", "bcd16", "mod10_32", "bcd32", "int16"]
    words = [Encoding(kind).words for kind in kinds]
    starts = np.cumsum([0, *words[:-1]])
    fields = [
        ResponseField(tag, int(at), Encoding(kind))
        for tag, (at, kind) in enumerate(zip(starts, kinds, strict=True))
    ]
    data = struct.pack(">H3HdH2H2Hh", 7, 1, 2, 3, 1.5, 0x0042, 5, 6, 0x0012, 0x3456, -9)
    decoder = Decoder(fields)
    value, quality = decoder.decode(data)
    assert not quality.any()
    got = dict(zip(decoder.tag.tolist(), value.tolist(), strict=True))
    assert got == {0: 7, 1: 100020003, 2: 1.5, 3: 42, 4: 50006, 5: 123456, 6: -9}


@settings(deadline=None)
@given(st.binary(min_size=40, max_size=40))
def test_any_bytes_give_a_finite_number_or_a_bad_sample_with_a_reason(data):
    kinds = ["bcd16", "bcd32", "bcd64", "mod10_32", "mod10_48", "mod10_64", "float32", "float64"]
    fields = [
        ResponseField(tag, tag, Encoding(kind, scale_register=19, scale=1e300), 19)
        for tag, kind in enumerate(kinds)
    ]
    decoder = Decoder(fields)
    value, quality = decoder.decode(data)
    assert np.array_equal(np.isfinite(value), quality == Quality.GOOD)
    reasons = decoder.reasons(data, quality)
    assert set(reasons) == set(decoder.tag[quality != Quality.GOOD].tolist())
    assert all(reasons.values())


@pytest.mark.parametrize(
    ("raw", "power", "value"),
    [
        (2305, -1, 230.5),
        (2305, -2, 23.05),
        (7, -3, 0.007),
        (123, 0, 123),
        (123, 3, 123000),
        (1, 10, 1e10),
        (1, -10, 1e-10),
        (-5, -1, -0.5),
        (1, 11, "the scale register 1 holds 11, not -10 to 10"),
        (1, -11, "the scale register 1 holds -11, not -10 to 10"),
        (1, 32767, "the scale register 1 holds 32767, not -10 to 10"),
        (1, -32768, "the scale register 1 holds 0x8000: the device does not implement it"),
    ],
)
def test_a_power_of_ten_is_applied_exactly_or_makes_the_value_bad(raw, power, value):
    data = struct.pack(">hh", raw, power)
    assert one(data, scale_offset=1, data_type="int16") == value
    swapped = struct.pack("<hh", raw, power)
    assert one(swapped, scale_offset=1, data_type="int16", byte_order="little") == value


def test_scale_and_offset_come_on_top_of_the_power_of_ten():
    data = struct.pack(">hh", 100, -1)
    assert one(data, scale_offset=1, data_type="int16", scale=2.0, offset=3.0) == 23.0


def test_the_value_that_a_device_does_not_implement_is_said_first():
    data = struct.pack(">Hh", 0x8000, -32768)
    assert one(data, scale_offset=1, data_type="int16", no_value=(0x8000,)) == NO_VALUE


def polled(tag, address, scale):
    encoding = Encoding("int16", scale_register=scale)
    return PolledTag(tag, 1, "holding", address, SECOND, encoding)


def test_a_value_and_its_scale_are_always_in_one_request():
    tags = [polled(0, 10, 90), polled(1, 150, 91), polled(2, 95, 20)]
    for span in (85, 125):
        for request in make_plan(tags, RequestLimits(registers=span, gap=0)):
            last = request.address + request.count
            for tag in request.tags:
                assert request.address <= min(tag.address, tag.encoding.scale_register)
                assert max(tag.address, tag.encoding.scale_register) < last
                assert request.count <= span
            for half in request.halves():
                for tag in half.tags:
                    assert half.address <= tag.start
                    assert tag.end <= half.address + half.count


def test_only_registers_that_are_used_count_as_used():
    (request,) = make_plan([polled(0, 10, 20)], RequestLimits())
    assert (request.address, request.count, request.idle) == (10, 11, 9)


async def test_a_scale_that_changes_while_it_runs_never_gives_a_wrong_value(connector):
    """As in SunSpec's inverters: the power in 83, its scale in 84, and both change at once."""
    powers = [0, 1, -1, -32768]

    def answer(asked):
        power = powers[len(device.asked) % len(powers)]
        raw = 1230 if power == -32768 else round(1230 / 10.0**power)
        registers = {83: raw, 84: power & 0xFFFF}
        data = b"".join(
            struct.pack(">H", registers[asked.address + at]) for at in range(asked.count)
        )
        return [asked.tcp(bytes([3, len(data)]) + data)]

    async with odd_device(answer) as device:
        tags = {"p": {"address": 83, "data_type": "uint16", "scale_register": 84}}
        reader = connector(device.port, tags, period="5ms")
        values, reasons = [], set()
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            for _ in range(20):
                batch = await anext(batches)
                values += batch.value[batch.quality == Quality.GOOD].tolist()
                reasons |= set(batch.reasons.values())
    assert values == [1230.0] * 15
    assert reasons == {"the scale register 84 holds 0x8000: the device does not implement it"}
