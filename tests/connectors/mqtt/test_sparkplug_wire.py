import math

import pytest
import sparkplug
from sparkplug import BOOLEAN, DOUBLE, FLOAT, INT32, INT64, STRING, UINT16, UINT64

from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.sparkplug.values import number_of, quality_of
from connectors.mqtt.sparkplug.wire import parse
from connectors.mqtt.texts import TextNumbers
from gateway.api.model import Quality

INT8, INT16, UINT8, UINT32, DATE_TIME, TEXT, DATA_SET = 1, 2, 5, 7, 13, 14, 16
NOON_MS = 1_767_268_800_000


def test_a_payload_is_decoded_by_the_specifications_field_numbers():
    body = sparkplug.payload(
        sparkplug.metric("flow", 2.5, DOUBLE, alias=7, at=NOON_MS, quality=192),
        sparkplug.metric(None, None, FLOAT, alias=0, typed=False, historical=True),
        at=NOON_MS + 1,
        seq=255,
    )
    payload = parse(body)
    noon = NOON_MS * 10**6
    assert (payload.at, payload.seq) == (noon + 10**6, 255)
    assert payload.metrics == (
        Metric("flow", 7, noon, DOUBLE, False, False, "double_value", 2.5, 192),
        Metric(None, 0, None, 0, True, True, None, None, None),
    )


def test_fields_that_are_not_read_are_skipped():
    table = sparkplug.part(17, sparkplug.BYTES, b"\x08\x01\x12\x01a")
    own = sparkplug.metric("n", 1, INT32) + sparkplug.part(8, sparkplug.BYTES, b"\x12\x01x")
    body = sparkplug.payload(sparkplug.part(1, sparkplug.BYTES, b"table") + table, own)
    body += sparkplug.part(4, sparkplug.BYTES, b"uuid") + sparkplug.part(5, sparkplug.BYTES, b"b")
    first, second = parse(body).metrics
    assert (first.name, first.kind) == ("table", None)
    assert (second.name, second.raw) == ("n", 1)


@pytest.mark.parametrize(
    "body",
    [
        b"\x12\x05abc",
        b"\xff" * 20,
        b"\x08",
        b"\x12" + b"\xff" * 9 + b"\x7f",
        b"\x0b" * 10_000,
        sparkplug.part(2, sparkplug.BYTES, sparkplug.part(1, sparkplug.BYTES, b"\xff\xfe")),
        sparkplug.payload(sparkplug.metric("a", 1.5, DOUBLE))[:-1],
    ],
)
def test_bytes_that_are_not_a_payload_are_none(body):
    assert parse(body) is None


@pytest.mark.parametrize("at", [0, 2**63, 2**64 - 1])
def test_an_impossible_time_is_none(at):
    assert parse(sparkplug.payload(at=at)).at is None


def metric(kind, raw, **other):
    given = {"name": "m", "alias": None, "at": None, "datatype": 0, "quality": None}
    given |= {"is_historical": False, "is_null": False, "kind": kind, "raw": raw}
    return Metric(**given | other)


@pytest.mark.parametrize(
    ("kind", "raw", "datatype", "value"),
    [
        ("int_value", 127, INT8, 127),
        ("int_value", 0x80, INT8, -128),
        ("int_value", 0xFFFFFF80, INT8, -128),
        ("int_value", 0xFFFFFF7F, INT8, None),
        ("int_value", 256, INT8, None),
        ("int_value", 0xFFFB, INT16, -5),
        ("int_value", 0xFFFFFFFB, INT16, -5),
        ("int_value", 2**32 - 1, INT32, -1),
        ("long_value", 2**64 - 1, INT32, -1),
        ("long_value", 2**64 - 5, INT64, -5),
        ("int_value", 255, UINT8, 255),
        ("int_value", 256, UINT8, None),
        ("int_value", 65536, UINT16, None),
        ("int_value", 2**32 - 1, UINT32, 2**32 - 1),
        ("long_value", 2**32 - 1, UINT32, 2**32 - 1),
        ("long_value", 2**64 - 1, UINT64, 2.0**64),
        ("int_value", 5, 0, None),
        ("long_value", 5, DATE_TIME, None),
        ("int_value", 5, FLOAT, None),
        ("int_value", 1, BOOLEAN, None),
        ("int_value", 5, 99, None),
        ("float_value", 2.5, FLOAT, 2.5),
        ("float_value", 2.5, 0, 2.5),
        ("double_value", 2.5, FLOAT, 2.5),
        ("double_value", 2.5, INT32, None),
        ("double_value", math.nan, DOUBLE, None),
        ("double_value", math.inf, DOUBLE, None),
        ("boolean_value", True, BOOLEAN, 1),
        ("boolean_value", True, INT32, None),
        ("string_value", "ON", STRING, 1),
        ("string_value", "ON", TEXT, 1),
        ("string_value", "on", STRING, None),
        ("string_value", "1", STRING, None),
        ("string_value", "ON", DATA_SET, None),
        (None, None, INT32, None),
    ],
)
def test_a_value_is_decoded_by_its_type_or_none(kind, raw, datatype, value):
    assert number_of(metric(kind, raw), datatype, TextNumbers({"ON": 1.0})) == value


def test_a_null_has_no_value_whatever_its_other_fields():
    assert number_of(metric("int_value", 5, is_null=True), INT32, None) is None


@pytest.mark.parametrize(
    ("given", "quality"),
    [
        (None, Quality.GOOD),
        (192, Quality.GOOD),
        (216, Quality.GOOD),
        (64, Quality.UNCERTAIN),
        (500, Quality.UNCERTAIN),
        (0, Quality.BAD),
        (24, Quality.BAD),
        (128, Quality.BAD),
        (448, Quality.BAD),
    ],
)
def test_the_quality_is_the_metrics_own(given, quality):
    assert quality_of(metric("int_value", 1, quality=given)) is quality
