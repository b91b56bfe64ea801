import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.payloads import PayloadField, bad_batch, columns, decode, rows_of, steps
from connectors.mqtt.receive_queue import MAX_PAYLOAD, ReceivedMessage
from gateway.api.model import SECOND, Quality

VALUE = PayloadField(0, ("value",))
ROOT = PayloadField(0)
TIMED = PayloadField(0, ("value",), ("at",), "iso")
NOON = 1_767_268_800 * SECOND  # 2026-01-01T12:00:00Z


def one(payload, field=VALUE):
    (decoded,) = decode(payload, [field])
    return decoded


def is_bad(decoded):
    return math.isnan(decoded.value) and decoded.at is None and decoded.quality is Quality.BAD


@pytest.mark.parametrize(
    ("payload", "path", "value"),
    [
        (b'{"value": 21.5}', "value", 21.5),
        (b'\xef\xbb\xbf{"value": 21.5}', "value", 21.5),
        (b'{"a": {"b": [1, {"c": -3}]}}', "a.b.1.c", -3.0),
        (b'{"0": 7}', "0", 7.0),
        (b'{"value": true}', "value", 1.0),
        (b"false", "", 0.0),
        (b"21.5", "", 21.5),
        (b" 1e3\n", "", 1000.0),
        (b'{"value": 1, "other": NaN}', "value", 1.0),
    ],
)
def test_a_value_is_read_at_its_path(payload, path, value):
    field = PayloadField(0, tuple(path.split(".")) if path else ())
    assert one(payload, field) == (value, None, Quality.GOOD)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"value": 1',
        b'{"value": 1} trailing',
        b'{"value": "\xff"}',
        b"\xff\xfe1\0",
        b"\0" * 10,
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'{"value": -Infinity}',
        b'{"value": 1e999}',
        b'{"value": ' + b"9" * 400 + b"}",
        b'{"value": ' + b"9" * 5000 + b"}",
        b'{"value": "21.5"}',
        b'{"value": null}',
        b'{"value": {}}',
        b'{"value": [1]}',
        b'{"other": 1}',
        b"[1]",
        b"21.5",
        b"[" * 100_000,
        b'{"value":' * 20_000,
        b'{"value": 1}' + b" " * MAX_PAYLOAD,
        None,
    ],
)
def test_a_payload_without_the_value_is_bad(payload):
    assert is_bad(one(payload))


@pytest.mark.parametrize("step", ["2", "-1", "x", "1.", "²", "9" * 6000])
def test_an_index_that_a_list_does_not_have_is_bad(step):
    assert is_bad(one(b"[1, 2]", PayloadField(0, (step,))))


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_give_a_finite_good_value_or_a_bad_nan(payload):
    for field in (
        ROOT,
        VALUE,
        TIMED,
        PayloadField(0, (), (), "ns"),
        PayloadField(0, (), (), "iso"),
    ):
        decoded = one(payload, field)
        assert math.isfinite(decoded.value) is (decoded.quality is Quality.GOOD)
        assert math.isnan(decoded.value) is (decoded.quality is Quality.BAD)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["value", "at", "0"]), inner),
    max_leaves=8,
)


@given(_json, st.sampled_from(["ns", "us", "ms", "s", "iso"]))
def test_any_json_gives_the_value_that_is_in_it_or_none(document, form):
    decoded = one(json.dumps(document).encode(), PayloadField(0, ("value",), ("at",), form))
    if decoded.quality is Quality.GOOD:
        assert decoded.value == float(document["value"])
        assert 0 <= decoded.at < 2**63
    else:
        assert is_bad(decoded)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_as_it_was_sent(value):
    assert one(json.dumps({"value": value}).encode()).value == value


