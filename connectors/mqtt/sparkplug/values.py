"""The number and the quality of a metric (pure).

Promises
- A value whose type and encoding contradict each other is not used.
- An integer of unknown type is not used: only the type tells whether 4294967295 means -1.
"""

from math import isfinite

from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.texts import TextNumbers
from connectors.mqtt.wording import not_a_number
from gateway.api.model import Quality

# Data type numbers: Sparkplug 3.0, section 6.4.16.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_FIELD_BITS = {"int_value": 32, "long_value": 64}
_FLOATS = {"float_value": (0, 9, 10), "double_value": (0, 9, 10)}
_BOOLEAN = (0, 11)
_TEXT = (0, 12, 14)
SELF_DESCRIBING = frozenset(("float_value", "double_value", "boolean_value", "string_value"))
"""The fields whose content does not depend on the data type."""

_GOOD, _BAD, _STALE = 192, 0, 500


def number_of(metric: Metric, datatype: int, texts: TextNumbers | None) -> float | None:
    """The value as a number, else None; `datatype` is 0 if unknown."""
    if metric.is_null or metric.kind is None:
        return None
    if metric.kind in _FIELD_BITS:
        return _integer(metric.raw, _FIELD_BITS[metric.kind], datatype)
    if metric.kind in _FLOATS:
        fits = datatype in _FLOATS[metric.kind] and isfinite(metric.raw)
        return float(metric.raw) if fits else None
    if metric.kind == "boolean_value":
        return float(metric.raw) if datatype in _BOOLEAN else None
    return texts.number(metric.raw) if texts and datatype in _TEXT else None


def why_not(metric: Metric, datatype: int, texts: TextNumbers | None) -> str:
    """Why a metric has no number, in words for people."""
    if metric.is_null or metric.kind is None:
        return "null" if metric.is_null else "no value, or one of a type that is not a number"
    if metric.kind in _FIELD_BITS:
        return _why_no_integer(datatype)
    if metric.kind == "string_value" and datatype in _TEXT:
        return texts.why_not(metric.raw) if texts else not_a_number(metric.raw)
    if metric.kind in _FLOATS and not isfinite(metric.raw):
        return not_a_number(float(metric.raw))
    return f"{metric.kind} contradicts the metric's data type, number {datatype}"


def _why_no_integer(datatype: int) -> str:
    if datatype in _SIGNED | _UNSIGNED:
        return "an integer beyond its type"
    if datatype:
        return f"an integer contradicts the metric's data type, number {datatype}"
    return "an integer whose type is not known: neither the message nor a birth has it"


def _integer(raw: int, field_bits: int, datatype: int) -> float | None:
    bits = _UNSIGNED.get(datatype)
    if bits is not None:
        return float(raw) if raw < 2**bits else None
    bits = _SIGNED.get(datatype)
    if bits is None:
        return None
    if raw < 2**bits:  # two's complement in the type's own bits
        return float(raw if raw < 2 ** (bits - 1) else raw - 2**bits)
    # Some encoders extend the sign to the whole field.
    whole = raw - 2**field_bits
    return float(whole) if whole >= -(2 ** (bits - 1)) else None


def quality_of(metric: Metric) -> Quality:
    """The quality of its property: 192 good, 500 stale, 0 bad, else as in OPC DA."""
    if metric.quality is None or metric.quality == _GOOD:
        return Quality.GOOD
    if metric.quality == _STALE:
        return Quality.UNCERTAIN
    major = metric.quality & 0xC0 if metric.quality < 256 else _BAD
    return {0xC0: Quality.GOOD, 0x40: Quality.UNCERTAIN}.get(major, Quality.BAD)
