"""Each version of InfluxDB has options of its own, and a mixture is refused with what is right."""

import re

import pytest
from pydantic import ValidationError

from gateway.sinks.influx_options import InfluxOptions

URL = {"url": "http://influx.example:8086"}
SECRET = "${env:INFLUX_SECRET}"


def test_version_2_is_the_default():
    options = InfluxOptions(**URL, bucket="lines", org="plant", token=SECRET)
    assert (options.version, options.path) == (2, "/api/v2/write")
    assert options.query == {"org": "plant", "bucket": "lines", "precision": "ns"}
    assert options.target == "bucket lines"


def test_version_3_has_no_organisation():
    options = InfluxOptions(**URL, version=3, bucket="lines")
    assert options.path == "/api/v2/write"
    assert options.query == {"bucket": "lines", "precision": "ns"}


def test_version_1_writes_to_a_database():
    options = InfluxOptions(**URL, version=1, database="lines", retention_policy="week")
    assert options.path == "/write"
    assert options.query == {"db": "lines", "rp": "week", "precision": "ns"}
    assert options.target == "database lines"


def test_version_1_writes_to_the_default_retention_policy():
    assert InfluxOptions(**URL, version=1, database="lines").query == {
        "db": "lines",
        "precision": "ns",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "`bucket` is missing: `version: 2` requires it"),
        ({"version": 1}, "`database` is missing: `version: 1` requires it"),
        ({"version": 1, "bucket": "b"}, "InfluxDB 2 and 3: `version: 1` has `database`"),
        ({"version": 1, "database": "d", "org": "o"}, "2 and 3: `version: 1` has no organisation"),
        ({"version": 1, "database": "d", "token": SECRET}, "has `username` and `password`"),
        ({"bucket": "b", "database": "d"}, "belongs to `version: 1`: `version: 2` has `bucket`"),
        ({"bucket": "b", "retention_policy": "r"}, "`version: 2` has the retention of the bucket"),
        ({"bucket": "b", "username": "u"}, "`version: 1`: `version: 2` has `token`"),
        ({"bucket": "b", "username": "u", "password": SECRET}, "belongs to `version: 1`"),
        ({"version": 3, "bucket": "b", "database": "d"}, "`version: 3` has `bucket`"),
        ({"version": 1, "database": "d", "password": SECRET}, "`password` needs `username`"),
        ({"version": 1, "database": "d", "username": "a:b"}, "must not contain a colon"),
        ({"version": 4, "bucket": "b"}, "1, 2 or 3"),
        ({"version": "1.8", "database": "b"}, "1, 2 or 3"),
    ],
)  # fmt: skip
def test_a_mixture_is_refused_with_what_would_be_right(given, words):
    with pytest.raises(ValidationError, match=re.escape(words)):
        InfluxOptions(**URL, **given)
