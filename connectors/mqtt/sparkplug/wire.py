"""The wire format: bytes to metrics, with Google's protobuf parser.

The message is described here, with the field numbers of section 6 of the Sparkplug 3.0
specification; no code is generated. Fields without a number (data sets, templates, files) are not
described, so the parser skips them.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from connectors.mqtt.sparkplug.metrics import Metric, Payload
from gateway.api.model import Nanos

MILLISECOND: Nanos = 1_000_000
MOST_METRICS = 50_000
"""Of one message: all are looked at, while the gateway waits."""
QUALITY = "quality"
"""The property with the quality of a value; some encoders write Quality."""

# name: (number, type); a type that starts with a capital is a message, a star means repeated.
_PAYLOAD = {"timestamp": (1, "uint64"), "metrics": (2, "Metric*"), "seq": (3, "uint64")}
_METRIC = {
    "name": (1, "string"),
    "alias": (2, "uint64"),
    "timestamp": (3, "uint64"),
    "datatype": (4, "uint32"),
    "is_historical": (5, "bool"),
    "is_null": (7, "bool"),
    "properties": (9, "PropertySet"),
}
_METRIC_VALUE = {
    "int_value": (10, "uint32"),
    "long_value": (11, "uint64"),
    "float_value": (12, "float"),
    "double_value": (13, "double"),
    "boolean_value": (14, "bool"),
    "string_value": (15, "string"),
}
_PROPERTY_SET = {"keys": (1, "string*"), "values": (2, "PropertyValue*")}
_PROPERTY_VALUE = {"int_value": (3, "uint32"), "long_value": (4, "uint64")}


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


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="andon/sparkplug_b.proto", package="andon.sparkplug", syntax="proto2"
    )
    _describe(file, "Payload", _PAYLOAD)
    _describe(file, "Metric", _METRIC, _METRIC_VALUE)
    _describe(file, "PropertySet", _PROPERTY_SET)
    _describe(file, "PropertyValue", {}, _PROPERTY_VALUE)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("andon.sparkplug.Payload")
    return message_factory.GetMessageClass(descriptor)


def _describe(
    file: Any,
    name: str,
    fields: dict[str, tuple[int, str]],
    one_of: dict[str, tuple[int, str]] | None = None,
) -> None:
    message = file.message_type.add(name=name)
    if one_of:
        message.oneof_decl.add(name="value")
    for field, (number, kind) in (fields | (one_of or {})).items():
        described = message.field.add(name=field, number=number)
        is_repeated, plain = kind.endswith("*"), kind.rstrip("*")
        described.label = described.LABEL_REPEATED if is_repeated else described.LABEL_OPTIONAL
        if plain[0].isupper():
            described.type = described.TYPE_MESSAGE
            described.type_name = f".{file.package}.{plain}"
        else:
            described.type = getattr(described, f"TYPE_{plain.upper()}")
        if one_of and field in one_of:
            described.oneof_index = 0


_Payload = _message_class()
