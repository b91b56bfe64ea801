"""SenML (RFC 8428) in JSON: a list of records that share base values (pure).

Promises
- Names and times are whole afterwards: base name, base time and base value are added in.
- A time relative to now (section 4.5.3) is relative to the reception.
"""

import sys
from typing import Any

from gateway.api.model import SECOND, Nanos

_RELATIVE_BELOW = 2**28
_LARGEST = sys.float_info.max
_BASES = ("bn", "bt", "bv", "bu")


def resolved(document: Any, received: Nanos) -> Any:
    """The records with their full name `n`, their time `t` in s and their value `v`.

    Anything but a list of objects is returned as it is.
    """
    if not isinstance(document, list):
        return document
    base: dict[str, Any] = {}
    return [_record(each, base, received) for each in document]


def _record(record: Any, base: dict[str, Any], received: Nanos) -> Any:
    if not isinstance(record, dict):
        return record
    base.update({key: record[key] for key in _BASES if key in record})
    full = {key: value for key, value in record.items() if key not in _BASES}
    if not full.keys() & {"n", "v", "vs", "vb", "vd", "s"}:
        return full  # base values alone
    full["n"] = f"{base.get('bn', '')}{record.get('n', '')}"
    full["t"] = _time(record.get("t", 0), base.get("bt", 0), received)
    if _is_number(base.get("bv", 0)) and _is_number(record.get("v")):
        full["v"] = record["v"] + base.get("bv", 0)
    elif "v" in record and "bv" in base:
        full["v"] = None
    full.setdefault("u", base.get("bu"))
    return full


def _time(own: Any, base: Any, received: Nanos) -> Any:
    if not (_is_number(own) and _is_number(base)):
        return None
    seconds = own + base
    return received / SECOND + seconds if seconds < _RELATIVE_BELOW else seconds


def _is_number(value: Any) -> bool:
    # An integer of JSON may be larger than any float, to which it cannot be added.
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and -_LARGEST <= value <= _LARGEST
