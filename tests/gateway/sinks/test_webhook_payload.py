import inspect
import re

from alarm_news import stored

from gateway.api.line_protocol import decode
from gateway.core import points
from gateway.sinks.webhook_payload import EXAMPLE, payload


def test_it_is_one_flat_object_with_key_and_time():
    point = decode(stored().body)
    made = payload(point, "k")
    assert made["key"] == "k"
    assert made["time"] == "2026-01-01T12:00:00.000000000Z"
    assert made.items() >= {**point.tags, **point.fields}.items()


def test_the_example_has_every_field_of_an_alert():
    # Also those that only some transitions have: a template may name any of them.
    code = inspect.getsource(points).partition("def alert_envelope")[2]
    code = code.partition("def summary_envelope")[0]
    names = set(re.findall(r'^        "(\w+)": .*\balert\b', code, re.MULTILINE))
    assert names > {"severity", "id", "transition", "message"}
    assert names - set(payload(EXAMPLE, "")) == set()
