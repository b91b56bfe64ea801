"""One edge node and its devices: who is born, who is dead, and what was missed (pure).

Promises
- A death makes all tags behind it BAD at once. One that belongs to an earlier birth is not
  believed.
- A number missing in the sequence means that a change may have been missed: what the tags last were
  becomes UNCERTAIN. A metric that comes with its name is good again with its next value, because
  that says itself what it is. One that comes as an alias stays UNCERTAIN until the next birth,
  because the missed message may have been one that gave the alias away.
- Historical values are left out: they are no news of now.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan

from connectors.mqtt.mailbox import Arrival
from connectors.mqtt.payloads import Row
from connectors.mqtt.sparkplug.metrics import Metric, Payload
from connectors.mqtt.sparkplug.scope import Device, Place, Scope, Trust
from connectors.mqtt.sparkplug.values import number_of, quality_of
from gateway.api.model import Nanos, Quality

BD_SEQ = "bdSeq"


class EdgeNode:
    """Follows one edge node; `take` its messages in the order in which they come.

    `wanted` are the tags by device and metric. `say` is told what an operator should know, once.
    """

    def __init__(
        self,
        name: str,
        wanted: Mapping[Device, Mapping[str, Sequence[Place]]],
        say: Callable[[str], None],
        *,
        source_time: bool = True,
    ) -> None:
        self._name, self._say, self._source_time = name, say, source_time
        self._scopes = {device: Scope(metrics) for device, metrics in wanted.items()}
        self._scopes.setdefault(None, Scope({}))
        self._seq: int | None = None
        self._bd_seq: int | None = None
        self._is_mute = False

    def take(
        self, kind: str, device: Device, payload: Payload | None, arrival: Arrival
    ) -> list[Row]:
        """The samples that a message brings; `payload` is None if it could not be read."""
        if kind == "NDEATH":
            return self._node_death(payload, arrival)
        if payload is None:
            self._seq = None
            return self._doubt("a message could not be read", arrival.at)
        doubts = [] if arrival.is_retained else self._follow(kind, payload, arrival)
        if kind == "NBIRTH":
            self._node_birth(payload, is_retained=arrival.is_retained)
        rows = self._said(kind, device, payload, arrival)
        brought = {row[0] for row in rows}
        return [row for row in doubts if row[0] not in brought] + rows

    def _said(self, kind: str, device: Device, payload: Payload, arrival: Arrival) -> list[Row]:
        scope = self._scopes.get(device)
        if scope is None:
            return []
        if kind == "DDEATH":
            return self._bury({device: scope}, arrival.at)
        if kind.endswith("BIRTH"):
            return self._birth(device, scope, payload, arrival)
        return self._values(scope, payload, arrival, self._time_of(payload))

    def _follow(self, kind: str, payload: Payload, arrival: Arrival) -> list[Row]:
        """Hold the sequence number against the last one; doubt everything if one is missing."""
        expected = None if self._seq is None else (self._seq + 1) % 256
        self._seq = payload.seq % 256
        if kind == "NBIRTH" or expected in (None, self._seq):
            return []
        why = f"messages were lost (number {self._seq} came instead of {expected})"
        return self._doubt(why, self._time_of(payload) or arrival.at)

    def _doubt(self, why: str, at: Nanos) -> list[Row]:
        scopes = [scope for scope in self._scopes.values() if scope.trust is not Trust.DEAD]
        if any(scope.trust is not Trust.DOUBTFUL for scope in scopes):
            until = "until they come again by name, or until its next birth"
            self._say(f"edge node {self._name}: {why}; values are uncertain {until}")
        for scope in scopes:
            scope.trust = Trust.DOUBTFUL
        return [
            (tag, at, value, Quality.UNCERTAIN)
            for scope in scopes
            for tag, value in scope.last.items()
        ]

    # Births and deaths ------------------------------------------------------------------------

    def _node_birth(self, payload: Payload, *, is_retained: bool) -> None:
        if is_retained:
            self._bd_seq = _bd_seq(payload) if self._bd_seq is None else self._bd_seq
            return
        self._bd_seq, self._is_mute = _bd_seq(payload), False
        for device, scope in self._scopes.items():
            if device is not None:
                scope.names, scope.types = {}, {}
                if scope.trust is not Trust.DEAD:
                    scope.trust = Trust.UNBORN

    def _birth(self, device: Device, scope: Scope, payload: Payload, arrival: Arrival) -> list[Row]:
        if arrival.is_retained and scope.trust is Trust.BORN:
            return []  # we have heard it ourselves, and later
        scope.define(payload.metrics)
        missing = [metric for metric in scope.wanted if metric not in scope.types]
        if missing:
            who = self._name if device is None else f"{self._name}/{device}"
            self._say(f"{who} was born without {', '.join(missing)}")
        at = self._time_of(payload)
        gone = [
            (place.tag, at or arrival.at, nan, Quality.BAD)
            for metric in missing
            for place in scope.wanted[metric]
        ]
        return gone + self._values(scope, payload, arrival, at, is_birth=True)

    def _node_death(self, payload: Payload | None, arrival: Arrival) -> list[Row]:
        died = None if payload is None else _bd_seq(payload)
        if died is not None and self._bd_seq is not None and died != self._bd_seq:
            return []
        if any(scope.trust is not Trust.DEAD for scope in self._scopes.values()):
            self._say(f"edge node {self._name} is gone")
        self._seq = None
        return self._bury(self._scopes, arrival.at)

    def _bury(self, scopes: Mapping[Device, Scope], at: Nanos) -> list[Row]:
        for device, scope in scopes.items():
            if scope.trust is not Trust.DEAD and device is not None:
                self._say(f"device {self._name}/{device} is gone")
            scope.trust = Trust.DEAD
            scope.last.clear()
        return [(tag, at, nan, Quality.BAD) for s in scopes.values() for tag in s.tags()]

    # Values -----------------------------------------------------------------------------------

    def _time_of(self, payload: Payload) -> Nanos | None:
        return payload.at if self._source_time else None

    def _values(
        self,
        scope: Scope,
        payload: Payload,
        arrival: Arrival,
        at: Nanos | None,
        *,
        is_birth: bool = False,
    ) -> list[Row]:
        rows: list[Row] = []
        for metric in payload.metrics:
            name, datatype, is_sure = scope.resolve(metric)
            if name is None:
                rows += self._nameless(scope, arrival)
            elif name in scope.wanted and not metric.is_historical:
                # A birth says what is true now; its metrics may say since when.
                own = at if is_birth or not self._source_time else metric.at or at
                for place in scope.wanted[name]:
                    row = _row(metric, datatype, place, own, arrival, is_sure=is_sure)
                    _remember(scope, row)
                    rows.append(row)
        return rows

    def _nameless(self, scope: Scope, arrival: Arrival) -> list[Row]:
        if scope.trust is Trust.BORN:
            return self._doubt("an alias was used that its birth does not know", arrival.at)
        if not self._is_mute:
            self._is_mute = True
            self._say(
                f"edge node {self._name} speaks in aliases, and its birth was not heard: they mean "
                "nothing until its next birth. We only read and cannot ask for one; a host can"
            )
        return []


def _row(
    metric: Metric,
    datatype: int,
    place: Place,
    at: Nanos | None,
    arrival: Arrival,
    *,
    is_sure: bool,
) -> Row:
    value = number_of(metric, datatype, place.texts)
    quality = quality_of(metric)
    if value is None or quality is Quality.BAD:
        return place.tag, arrival.at if at is None else at, nan, Quality.BAD
    is_old = arrival.is_retained and (at is None or arrival.at - at > place.period)
    if is_old or not is_sure:
        quality = Quality.UNCERTAIN
    return place.tag, arrival.at if at is None else at, value, quality


def _remember(scope: Scope, row: Row) -> None:
    tag, _, value, quality = row
    if quality is Quality.BAD:
        scope.last.pop(tag, None)
    else:
        scope.last[tag] = value


def _bd_seq(payload: Payload) -> int | None:
    found = (metric.raw for metric in payload.metrics if metric.name == BD_SEQ)
    return next((raw for raw in found if isinstance(raw, int)), None)