@pytest.mark.parametrize(
    ("at", "form", "expected"),
    [
        (NOON + 1, "ns", NOON + 1),
        (NOON // 1000 + 1, "us", NOON + 1000),
        (NOON // 10**6 + 1, "ms", NOON + 10**6),
        (NOON // SECOND, "s", NOON),
        (NOON / SECOND + 0.5, "s", NOON + SECOND // 2),
        ("2026-01-01T12:00:00Z", "iso", NOON),
        ("2026-01-01T14:00:00.25+02:00", "iso", NOON + SECOND // 4),
        ("2026-01-01T12:00:00", "iso", NOON),
    ],
)
def test_the_time_of_the_measurement_is_read_in_its_format(at, form, expected):
    payload = json.dumps({"value": 1, "at": at}).encode()
    assert one(payload, PayloadField(0, ("value",), ("at",), form)) == (1.0, expected, Quality.GOOD)


@pytest.mark.parametrize("form", ["ns", "us", "ms", "s", "iso"])
@pytest.mark.parametrize(
    "at", [None, True, "", "noon", "0001-01-01T00:00:00+23:59", -1, 10**30, 1e300, [], {}]
)
def test_a_time_that_cannot_be_read_makes_the_sample_bad_and_is_not_replaced(at, form):
    payload = json.dumps({"value": 1, "at": at}).encode()
    assert is_bad(one(payload, PayloadField(0, ("value",), ("at",), form)))


def arrival(payload, topic="t", *, at=5, is_retained=False):
    size = len(topic) + len(payload)
    return ReceivedMessage(at, topic, payload, size, is_retained)


def test_a_retained_message_is_good_only_if_its_own_time_is_younger_than_the_period():
    payload = b'{"value": 1, "at": "2026-01-01T12:00:00Z"}'
    fields = [VALUE, TIMED, PayloadField(0, ("none",))]
    young, old = NOON + TIMED.period, NOON + TIMED.period + 1
    for at, quality in ((young, Quality.GOOD), (old, Quality.UNCERTAIN)):
        rows = rows_of(arrival(payload, at=at, is_retained=True), fields)
        assert [row[3] for row in rows] == [Quality.UNCERTAIN, quality, Quality.BAD]
        assert [row[1] for row in rows] == [at, NOON, at]


def test_a_bad_batch_has_a_bad_sample_of_each_tag():
    batch = bad_batch([3, 1], 7)
    assert (batch.tag.tolist(), batch.at.tolist()) == ([3, 1], [7, 7])
    assert np.isnan(batch.value).all()
    assert batch.quality.tolist() == [Quality.BAD, Quality.BAD]


def test_a_payload_is_parsed_once_for_all_tags_of_its_topic(monkeypatch):
    from connectors.mqtt import payloads

    calls = []
    real = payloads.parse
    monkeypatch.setattr(payloads, "parse", lambda given: calls.append(given) or real(given))
    assert len(decode(b"{}", [VALUE, VALUE, ROOT])) == 3
    assert calls == [b"{}"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ()),
        ("a.0.b", ("a", "0", "b")),
        ("/a.b/0", ("a.b", "0")),
        ("/a~1b/~0c/~01", ("a/b", "~c", "~1")),
        ("/", ("",)),
    ],
)
def test_a_path_has_dots_or_is_a_json_pointer(path, expected):
    assert steps(path) == expected


@pytest.mark.parametrize(
    ("quality", "good", "is_good"),
    [
        ("192", (192,), True),
        ("192.0", (192,), True),
        ("0", (192,), False),
        ('"ok"', ("ok", True), True),
        ('"OK"', ("ok",), False),
        ("true", ("ok", True), True),
        ("1", (True,), False),
        ("true", (1,), False),
        ("null", (192,), False),
        ("[192]", (192,), False),
        ("NaN", (192,), False),
    ],
)
def test_a_value_is_good_only_if_its_quality_is_listed(quality, good, is_good):
    field = PayloadField(0, ("value",), quality_path=("q",), quality_good=good)
    assert is_bad(one(b'{"value": 1, "q": ' + quality.encode() + b"}", field)) is not is_good


def test_a_value_without_the_quality_it_should_have_is_bad():
    assert is_bad(
        one(b'{"value": 1}', PayloadField(0, ("value",), quality_path=("q",), quality_good=(1,)))
    )


def test_columns_have_the_types_of_a_batch_even_if_empty():
    for rows in ([(1, 5, 2.5, Quality.GOOD)], []):
        batch = columns(rows, wire_bytes=9, lost=4, unmatched=2)
        parts = (batch.tag, batch.at, batch.value, batch.quality)
        assert [column.dtype for column in parts] == [np.int32, np.int64, np.float64, np.uint8]
        assert {len(column) for column in parts} == {len(rows)}
        assert (batch.wire_bytes, batch.lost, batch.unmatched) == (9, 4, 2)


@pytest.mark.parametrize(
    ("payload", "path", "value"),
    [
        (b'{"value": "ON"}', "value", 1),
        (b'{"value": 1}', "value", 1),
        (b'"OFF"', "", 0),
        (b" ON\n", "", 1),
        (b"on", "", None),
        (b"ONE", "", None),
        (b'{"value": "HALF"}', "value", None),
        (b"ON\xff", "", None),
        (b"ON", "value", None),
    ],
)
def test_a_text_is_its_number_in_the_enumeration(payload, path, value):
    decoded = one(payload, PayloadField(0, steps(path), texts={"ON": 1.0, "OFF": 0.0}))
    assert is_bad(decoded) if value is None else decoded.value == value
