"""One edge node and its devices: births, deaths and missed messages (pure).

Promises
- A death makes all tags of the node or device BAD at once. A death that belongs to an earlier birth
  is ignored.
- A number missing in the sequence means that a change may have been missed: the last values become
  UNCERTAIN. A metric sent by name is good again with its next value, because it describes itself. A
  metric sent by alias stays UNCERTAIN until the next birth, because the missed message may have
  changed the alias.
- Historical values are left out: they are not current.
"""

from collections.abc import Mapping, Sequence
from math import nan

from connectors.mqtt.notices import Notify
from connectors.mqtt.payloads import Row, retained_reason
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.metrics import Metric, Payload
from connectors.mqtt.sparkplug.scope import BirthState, Device, MetricTag, Scope
from connectors.mqtt.sparkplug.values import number_of, quality_of, why_not
from gateway.api.model import Nanos, Quality

BD_SEQ = "bdSeq"


class EdgeNode:
    """Tracks one edge node; `handle` its messages in the order of arrival.

    `wanted` holds the tags by device and metric. `notify` gets the events that operators should
    see, each once; the node's name is in `unborn` while it sends aliases without a known birth.
    """

    def __init__(
        self,
        name: str,
        wanted: Mapping[Device, Mapping[str, Sequence[MetricTag]]],
        notify: Notify,
        unborn: set[str] | None = None,
        *,
        source_time: bool = True,
    ) -> None:
        self._unborn: set[str] = set() if unborn is None else unborn
        self._name, self._notify, self._source_time = name, notify, source_time
        self._scopes = {device: Scope(metrics) for device, metrics in wanted.items()}
        self._scopes.setdefault(None, Scope({}))
        self._seq: int | None = None
        self._bd_seq: int | None = None

    def handle(
        self, kind: str, device: Device, payload: Payload | None, received: ReceivedMessage
    ) -> list[Row]:
        """The samples in a message; `payload` is None if it could not be decoded."""
        if kind == "NDEATH":
            return self._node_death(payload, received)
        if payload is None:
            self._seq = None
            return self._mark_uncertain("a message could not be decoded", received.at)
        uncertain = [] if received.is_retained else self._check_sequence(kind, payload, received)
        if kind == "NBIRTH":
            uncertain += self._node_birth(payload, received)
        rows = self._rows(kind, device, payload, received)
        updated = {row[0] for row in rows}
        return [row for row in uncertain if row[0] not in updated] + rows

    def _rows(
        self, kind: str, device: Device, payload: Payload, received: ReceivedMessage
    ) -> list[Row]:
        scope = self._scopes.get(device)
        if scope is None:
            return []
        if kind == "DDEATH":
            return self._mark_dead({device: scope}, received.at)
        if kind.endswith("BIRTH"):
            return self._birth(device, scope, payload, received)
        return self._values(scope, payload, received, self._time_of(payload))

    def _check_sequence(self, kind: str, payload: Payload, received: ReceivedMessage) -> list[Row]:
        """Compares the sequence number with the last one; a gap makes all values uncertain."""
        expected = None if self._seq is None else (self._seq + 1) % 256
        self._seq = payload.seq % 256
        if kind == "NBIRTH" or expected in (None, self._seq):
            return []
        why = f"messages were lost (received number {self._seq}, expected {expected})"
        return self._mark_uncertain(why, self._time_of(payload) or received.at)

    def _mark_uncertain(self, why: str, at: Nanos) -> list[Row]:
        scopes = [scope for scope in self._scopes.values() if scope.state is not BirthState.DEAD]
        until = "sent again by name, or the next birth"
        if any(scope.state is not BirthState.GAP for scope in scopes):
            self._notify("sparkplug.values_uncertain", node=self._name, why=why, until=until)
        doubt = f"Sparkplug: {why.partition(' (')[0]}; uncertain until {until}"
        for scope in scopes:
            scope.state, scope.doubt = BirthState.GAP, doubt
        return [
            (tag, at, value, Quality.UNCERTAIN, doubt)
            for scope in scopes
            for tag, value in scope.last.items()
        ]

    # Births and deaths ------------------------------------------------------------------------

    def _node_birth(self, payload: Payload, received: ReceivedMessage) -> list[Row]:
        """The last values of its devices, which are uncertain until they are born again too."""
        self._unborn.discard(self._name)
        if received.is_retained:
            self._bd_seq = _bd_seq(payload) if self._bd_seq is None else self._bd_seq
            return []
        self._bd_seq = _bd_seq(payload)
        at = self._time_of(payload) or received.at
        rows: list[Row] = []
        for device, scope in self._scopes.items():
            if device is not None:
                scope.names, scope.types = {}, {}
                if scope.state is not BirthState.DEAD:
                    scope.state = BirthState.UNBORN
                why = f"Sparkplug: {scope.state.value} of {device} since that of its edge node"
                rows += [
                    (tag, at, value, Quality.UNCERTAIN, why) for tag, value in scope.last.items()
                ]
        return rows

    def _birth(
        self, device: Device, scope: Scope, payload: Payload, received: ReceivedMessage
    ) -> list[Row]:
        if received.is_retained and scope.state is BirthState.BORN:
            return []  # a later birth was received already
        scope.apply_birth(payload.metrics)
        missing = [metric for metric in scope.wanted if metric not in scope.types]
        if missing:
            who = self._name if device is None else f"{self._name}/{device}"
            names = ", ".join(missing)
            self._notify("sparkplug.metrics_missing", born=who, metrics=names)
        at = self._time_of(payload)
        bad = [
            (entry.tag, at or received.at, nan, Quality.BAD, f"no metric {metric} in the birth")
            for metric in missing
            for entry in scope.wanted[metric]
        ]
        for row in bad:
            _remember(scope, row)
        return bad + self._values(scope, payload, received, at, is_birth=True)

    def _node_death(self, payload: Payload | None, received: ReceivedMessage) -> list[Row]:
        bd_seq = None if payload is None else _bd_seq(payload)
        if bd_seq is not None and self._bd_seq is not None and bd_seq != self._bd_seq:
            return []
        if any(scope.state is not BirthState.DEAD for scope in self._scopes.values()):
            self._notify("sparkplug.node_dead", node=self._name)
        self._seq = None
        return self._mark_dead(self._scopes, received.at)

    def _mark_dead(self, scopes: Mapping[Device, Scope], at: Nanos) -> list[Row]:
        for device, scope in scopes.items():
            if scope.state is not BirthState.DEAD and device is not None:
                self._notify("sparkplug.device_dead", device=f"{self._name}/{device}")
            scope.state = BirthState.DEAD
            scope.last.clear()
        return [
            (tag, at, nan, Quality.BAD, self._death(device))
            for device, scope in scopes.items()
            for tag in scope.tags()
        ]

    def _death(self, device: Device) -> str:
        if device is None:
            return f"the edge node {self._name} is dead"
        return f"the device {self._name}/{device} is dead, or its edge node"

    # Values -----------------------------------------------------------------------------------

    def _time_of(self, payload: Payload) -> Nanos | None:
        return payload.at if self._source_time else None

    def _values(
        self,
        scope: Scope,
        payload: Payload,
        received: ReceivedMessage,
        at: Nanos | None,
        *,
        is_birth: bool = False,
    ) -> list[Row]:
        rows: list[Row] = []
        for metric in payload.metrics:
            name, datatype, is_certain = scope.resolve(metric)
            if name is None:
                rows += self._unknown_alias(scope, received)
            elif name in scope.wanted and not metric.is_historical:
                # A birth has current values; their own times may be those of the last change.
                own = at if is_birth or not self._source_time else metric.at or at
                doubt = "" if is_certain else scope.doubt_now()
                for entry in scope.wanted[name]:
                    row = _row(metric, datatype, entry, own, received, doubt)
                    _remember(scope, row)
                    rows.append(row)
        return rows

    def _unknown_alias(self, scope: Scope, received: ReceivedMessage) -> list[Row]:
        if scope.state is BirthState.BORN:
            why = "an alias is not in the birth"
            return self._mark_uncertain(why, received.at)
        if self._name not in self._unborn:
            self._unborn.add(self._name)
            self._notify(
                "sparkplug.aliases_unknown",
                node=self._name,
                why="no birth was received: aliases have no meaning until the next one",
                advice="let a host request a rebirth: andon is read-only and cannot",
            )
        return []


def _row(
    metric: Metric,
    datatype: int,
    entry: MetricTag,
    own: Nanos | None,
    received: ReceivedMessage,
    doubt: str,
) -> Row:
    value = number_of(metric, datatype, entry.texts)
    quality = quality_of(metric)
    at = received.at if own is None else own
    if value is None:
        return entry.tag, at, nan, Quality.BAD, why_not(metric, datatype, entry.texts)
    if quality is Quality.BAD:
        return entry.tag, at, nan, quality, f"quality {metric.quality}, bad"
    why = f"quality {metric.quality}, uncertain" if quality is Quality.UNCERTAIN else ""
    if received.is_retained and (own is None or received.at - own > entry.period):
        why = retained_reason(own)
    why = doubt or why
    return entry.tag, at, value, Quality.UNCERTAIN if why else Quality.GOOD, why


def _remember(scope: Scope, row: Row) -> None:
    tag, _, value, quality, _ = row
    if quality is Quality.BAD:
        scope.last.pop(tag, None)
    else:
        scope.last[tag] = value


def _bd_seq(payload: Payload) -> int | None:
    raws = (metric.raw for metric in payload.metrics if metric.name == BD_SEQ)
    return next((raw for raw in raws if isinstance(raw, int)), None)
