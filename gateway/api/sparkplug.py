"""The wire format of Sparkplug B, for those who read it and those who write it.

The message is described here, with the field numbers of section 6 of the Sparkplug 3.0
specification; no code is generated. Fields that neither side uses (data sets, templates, files) are
not described, so the parser skips them.
"""

import functools
from typing import Any

NAMESPACE = "spBv1.0"
BD_SEQ = "bdSeq"
"""The metric by which a death belongs to a birth."""
REBIRTH = "Node Control/Rebirth"
"""The metric by which a host asks an edge node for its births."""

# Data type numbers: Sparkplug 3.0, section 6.4.16.
INT32, INT64, DOUBLE, BOOLEAN, STRING = 3, 4, 10, 11, 12

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
_PROPERTY = {
    "type": (1, "uint32"),
    "is_null": (2, "bool"),
    "double_value": (6, "double"),
    "string_value": (8, "string"),
}
_PROPERTY_VALUE = {"int_value": (3, "uint32"), "long_value": (4, "uint64")}


@functools.cache
def payload_class() -> Any:
    """The class of a payload, as Google's protobuf makes it; 60 ms and 5 MB the first time."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="andon/sparkplug_b.proto", package="andon.sparkplug", syntax="proto2"
    )
    _describe(file, "Payload", _PAYLOAD)
    _describe(file, "Metric", _METRIC, _METRIC_VALUE)
    _describe(file, "PropertySet", _PROPERTY_SET)
    _describe(file, "PropertyValue", _PROPERTY, _PROPERTY_VALUE)
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
