"""The decoder's bounds, with asyncua's own decoder; whole servers are in tests/hostile."""

import struct

import pytest
from asyncua import ua
from asyncua.common.utils import NotEnoughData
from asyncua.ua.ua_binary import struct_from_binary, variant_from_binary
from asyncua.ua.uaerrors import BadResponseTooLarge
from opcua_wire import ENDLESS, header

from connectors.opcua import bounds

bounds._patch_decoder()


def read(values, count=1):
    body = b"\1\0\0\0" + header(1) + struct.pack("<i", count) + values + struct.pack("<i", 0)
    return struct_from_binary(ua.ReadResponse, bounds._answer_class()(body)).Results


def variant(encoding, body):
    return b"\x01" + bytes([encoding]) + body


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (variant(0x80, struct.pack("<i", ENDLESS)), BadResponseTooLarge),
        (variant(0x8C, struct.pack("<ii", ENDLESS, 0)), NotEnoughData),
        (variant(0x8C, struct.pack("<ii", ENDLESS, -4)), NotEnoughData),
        (variant(0x0C, struct.pack("<i", -16)), NotEnoughData),
        (variant(0x0C, struct.pack("<i", ENDLESS)), NotEnoughData),
        (variant(0x16, b"\0\0\1" + struct.pack("<i", ENDLESS)), NotEnoughData),
    ],
)
def test_a_length_that_does_not_fit_is_refused(value, error):
    with pytest.raises(error):
        read(value)


def test_a_response_with_too_many_parts_is_too_large():
    # An empty value is one byte, and one part.
    most = bounds.MOST_PARTS - 100
    assert len(read(bytes(most), most)) == most
    with pytest.raises(BadResponseTooLarge):
        read(bytes(bounds.MOST_PARTS), bounds.MOST_PARTS)


def test_parts_that_are_read_through_a_copy_count_too():
    body = bounds._answer_class()(bytes(bounds.MOST_PARTS))
    for _ in range(bounds.MOST_PARTS):
        body.copy(1).read(1)
    with pytest.raises(BadResponseTooLarge):
        body.read(1)


@pytest.mark.parametrize(
    ("dimensions", "value"),
    [
        ([2, 2], [[1, 2], [3, 4]]),
        ([4], [1, 2, 3, 4]),
        ([1_000_000], [1, 2, 3, 4]),
        ([2, -2], [1, 2, 3, 4]),
        ([0], [1, 2, 3, 4]),
        ([1] * 17, [1, 2, 3, 4]),
    ],
)
def test_dimensions_that_do_not_fit_the_elements_are_ignored(dimensions, value):
    numbers = struct.pack("<5i", 4, 1, 2, 3, 4)
    extent = struct.pack(f"<{len(dimensions) + 1}i", len(dimensions), *dimensions)
    (result,) = read(variant(0xC6, numbers + extent))
    assert result.Value.Value == value


def test_an_array_of_nothing_is_still_read():
    (result,) = read(variant(0x80, struct.pack("<i", 3)))
    assert result.Value.Value == [None] * 3


@pytest.mark.timeout(20)
def test_a_million_dimensions_are_ignored_at_once():
    dimensions = struct.pack("<i", 1_000_000) + struct.pack("<i", 2**31 - 1) * 1_000_000
    value = variant_from_binary(bounds.bounded(b"\xc1\1\0\0\0\1" + dimensions, [100]))
    assert value.Value == [True]
