"""Bytes to metrics, with Google's protobuf parser; `gateway.api.sparkplug` describes the bytes."""

from typing import Any

from google.protobuf.message import DecodeError

from connectors.mqtt.sparkplug.metrics import Metric, Payload
from gateway.api.model import Nanos
from gateway.api.sparkplug import payload_class

MILLISECOND: Nanos = 1_000_000
MOST_METRICS = 50_000
"""Of one message: all are looked at, while the gateway waits."""
QUALITY = "quality"
"""The property with the quality of a value; some encoders write Quality."""

_Payload = payload_class()


def parse(payload: bytes) -> Payload | None:
    """The metrics of a payload; None if it is not one, or has more than MOST_METRICS."""
    try:
        message = _Payload.FromString(payload)
        if len(message.metrics) > MOST_METRICS:
            return None
        metrics = tuple(map(_metric, message.metrics))
    except DecodeError:
        return None
    return Payload(_time(message), message.seq, metrics)


def _metric(message: Any) -> Metric:
    # The parser returns a text that is not UTF-8 as bytes.
    if not isinstance(message.name, str):
        raise DecodeError("a name is not UTF-8")
    kind = message.WhichOneof("value")
    return Metric(
        name=message.name or None,
        alias=message.alias if message.HasField("alias") else None,
        at=_time(message),
        datatype=message.datatype,
        is_historical=message.is_historical,
        is_null=message.is_null,
        kind=kind,
        raw=None if kind is None else getattr(message, kind),
        quality=_quality(message.properties) if message.HasField("properties") else None,
    )


def _time(message: Any) -> Nanos | None:
    """Milliseconds since 1970 as nanoseconds; None if omitted or out of range."""
    if not 0 < message.timestamp < 2**63 // MILLISECOND:
        return None
    return int(message.timestamp) * MILLISECOND


def _quality(properties: Any) -> int | None:
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key.lower() == QUALITY:
            return int(value.long_value if value.HasField("long_value") else value.int_value)
    return None
