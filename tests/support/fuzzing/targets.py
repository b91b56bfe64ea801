"""The parsers under fuzz: functions that take bytes, and raise only if the parser is wrong.

A function returns if the bytes were read, or refused with an error of the family that its parser
declares. Anything else that leaves it is a fault, and so is more time or memory than the bounds.
"""

from collections.abc import Callable
from importlib import import_module

TARGETS = {
    "modbus": "fuzzing.modbus:frames",
    "modbus_identification": "fuzzing.modbus:identified",
    "opcua_values": "fuzzing.opcua:values",
    "opcua_structures": "fuzzing.opcua:structures",
    "mqtt_payloads": "fuzzing.mqtt:payloads",
    "mqtt_sparkplug": "fuzzing.mqtt:sparkplug",
    "influx_answers": "fuzzing.influx:answers",
    "line_files": "fuzzing.files:line_file",
    "tag_tables": "fuzzing.files:tag_table",
    "cases": "fuzzing.files:cases",
    "manifests": "fuzzing.models:manifest",
    "onnx": "fuzzing.models:graph",
    "csv": "fuzzing.recordings:csv",
    "parquet": "fuzzing.recordings:parquet",
    "control": "fuzzing.control:requests",
}


def function(name: str) -> Callable[[bytes], None]:
    """The function of a target, or of `module:function`, with its parser imported."""
    module, _, attribute = TARGETS.get(name, name).partition(":")
    return getattr(import_module(module), attribute)


def check_sentence(text: str) -> None:
    """What is said of foreign bytes is one row of text that can be stored and sent."""
    text.encode()
    assert "\n" not in text, text
    assert len(text) < 2_000, f"{len(text)} characters: {text[:100]}"
