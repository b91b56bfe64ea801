"""Answers to a write request: everything that is decided by what a server says."""

from types import SimpleNamespace

from fuzzing.targets import check_sentence
from gateway.api.contracts import SinkUnavailable
from gateway.sinks.influx_http import Reply
from gateway.sinks.influx_options import InfluxOptions

_OPTIONS = InfluxOptions(url="http://h", bucket="b", org="o")
_STATUSES = (0, 200, 204, 301, 400, 401, 404, 408, 413, 422, 429, 500, 503, 999)
_SECRET = "T0ken"


def answers(data: bytes) -> None:
    """A byte for the status, then Retry-After, Location and body, a line each."""
    from gateway.sinks.influx import InfluxSink, _decided

    if not data:
        return
    after, location, body = (data[1:] + b"\n\n").split(b"\n", 2)
    headers = {"Retry-After": after.decode("latin-1"), "Location": location.decode("latin-1")}
    reply = Reply(_STATUSES[data[0] % len(_STATUSES)], after.decode("latin-1"), headers, body)
    sink = InfluxSink("cloud", _OPTIONS, SimpleNamespace())
    sink._http._token = _SECRET
    try:
        response = _decided(sink._response(reply))
    except SinkUnavailable as error:
        said = str(error)
    else:
        assert response.wait >= 0
        assert response.dropped >= 0
        assert all(line >= 0 for line in response.lines)
        said = response.message + response.kind
    check_sentence(said)
    assert _SECRET not in said
