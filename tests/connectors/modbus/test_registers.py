import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.modbus.decimals import DECIMAL
from connectors.modbus.registers import DTYPES, Decoder, Encoding, ResponseField
from gateway.api.model import Quality

NUMBERS = sorted(set(DTYPES) - {"bool"} - DECIMAL.keys())
ORDERS = st.sampled_from(["big", "little"])


def on_the_wire(value, encoding):
    """What a device sends for a value, written without any of the code under test."""
    big = np.array(value, dtype=DTYPES[encoding.data_type].newbyteorder(">")).tobytes()
    if len(big) == 1:
        big = big + b"\x55" if encoding.byte == "high" else b"\x55" + big
    words = [big[at : at + 2] for at in range(0, len(big), 2)]
    if encoding.word_order == "little":
        words.reverse()
    if encoding.byte_order == "little":
        words = [word[::-1] for word in words]
    return b"".join(words)


def values_of(data_type):
    dtype = DTYPES[data_type]
    if dtype.kind == "f":
        return st.floats(width=8 * dtype.itemsize, allow_nan=False, allow_infinity=False)
    limits = np.iinfo(dtype)
    return st.integers(int(limits.min), int(limits.max))


@st.composite
def encoded(draw):
    data_type = draw(st.sampled_from(NUMBERS))
    byte = draw(st.sampled_from(["high", "low"]))
    order = {"byte_order": draw(ORDERS), "word_order": draw(ORDERS)}
    return Encoding(data_type=data_type, byte=byte, **order), draw(values_of(data_type))


def one(data, **options):
    value, quality = Decoder([ResponseField(0, 0, Encoding(**options))]).decode(data)
    return float(value[0]), Quality(quality[0])


