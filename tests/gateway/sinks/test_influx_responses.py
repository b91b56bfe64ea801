import json
from email.utils import formatdate

import pytest

from gateway.sinks.influx_responses import (
    WriteResponse,
    WriteStatus,
    classify,
    describe,
    named_lines,
    retry_after,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (204, WriteStatus.STORED),
        (201, WriteStatus.STORED),
        (400, WriteStatus.WRONG_POINT),
        (422, WriteStatus.WRONG_POINT),
        (413, WriteStatus.TOO_LARGE),
        (401, WriteStatus.NEEDS_HUMAN),
        (403, WriteStatus.NEEDS_HUMAN),
        (404, WriteStatus.NEEDS_HUMAN),
        (405, WriteStatus.NEEDS_HUMAN),
        (301, WriteStatus.NEEDS_HUMAN),
        (408, WriteStatus.LATER),
        (429, WriteStatus.LATER),
        (500, WriteStatus.LATER),
        (502, WriteStatus.LATER),
        (503, WriteStatus.LATER),
        (504, WriteStatus.LATER),
    ],
)
def test_every_status_is_classified(status, expected):
    assert classify(status) is expected


def test_a_captive_portal_has_stored_nothing():
    assert classify(200) is WriteStatus.NEEDS_HUMAN


def test_an_old_servers_partial_write_is_not_retried_for_ever():
    assert (
        classify(500, "500: partial write: points beyond retention policy")
        is WriteStatus.WRONG_POINT
    )
    assert classify(502, "502: partial write") is WriteStatus.LATER


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ("partial write: points beyond retention policy dropped=24", 24),
        ("partial write: dropped 550 points outside retention policy of duration 24h", 550),
        ("unable to parse 'dropped': missing fields", 0),
    ],
)
def test_the_number_of_dropped_points_is_parsed(message, count):
    assert WriteResponse(WriteStatus.WRONG_POINT, message).dropped == count


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("17", 17),
        ("-3", 0),
        ("soon", 0),
        (formatdate(1060, usegmt=True), 60),
        (formatdate(900, usegmt=True), 0),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(header, seconds):
    assert retry_after(header, now=1000.0) == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"code":"invalid","message":"bad line"}', "400 Bad Request: bad line"),
        (b'{"error":"partial write"}', "400 Bad Request: partial write"),
        (
            b'{"error":"partial write","data":[{"line_number":2,"error_message":"no field"}]}',
            "400 Bad Request: partial write: no field",
        ),
        (
            b'{"error":"parsing failed","data":{"line_number":1,"error_message":"no time"}}',
            "400 Bad Request: parsing failed: no time",
        ),
        (b'{"error":"no","data":null}', "400 Bad Request: no"),
        (b"<html>\n no\n</html>", "400 Bad Request: <html> no </html>"),
        (b"[]", "400 Bad Request: []"),
        (b"\xff", "400 Bad Request: �"),
        (b"", "400 Bad Request"),
        (None, "400 Bad Request"),
    ],
)
def test_a_response_is_described_in_one_short_row(body, message):
    assert describe(400, "Bad Request", body) == message


def test_a_long_description_is_cut():
    assert len(describe(500, "", b"x" * 10_000)) == 300


def test_a_token_that_the_server_repeats_is_masked():
    assert "s3cret" not in describe(401, "No", b'{"message":"token s3cret is unknown"}', ["s3cret"])


@pytest.mark.parametrize("entry", [b"[]", b"{}", b"0", b'{"line_number":1}'])
def test_an_answer_of_very_many_parts_is_not_decoded(entry):
    body = b'{"message":"many","data":[' + b",".join([entry] * 100_000) + b"]}"
    assert named_lines(body) == frozenset()
    assert describe(400, "Bad Request", body).startswith('400 Bad Request: {"message":"many"')


def test_all_points_of_a_large_request_can_be_named():
    line = "press,site=hall,line=1,unit=bar min=1,max=2,mean=1.5,count=10i 1"
    data = [
        {"original_line": line, "line_number": n + 1, "error_message": "x"} for n in range(5000)
    ]
    body = json.dumps({"error": "partial write", "data": data}).encode()
    assert named_lines(body) == frozenset(range(5000))
