import subprocess
import sys

import sparkplug

from gateway.api.sparkplug import DOUBLE, STRING, payload_class


def test_what_is_written_is_read_by_a_decoder_of_the_specification():
    payload = payload_class()(timestamp=5, seq=0)
    metric = payload.metrics.add(name="a/b", timestamp=6, datatype=DOUBLE, double_value=1.5)
    metric.properties.keys.extend(["unit", "limit"])
    metric.properties.values.add(type=STRING, string_value="°C")
    metric.properties.values.add(type=DOUBLE, double_value=2.5)
    payload.metrics.add(name="c", is_null=True, is_historical=True, datatype=STRING)
    assert sparkplug.decoded(payload.SerializeToString()) == {
        "timestamp": 5,
        "seq": 0,
        "metrics": {
            "a/b": {
                "name": "a/b",
                "timestamp": 6,
                "datatype": DOUBLE,
                "value": 1.5,
                "properties": {"unit": "°C", "limit": 2.5},
            },
            "c": {
                "name": "c",
                "null": 1,
                "historical": 1,
                "datatype": STRING,
                "value": None,
                "properties": {},
            },
        },
    }


def test_what_another_encoder_wrote_is_read_and_what_is_not_described_is_skipped():
    extra = sparkplug.part(17, sparkplug.BYTES, b"a data set")
    raw = sparkplug.payload(sparkplug.metric("n", -3, sparkplug.INT64, quality=192) + extra, seq=9)
    payload = payload_class().FromString(raw)
    (metric,) = payload.metrics
    assert (payload.seq, metric.name, metric.long_value) == (9, "n", 2**64 - 3)
    assert metric.properties.values[0].int_value == 192


def test_the_class_is_made_once_and_only_when_it_is_needed():
    assert payload_class() is payload_class()
    code = "import gateway.api.sparkplug, sys; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
