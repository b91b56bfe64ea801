import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.paths import parse_path
from connectors.mqtt.payloads import PayloadField, RelativePath, bad_batch, columns, rows_of
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.texts import TextNumbers
from connectors.mqtt.times import TimeForm
from gateway.api.model import SECOND, Quality

VALUE = PayloadField(0, ("value",), is_bad_if_absent=True)
ROOT = PayloadField(0)
NOON = 1_767_268_800 * SECOND  # 2026-01-01T12:00:00Z
ARRIVAL = 5


def timed(form, path=("value",)):
    at = RelativePath(("at",))
    return PayloadField(0, path, time=at, time_form=TimeForm(form), is_bad_if_absent=True)


TIMED = timed("iso")


def arrival(payload, topic="t", *, at=ARRIVAL, is_retained=False):
    size = len(topic) + len(payload or b"")
    return ReceivedMessage(at, topic, payload, size, is_retained)


def one(payload, field=VALUE):
    """Value, time, quality and reason of the only sample."""
    ((tag, at, value, quality, reason),) = rows_of(arrival(payload), [field])
    assert (tag, bool(reason)) == (field.tag, quality is not Quality.GOOD)
    return value, at, quality, reason


def is_bad(sample, at=ARRIVAL):
    value, time, quality, _ = sample
    return math.isnan(value) and time == at and quality is Quality.BAD


@pytest.mark.parametrize(
    ("payload", "path", "value"),
    [
        (b'{"value": 21.5}', "value", 21.5),
        (b'\xef\xbb\xbf{"value": 21.5}', "value", 21.5),
        (b'{"a": {"b": [1, {"c": -3}]}}', "a.b[1].c", -3.0),
        (b'{"0": 7}', "0", 7.0),
        (b'{"value": true}', "value", 1.0),
        (b"false", "", 0.0),
        (b"21.5", "", 21.5),
        (b" 1e3\n", "", 1000.0),
        (b'{"value": 1, "other": NaN}', "value", 1.0),
        (b'{"value": 9.5}\0', "value", 9.5),
        (b"21.5\n\0\0", "", 21.5),
    ],
)
def test_a_value_is_read_at_its_path(payload, path, value):
    field = PayloadField(0, parse_path(path))
    assert one(payload, field) == (value, ARRIVAL, Quality.GOOD, "")


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
        timed("ns", ()),
        timed("iso", ()),
    ):
        value, _, quality, _ = one(payload, field)
        assert math.isfinite(value) is (quality is Quality.GOOD)
        assert math.isnan(value) is (quality is Quality.BAD)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["value", "at", "0"]), inner),
    max_leaves=8,
)


