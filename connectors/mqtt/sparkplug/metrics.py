"""The decoded content of a Sparkplug payload."""

from typing import Any, NamedTuple

from gateway.api.model import Nanos


class Metric(NamedTuple):
    """One metric of a payload; `kind` is the field that holds its value, None if there is none."""

    name: str | None
    alias: int | None
    at: Nanos | None
    datatype: int
    is_historical: bool
    is_null: bool
    kind: str | None
    raw: Any
    quality: int | None


class Payload(NamedTuple):
    """The content of one message; `seq` is 0 if omitted, as some encoders omit a zero."""

    at: Nanos | None
    seq: int
    metrics: tuple[Metric, ...]
