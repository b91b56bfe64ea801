"""What is known of an edge node's own metrics, or of those of one of its devices (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.sparkplug.values import EXPLAIN_THEMSELVES
from gateway.api.model import SECOND, Nanos

Device = str | None
"""A device's name; None for the edge node itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """Tag number `tag`, and what is possible for it; see `payloads.Field`."""

    tag: int
    period: Nanos = 5 * SECOND
    texts: Mapping[str, float] | None = None


class Trust(Enum):
    """What is known of an edge node or device."""

    UNBORN = "its birth was not heard"
    BORN = "its birth was heard, and all that came since"
    DOUBTFUL = "something was missed"
    DEAD = "it is gone"


@dataclass(slots=True)
class Scope:
    """An edge node's own metrics, or those of one of its devices."""

    wanted: Mapping[str, Sequence[Place]]
    trust: Trust = Trust.UNBORN
    names: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)

    def tags(self) -> Iterator[int]:
        """The tags that are read from it."""
        return (place.tag for places in self.wanted.values() for place in places)

    def define(self, metrics: Sequence[Metric]) -> None:
        """Take up the names, aliases and types of a birth; an alias given twice means nothing."""
        self.names, self.types, self.trust = {}, {}, Trust.BORN
        doubled = set()
        for metric in metrics:
            if metric.name is None:
                continue
            self.types[metric.name] = metric.datatype
            if metric.alias is not None:
                if metric.alias in self.names:
                    doubled.add(metric.alias)
                self.names[metric.alias] = metric.name
        for alias in doubled:
            del self.names[alias]

    def resolve(self, metric: Metric) -> tuple[str | None, int, bool]:
        """Name, data type, and whether they are beyond doubt."""
        name = metric.name
        if name is None and metric.alias is not None:
            name = self.names.get(metric.alias)
        datatype = metric.datatype or self.types.get(name or "", 0)
        says_itself = metric.name is not None and (
            metric.datatype != 0 or metric.kind in EXPLAIN_THEMSELVES
        )
        is_sure = self.trust is Trust.BORN or (says_itself and self.trust is not Trust.DEAD)
        return name, datatype, is_sure