@given(_json, st.sampled_from(["ns", "us", "ms", "s", "iso"]))
def test_any_json_gives_the_value_that_is_in_it_or_none(document, form):
    value, at, quality, _ = one(json.dumps(document).encode(), timed(form))
    assert 0 <= at < 2**63
    if quality is Quality.GOOD:
        assert value == float(document["value"])
    else:
        assert math.isnan(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_as_it_was_sent(value):
    assert one(json.dumps({"value": value}).encode())[0] == value


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
        (str(NOON // 10**6), "ms", NOON),
        ("1767268800.25", "s", NOON + SECOND // 4),
        ("01.01.2026 12:00:00", "%d.%m.%Y %H:%M:%S", NOON),
        ("2026-01-01T12:00:00,25Z", "iso", NOON + SECOND // 4),
        ("2026-01-01 12:00:00+00:00", "iso", NOON),
        ({"timeInSeconds": NOON // SECOND, "offsetInNanos": 7}, "s", NOON + 7),
        ({"seconds": str(NOON // SECOND), "nanos": 7}, "s", NOON + 7),
    ],
)
def test_the_time_of_the_measurement_is_read_in_its_format(at, form, expected):
    payload = json.dumps({"value": 1, "at": at}).encode()
    assert one(payload, timed(form)) == (1.0, expected, Quality.GOOD, "")


@pytest.mark.parametrize("form", ["ns", "us", "ms", "s", "iso"])
@pytest.mark.parametrize(
    "at", [None, True, "", "noon", "0001-01-01T00:00:00+23:59", -1, 10**30, 1e300, [], {}]
)
def test_a_time_that_cannot_be_read_makes_the_sample_bad_and_is_not_replaced(at, form):
    payload = json.dumps({"value": 1, "at": at}).encode()
    assert is_bad(one(payload, timed(form)))


def test_a_bad_value_keeps_its_own_time():
    assert is_bad(one(b'{"value": null, "at": "2026-01-01T12:00:00Z"}', TIMED), NOON)


def test_a_retained_message_is_good_only_if_its_own_time_is_younger_than_the_period():
    payload = b'{"value": 1, "at": "2026-01-01T12:00:00Z"}'
    fields = [VALUE, TIMED, PayloadField(0, ("none",), is_bad_if_absent=True)]
    young, old = NOON + TIMED.period, NOON + TIMED.period + 1
    for at, quality in ((young, Quality.GOOD), (old, Quality.UNCERTAIN)):
        rows = rows_of(arrival(payload, at=at, is_retained=True), fields)
        assert [row[3] for row in rows] == [Quality.UNCERTAIN, quality, Quality.BAD]
        assert [row[1] for row in rows] == [at, NOON, at]


def test_a_bad_batch_has_a_bad_sample_of_each_tag():
    batch = bad_batch({3: "refused", 1: "refused"}, 7)
    assert (batch.tag.tolist(), batch.at.tolist()) == ([3, 1], [7, 7])
    assert np.isnan(batch.value).all()
    assert batch.quality.tolist() == [Quality.BAD, Quality.BAD]
    assert batch.reasons == {3: "refused", 1: "refused"}


def test_a_payload_is_parsed_once_for_all_tags_of_its_topic(monkeypatch):
    from connectors.mqtt import payloads

    calls = []
    real = payloads.parse
    monkeypatch.setattr(payloads, "parse", lambda given: calls.append(given) or real(given))
    assert len(rows_of(arrival(b"{}"), [VALUE, VALUE, ROOT])) == 3
    assert calls == [b"{}"]


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
    field = PayloadField(0, ("value",), quality=RelativePath(("q",)), quality_good=good)
    assert is_bad(one(b'{"value": 1, "q": ' + quality.encode() + b"}", field)) is not is_good


def test_a_value_without_the_quality_it_should_have_is_bad():
    field = PayloadField(0, ("value",), quality=RelativePath(("q",)), quality_good=(1,))
    assert is_bad(one(b'{"value": 1}', field))


def test_columns_have_the_types_of_a_batch_even_if_empty():
    for rows in ([(1, 5, 2.5, Quality.GOOD, "")], []):
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
    texts = TextNumbers({"ON": 1.0, "OFF": 0.0})
    sample = one(payload, PayloadField(0, parse_path(path), texts=texts))
    assert is_bad(sample) if value is None else sample[0] == value


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"value": "OK"}', "text, not a number: 'OK'"),
        (b'{"value": "21.5"}', "a number as text: `text: number` reads it"),
        (b'{"value": ""}', "an empty text, not a number"),
        (b'{"value": null}', "null"),
        (b'{"value": NaN}', "nan is no finite number"),
        (b'{"value": -Infinity}', "-inf is no finite number"),
        (b'{"value": 1e999}', "inf is no finite number"),
        (b'{"value": ' + b"9" * 400 + b"}", "too large for a number"),
        (b'{"value": {}}', "an object, not a number"),
        (b'{"value": [1]}', "a list, not a number"),
        (b'{"other": 1}', "no `value` in the message"),
        (b"offline", "text: 'offline', not an object with `value`"),
        (b"[1]", "a list, not an object with `value`: select an element by its key"),
        (b"21.5", "a number, not an object with `value`"),
        (b'{"value": 1', "broken JSON"),
        (b"", "an empty message"),
        (b"\xff", "a payload not in UTF-8"),
        ('{"value": 1}'.encode("utf-16"), "a payload in UTF-16, not UTF-8"),
        ('{"value": 1, "u": "°C"}'.encode("latin-1"), "a payload not in UTF-8"),
        (None, "a payload longer than `max_payload`"),
        (b"[" * 100_000, "JSON that is nested too deeply"),
        (json.dumps({"value": "x" * 99}).encode(), f"text, not a number: '{'x' * 39}…'"),
        (b'{"value": "a\\u0007\\u202e"}', "text, not a number: 'a\\x07\\u202e'"),
    ],
)
def test_a_bad_sample_says_why(payload, reason):
    assert one(payload)[3] == reason


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("yesterday", "time cannot be read as iso: 'yesterday'"),
        ("29.11.2026", "time cannot be read as iso: '99.99.9999' (9: a digit)"),
        (17, "time cannot be read as iso: a number"),
        (None, "time cannot be read as iso: null"),
    ],
)
def test_an_unreadable_time_is_shown_by_its_form(at, reason):
    assert one(json.dumps({"value": 1, "at": at}).encode(), TIMED)[3] == reason


def test_a_time_in_another_unit_is_named():
    fields = [timed("s")]
    payload = json.dumps({"value": 1, "at": NOON // 10**6}).encode()
    ((*_, reason),) = rows_of(arrival(payload, at=NOON), fields)
    assert reason == "time cannot be read as s: a number, it is one in ms"


@pytest.mark.parametrize(
    ("quality", "reason"),
    [("bad", "quality 'bad'"), (0, "quality 0"), (None, "quality null"), (False, "quality false")],
)
def test_a_bad_quality_is_shown(quality, reason):
    field = PayloadField(0, ("value",), quality=RelativePath(("q",)), quality_good=(192,))
    assert one(json.dumps({"value": 1, "q": quality}).encode(), field)[3] == reason


def test_the_reason_of_a_batch_is_that_of_the_newest_sample():
    good, bad, gone = ((0, at, 1.0, q, why) for at, q, why in NEWEST)
    assert columns([bad, good, gone]).reasons == {0: "gone"}
    assert columns([gone, bad]).reasons == {0: "gone"}
    assert columns([bad, good]).reasons == {}


NEWEST = [(2, Quality.GOOD, ""), (1, Quality.BAD, "null"), (3, Quality.BAD, "gone")]


@pytest.mark.parametrize("place", ["error", "quality"])
@pytest.mark.parametrize(
    ("before", "after", "kind"), [(b"[", b"]", "a list"), (b'{"a":', b"}", "an object")]
)
def test_what_can_just_be_decoded_is_named_by_its_kind(place, before, after, kind):
    field = PayloadField(0, ("v",), quality_good=(1,), **{place: RelativePath(("e",))})
    reasons = {
        one(b'{"v":1,"e":' + before * depth + b"1" + after * depth + b"}", field)[3]
        for depth in range(800, 1000)
    }
    assert reasons == {f"{place} {kind}", "JSON that is nested too deeply"}


def test_a_long_error_is_cut():
    field = PayloadField(0, ("v",), error=RelativePath(("e",)))
    assert one(b'{"v":1,"e":' + b"9" * 4_000 + b"}", field)[3] == "error " + "9" * 40
