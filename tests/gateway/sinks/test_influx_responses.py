from email.utils import formatdate

import pytest

from gateway.sinks.influx_responses import Answer, Verdict, judge, retry_after, words


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (204, Verdict.STORED),
        (201, Verdict.STORED),
        (400, Verdict.WRONG_LINE),
        (422, Verdict.WRONG_LINE),
        (413, Verdict.TOO_LARGE),
        (401, Verdict.NEEDS_HUMAN),
        (403, Verdict.NEEDS_HUMAN),
        (404, Verdict.NEEDS_HUMAN),
        (405, Verdict.NEEDS_HUMAN),
        (301, Verdict.NEEDS_HUMAN),
        (408, Verdict.LATER),
        (429, Verdict.LATER),
        (500, Verdict.LATER),
        (502, Verdict.LATER),
        (503, Verdict.LATER),
        (504, Verdict.LATER),
    ],
)
def test_every_status_has_its_verdict(status, verdict):
    assert judge(status) is verdict


def test_a_captive_portal_has_stored_nothing():
    assert judge(200) is Verdict.NEEDS_HUMAN


def test_an_old_servers_partial_write_does_not_stand_in_the_way_for_ever():
    assert judge(500, "500: partial write: points beyond retention policy") is Verdict.WRONG_LINE
    assert judge(502, "502: partial write") is Verdict.LATER


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("partial write: points beyond retention policy dropped=24", 24),
        ("partial write: dropped 550 points outside retention policy of duration 24h", 550),
        ("unable to parse 'dropped': missing fields", 0),
    ],
)
def test_a_server_may_say_how_many_lines_it_dropped(said, count):
    assert Answer(Verdict.WRONG_LINE, said).dropped == count


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
def test_a_server_may_ask_for_time_in_seconds_or_by_a_date(header, seconds):
    assert retry_after(header, now=1000.0) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
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
def test_the_servers_words_are_one_short_line(body, said):
    assert words(400, "Bad Request", body) == said


def test_long_words_are_cut():
    assert len(words(500, "", b"x" * 10_000)) == 300


def test_a_token_that_the_server_repeats_is_masked():
    assert "s3cret" not in words(401, "No", b'{"message":"token s3cret is unknown"}', ["s3cret"])
