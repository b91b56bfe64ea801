"""Alarms as metrics of a Sparkplug B edge node: births, deaths and data (pure).

Promises
- Each connection begins with the births of the node and of its device, which hold every alarm of
  the line with its state, and ends with the node's death: the broker sends it as the last will if
  andon cannot. A death and its birth carry the same bdSeq, which survives a restart.
- Messages are numbered as the specification asks. An alarm that no birth had is born before its
  first data.
- A transition that a newer one follows at once is marked as historical: hosts store it, and do not
  take it for the current state.
- The one command that is accepted is a rebirth, which makes andon send its births again. Nothing
  that arrives here reaches a PLC.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.api.alarms import Alarm, AlarmState
from gateway.api.contracts import Places
from gateway.api.model import Nanos, Point
from gateway.api.sparkplug import (
    BD_SEQ,
    BOOLEAN,
    DOUBLE,
    INT64,
    NAMESPACE,
    REBIRTH,
    STRING,
    payload_class,
)
from gateway.sinks.mqtt_messages import Message, alarm_of, is_about_the_past, key_of, of_line
from gateway.sinks.mqtt_options import MqttSinkOptions

MILLISECOND: Nanos = 1_000_000
PROPERTIES = (
    "id", "transition", "by", "reason", "acknowledged_by", "verdict", "caused_by", "advice",
    "cause",
)  # fmt: skip
"""Fields of a transition that are properties of the alarm's `state`, where they are not empty."""
_BORN = {"state": AlarmState.NORMAL.value, "active": False, "message": "", "value": None}
_TYPES = {
    "state": STRING,
    "active": BOOLEAN,
    "severity": STRING,
    "message": STRING,
    "value": DOUBLE,
}
"""The metrics of one alarm."""
_VALUES = {INT64: "long_value", DOUBLE: "double_value", BOOLEAN: "boolean_value",
           STRING: "string_value"}  # fmt: skip
_LONGEST_COMMAND = 64 * 1024


