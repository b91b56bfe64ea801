import json

import pytest
from alarm_news import NOON, news, stored

from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.sinks.alert_news import LONGEST, AlertNews


def test_a_stored_alert_is_read():
    read = news(3, "raised", caused_by="x-1", in_flood=True)
    assert (read.id, read.transition, read.severity) == ("guard.oil.high-3", "raised", "high")
    assert (read.line, read.site, read.caused_by, read.in_flood) == (
        "press-3", "demo-plant", "x-1", True,
    )  # fmt: skip
    assert read.words == "Oil temperature high: 87.2 °C, limit 85 °C (3)"


def test_the_key_names_alarm_transition_and_time():
    assert news(3).key == f"guard.oil.high-3.raised.{NOON + 3_000_000_000}"
    assert news(3, "returned").key != news(3).key


def test_a_point_without_the_fields_of_an_alarm_has_the_hash_of_its_bytes_as_key():
    def read(value):
        body = encode(Point("m", {"line": "l"}, {"x": value}, 1))
        return AlertNews.of(Envelope(Kind.ALERT, 1, body))

    assert read(1.0).key == read(1.0).key != read(2.0).key
    assert read(1.0).words == "alarm: news"
    assert read(1.0).rank == 0


def test_a_field_of_another_type_than_expected_is_text():
    read = news(0, message=7, opened_at="long ago", in_flood="yes")
    assert (read.message, read.opened_at, read.in_flood) == ("7", read.at, False)


def test_a_long_text_is_cut():
    assert len(news(0, cause="x" * 5_000).cause) == LONGEST


def test_what_was_kept_is_read_back():
    kept = json.loads(json.dumps(news(3).facts()))
    assert AlertNews.restored(kept) == news(3)
    del kept["id"]
    with pytest.raises(KeyError):
        AlertNews.restored(kept)


def test_what_is_not_line_protocol_is_an_error():
    with pytest.raises(ValueError, match="not a line"):
        AlertNews.of(Envelope(Kind.ALERT, 1, b"nonsense"))


def test_a_stored_point_is_one_of_the_alerts():
    assert stored().kind is Kind.ALERT