@settings(deadline=None)
@given(st.lists(encoded(), min_size=1, max_size=12), st.integers(0, 3))
def test_every_type_in_every_order_comes_back_as_it_was_sent(sent, gap):
    fields, data = [], b""
    for tag, (encoding, value) in enumerate(sent):
        data += b"\xee\xee" * gap
        fields.append(ResponseField(tag, len(data) // 2, encoding))
        data += on_the_wire(value, encoding)
    decoder = Decoder(fields)
    value, quality = decoder.decode(data)
    assert sorted(decoder.tag) == list(range(len(sent)))
    assert list(value) == [float(sent[tag][1]) for tag in decoder.tag]
    assert not quality.any()


@settings(deadline=None)
@given(st.binary(min_size=250, max_size=250), st.lists(encoded(), min_size=1, max_size=20))
def test_any_bytes_give_a_finite_good_value_or_a_bad_nan(data, sent):
    decoder = Decoder(
        [ResponseField(tag, 5 * tag, encoding) for tag, (encoding, _) in enumerate(sent)]
    )
    value, quality = decoder.decode(data)
    assert np.array_equal(np.isfinite(value), quality == Quality.GOOD)
    assert np.array_equal(np.isnan(value), quality == Quality.BAD)


@pytest.mark.parametrize(
    ("byte_order", "word_order", "data"),
    [
        ("big", "big", "41200000"),
        ("big", "little", "00004120"),
        ("little", "big", "20410000"),
        ("little", "little", "00002041"),
    ],
)
def test_ten_point_zero_is_decoded_in_all_four_orders(byte_order, word_order, data):
    got = one(
        bytes.fromhex(data), data_type="float32", byte_order=byte_order, word_order=word_order
    )
    assert got == (10.0, Quality.GOOD)


@settings(deadline=None)
@given(st.integers(0, 0xFFFF), ORDERS)
def test_each_bit_of_a_register_is_a_tag_of_its_own(register, order):
    fields = [
        ResponseField(b, 0, Encoding(data_type="bool", bit=b, byte_order=order)) for b in range(16)
    ]
    value, quality = Decoder(fields).decode(register.to_bytes(2, order))
    assert sum(int(bit) << at for at, bit in enumerate(value)) == register
    assert not quality.any()


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_coils_are_unpacked_from_the_least_significant_bit_on(coils):
    packed = np.packbits(coils, bitorder="little").tobytes()
    fields = [ResponseField(tag, tag, Encoding(data_type="bool")) for tag in range(len(coils))]
    value, quality = Decoder(fields, are_bits=True).decode(packed)
    assert [bool(bit) for bit in value] == coils
    assert not quality.any()


def test_scale_and_offset_make_engineering_units():
    got = one(b"\x04\xd2", data_type="uint16", scale=0.5, offset=-17)
    assert got == (600.0, Quality.GOOD)


@pytest.mark.parametrize("bits", ["7fc00000", "7fa00000", "7f800000", "ff800000"])
def test_nan_and_infinity_of_a_device_are_bad_samples(bits):
    value, quality = one(bytes.fromhex(bits), data_type="float32")
    assert np.isnan(value)
    assert quality is Quality.BAD


def test_a_value_that_overflows_when_scaled_is_bad():
    assert one(b"\xff\xff", scale=1e308)[1] is Quality.BAD


@pytest.mark.parametrize(
    ("data_type", "no_value", "data"),
    [
        ("int16", 0x8000, "8000"),
        ("int16", -32768, "8000"),
        ("uint16", 0x7FFF, "7fff"),
        ("int8", 0x80, "0080"),
        ("uint32", 0xFFFFFFFF, "ffffffff"),
        ("int64", -1, "ffffffffffffffff"),
        ("float32", -9999.9, np.array(-9999.9, dtype=">f4").tobytes().hex()),
        ("float32", -9999, np.array(-9999, dtype=">f4").tobytes().hex()),
        ("float64", 1e30, np.array(1e30, dtype=">f8").tobytes().hex()),
    ],
)
def test_the_pattern_for_no_value_is_a_bad_sample_whatever_the_scale(data_type, no_value, data):
    options = {"data_type": data_type, "scale": 0.01, "offset": 3}
    assert one(bytes.fromhex(data), **options)[1] is Quality.GOOD
    value, quality = one(bytes.fromhex(data), **options, no_value=(1, no_value))
    assert np.isnan(value)
    assert quality is Quality.BAD


def test_no_value_of_one_tag_does_not_touch_its_neighbours():
    numbers = [Encoding(no_value=(7,)), Encoding(no_value=(8,)), Encoding()]
    fields = [ResponseField(tag, tag, encoding) for tag, encoding in enumerate(numbers)]
    value, quality = Decoder(fields).decode(b"\0\x08\0\x08\0\x08")
    assert list(quality) == [Quality.GOOD, Quality.BAD, Quality.GOOD]
    assert value[0] == value[2] == 8


def test_64_bit_integers_are_exact_to_2_to_the_53_and_rounded_beyond():
    assert one((2**53).to_bytes(8, "big"), data_type="uint64")[0] == 2**53
    assert one((2**53 + 1).to_bytes(8, "big"), data_type="uint64")[0] == 2**53


TEXT = {"data_type": "string", "length": 4, "texts": (("AUTO", 1.0), ("MANUAL", 2.0))}


@pytest.mark.parametrize(
    ("data", "order", "number"),
    [
        (b"AUTO\0\0\0\0", "big", 1),
        (b"AUTO    ", "big", 1),
        (b"AUTO\0old", "big", 1),
        (b"MANUAL\0\0", "big", 2),
        (b"UAOT\0\0\0\0", "little", 1),
    ],
)
def test_a_text_is_decoded_as_its_number(data, order, number):
    assert one(data, **TEXT, byte_order=order, word_order="little") == (number, Quality.GOOD)


@pytest.mark.parametrize("data", [b"auto\0\0\0\0", b"AUT\0\0\0\0\0", bytes(8), b"\xff" * 8])
def test_a_text_without_a_number_is_bad(data):
    value, quality = one(data, **TEXT)
    assert np.isnan(value)
    assert quality is Quality.BAD


def test_a_text_among_numbers_moves_none_of_them():
    fields = [
        ResponseField(0, 0, Encoding()),
        ResponseField(1, 1, Encoding(**TEXT)),
        ResponseField(2, 5, Encoding("float64", scale=2.0)),
        ResponseField(3, 9, Encoding("bool", bit=0)),
    ]
    data = b"\0\x07" + b"MANUAL\0\0" + np.array(1.5, ">f8").tobytes() + b"\0\x01"
    decoder = Decoder(fields)
    value, quality = decoder.decode(data)
    assert dict(zip(decoder.tag.tolist(), value, strict=True)) == {0: 7, 1: 2, 2: 3, 3: 1}
    assert not quality.any()


def test_a_missing_response_is_nan_and_bad_for_every_tag():
    fields = [ResponseField(tag, tag, Encoding()) for tag in range(2)]
    value, quality = Decoder(fields).bad_columns()
    assert np.isnan(value).all()
    assert (quality == Quality.BAD).all()


@pytest.mark.parametrize(
    ("data", "options", "why"),
    [
        ("7fc00000", {"data_type": "float32"}, "the device sent NaN, not a number"),
        ("7f800000", {"data_type": "float32"}, "the device sent an infinity"),
        ("ff800000", {"data_type": "float32"}, "the device sent an infinity"),
        ("7ff8000000000000", {"data_type": "float64"}, "the device sent NaN, not a number"),
        ("7c00", {"data_type": "float16"}, "the device sent an infinity"),
        ("8000", {"data_type": "int16", "no_value": (0x8000,)}, "has no value (`no_value`)"),
        ("ffff", {"no_value": (1, 0xFFFF)}, "has no value (`no_value`)"),
        ("ffff", {"scale": 1e308}, "too large for a number after scaling"),
        ("4f4b0000", {**TEXT, "length": 2}, "the text 'OK' is not in `enumeration`"),
        ("00000000", {**TEXT, "length": 2}, "the text '' is not in `enumeration`"),
        ("ff1b5d00", {**TEXT, "length": 2}, r"the text '\\xff\x1b]' is not in `enumeration`"),
    ],
)
def test_a_bad_value_has_its_reason(data, options, why):
    data = bytes.fromhex(data)
    fields = [ResponseField(4, 0, Encoding(**options))]
    decoder = Decoder(fields)
    _, quality = decoder.decode(data)
    assert why in decoder.reasons(data, quality)[4]


def test_only_bad_values_have_a_reason_and_each_has_its_own():
    nan, zero = struct.pack(">f", float("nan")), struct.pack(">f", 0)
    fields = [
        ResponseField(0, 0, Encoding("float32")),
        ResponseField(1, 2, Encoding("float32")),
        ResponseField(2, 4, Encoding(no_value=(9,))),
        ResponseField(3, 5, Encoding("bcd16")),
    ]
    data = nan + zero + b"\0\x09\xab\xcd"
    decoder = Decoder(fields)
    _, quality = decoder.decode(data)
    reasons = decoder.reasons(data, quality)
    assert set(reasons) == {0, 2, 3}
    assert len(set(reasons.values())) == 3