class SparkplugAlarms:
    """One edge node with one device."""

    is_confirmed = False
    attention = 1.0

    def __init__(self, options: MqttSinkOptions, places: Places) -> None:
        group, self._node = of_line(options.group, places), of_line(options.node, places)
        self._group, self._device = group, of_line(options.device, places)
        self._command = f"{NAMESPACE}/{group}/NCMD/{self._node}"
        self.subscriptions = [(self._command, 1)]
        self._bd_seq, self._seq = -1, 0
        self._alarms: dict[tuple[str, str], dict[str, Any]] = {}
        self._is_rebirth_due = False
        self._saved: bytes | None = None

    def begin(self, now: Nanos) -> Message | None:
        """The death of the node, as the last will of the connection."""
        self._bd_seq = (self._bd_seq + 1) % 256
        self._is_rebirth_due, self._saved = False, None
        return self._death(now)

    def opening(self, now: Nanos) -> Sequence[Message]:
        """The births of the node and of its device."""
        self._is_rebirth_due, self._seq = False, -1
        birth = self._payload(now)
        _add(birth, BD_SEQ, INT64, self._bd_seq, now)
        _add(birth, REBIRTH, BOOLEAN, False, now)
        return [self._message("NBIRTH", birth), self._device_birth(now)]

    def closing(self, now: Nanos) -> Sequence[Message]:
        """The death of the node: the broker drops the last will after a good-bye."""
        return [self._death(now)]

    def receive(self, topic: str, payload: bytes, *, is_retained: bool) -> str:
        """Notes a request for a rebirth, and refuses all other commands."""
        if topic != self._command:
            return ""
        names = [] if is_retained else _commands(payload)
        if names == [REBIRTH]:
            self._is_rebirth_due = True
            return ""
        what = ", ".join(names)[:200] or "what is no Sparkplug command"
        return f"only {REBIRTH} = true is accepted, not {what}"

    def due(self, now: Nanos) -> Sequence[Message]:
        """The births, if a host asked for them."""
        return self.opening(now) if self._is_rebirth_due else []

    def show(self, point: Point, now: Nanos, *, is_superseded: bool) -> Sequence[Message]:
        """The alarm's metrics after a transition."""
        alarm = alarm_of(point)
        if alarm is None:
            raise ValueError("not a transition of an alarm")
        births = [] if alarm in self._alarms else [self._device_birth(now, alarm)]
        shown, is_past = _shown(point), is_about_the_past(point)
        if not is_past:
            self._alarms[alarm], self._saved = shown, None
        data = self._payload(now)
        self._add_alarm(data, alarm, shown, now, is_historical=is_superseded or is_past)
        return [*births, self._message("DDATA", data, self._device)]

    def set_alarms(self, alarms: Mapping[str, Sequence[Alarm]]) -> None:
        """Every alarm is born with the device, also one that was never raised."""
        known = [(detector, alarm) for detector, some in alarms.items() for alarm in some]
        self._alarms = {
            (detector, alarm.name): self._alarms.get((detector, alarm.name), {**_BORN})
            | {"severity": alarm.severity.value}
            for detector, alarm in known
        }
        self._saved = None

    def checkpoint(self) -> bytes:
        """The number of the last connection, and the alarms that ever had a transition."""
        if self._saved is None:
            rows = [[*alarm, shown] for alarm, shown in self._alarms.items() if "at" in shown]
            facts = {"bd_seq": self._bd_seq, "alarms": rows}
            self._saved = zlib.compress(json.dumps(facts).encode(), 1)
        return self._saved

    def restore(self, state: bytes) -> None:
        """Takes up a checkpoint."""
        facts = json.loads(zlib.decompress(state))
        self._bd_seq, self._saved = facts["bd_seq"], None
        self._alarms = {(detector, alarm): shown for detector, alarm, shown in facts["alarms"]}

    # Messages ---------------------------------------------------------------------------------

    def _death(self, now: Nanos) -> Message:
        death = payload_class()(timestamp=now // MILLISECOND)
        _add(death, BD_SEQ, INT64, self._bd_seq, now)
        topic = f"{NAMESPACE}/{self._group}/NDEATH/{self._node}"
        return Message(topic, death.SerializeToString(), qos=1)

    def _device_birth(self, now: Nanos, new: tuple[str, str] | None = None) -> Message:
        if new is not None:
            self._alarms[new] = {**_BORN, "severity": ""}
        birth = self._payload(now)
        for alarm in self._alarms:
            self._add_alarm(birth, alarm, self._alarms[alarm], now)
        return self._message("DBIRTH", birth, self._device)

    def _payload(self, now: Nanos) -> Any:
        self._seq = (self._seq + 1) % 256
        return payload_class()(timestamp=now // MILLISECOND, seq=self._seq)

    def _message(self, kind: str, body: Any, device: str = "") -> Message:
        below = f"/{device}" if device else ""
        topic = f"{NAMESPACE}/{self._group}/{kind}/{self._node}{below}"
        # The specification asks for QoS 0; `is_confirmed` says what follows from that.
        return Message(topic, body.SerializeToString(), qos=0)

    def _add_alarm(
        self,
        body: Any,
        alarm: tuple[str, str],
        shown: Mapping[str, Any],
        now: Nanos,
        *,
        is_historical: bool = False,
    ) -> None:
        name, at = f"alarms/{'/'.join(alarm)}", shown.get("at", now)
        for part, datatype in _TYPES.items():
            metric = _add(body, f"{name}/{part}", datatype, shown[part], at)
            if is_historical:
                metric.is_historical = True
            if part == "state":
                _add_properties(metric, shown)


def _add(body: Any, name: str, datatype: int, value: Any, at: Nanos) -> Any:
    metric = body.metrics.add(name=name, datatype=datatype, timestamp=at // MILLISECOND)
    if value is None:
        metric.is_null = True
    else:
        setattr(metric, _VALUES[datatype], value)
    return metric


def _add_properties(metric: Any, shown: Mapping[str, Any]) -> None:
    for key, value in shown.get("properties", {}).items():
        metric.properties.keys.append(key)
        kind = "double_value" if isinstance(value, float) else "string_value"
        datatype = DOUBLE if isinstance(value, float) else STRING
        metric.properties.values.add(type=datatype, **{kind: value})


def _shown(point: Point) -> dict[str, Any]:
    """What is kept of an alarm: the values of its metrics, with their time."""
    fields: Mapping[str, Any] = point.fields
    properties = {name: fields[name] for name in PROPERTIES if fields.get(name)}
    numbers = {name: fields[name] for name in ("threshold", "peak") if name in fields}
    value = fields.get("value")
    return {
        "at": point.at,
        "state": str(fields.get("state", "")),
        "active": bool(fields.get("active")),
        "severity": point.tags.get("severity", ""),
        "message": str(fields.get("message", "")),
        "value": value if isinstance(value, float) else None,
        "properties": {"key": key_of(point), **properties, **numbers},
    }


def _commands(raw: bytes) -> list[str]:
    """The metrics of a command; a rebirth that is not true has another name."""
    from google.protobuf.message import DecodeError

    if len(raw) > _LONGEST_COMMAND:
        return []
    try:
        metrics = payload_class().FromString(raw).metrics
    except DecodeError:
        return []
    return list(_named(metrics))


def _named(metrics: Any) -> Iterator[str]:
    for metric in metrics:
        name = metric.name if isinstance(metric.name, str) else "a name that is not UTF-8"
        is_wanted = metric.WhichOneof("value") == "boolean_value" and metric.boolean_value
        yield name if name != REBIRTH or is_wanted else f"{name} = false"
