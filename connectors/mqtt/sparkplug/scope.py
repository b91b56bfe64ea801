"""The state of an edge node's own metrics, or of one of its devices' (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.sparkplug.values import SELF_DESCRIBING
from connectors.mqtt.texts import TextNumbers
from gateway.api.model import SECOND, Nanos

Device = str | None
"""A device's name; None for the edge node itself."""


@dataclass(frozen=True, slots=True)
class MetricTag:
    """Tag number `tag`, and how it is encoded; see `payloads.PayloadField`."""

    tag: int
    period: Nanos = 5 * SECOND
    texts: TextNumbers | None = None


class BirthState(Enum):
    """What is known of an edge node or device."""

    UNBORN = "no birth was received"
    BORN = "its birth and every message since were received"
    GAP = "a message was missed"
    DEAD = "its death was received"


@dataclass(slots=True)
class Scope:
    """The metrics of an edge node itself, or of one of its devices."""

    wanted: Mapping[str, Sequence[MetricTag]]
    state: BirthState = BirthState.UNBORN
    names: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    doubt: str = ""
    """Why its values are uncertain since a message was missed."""

    def tags(self) -> Iterator[int]:
        """The tags that are read from it."""
        return (entry.tag for entries in self.wanted.values() for entry in entries)

    def doubt_now(self) -> str:
        """Why a value that does not describe itself is uncertain, in words for people."""
        return self.doubt if self.state is BirthState.GAP else f"Sparkplug: {self.state.value}"

    def apply_birth(self, metrics: Sequence[Metric]) -> None:
        """Stores the names, aliases and types of a birth; an alias given twice is ignored."""
        self.names, self.types, self.state = {}, {}, BirthState.BORN
        duplicates = set()
        for metric in metrics:
            if metric.name is None:
                continue
            self.types[metric.name] = metric.datatype
            if metric.alias is not None:
                if metric.alias in self.names:
                    duplicates.add(metric.alias)
                self.names[metric.alias] = metric.name
        for alias in duplicates:
            del self.names[alias]

    def resolve(self, metric: Metric) -> tuple[str | None, int, bool]:
        """Name, data type, and whether both are certain."""
        name = metric.name
        if name is None and metric.alias is not None:
            name = self.names.get(metric.alias)
        datatype = metric.datatype or self.types.get(name or "", 0)
        is_self_describing = metric.name is not None and (
            metric.datatype != 0 or metric.kind in SELF_DESCRIBING
        )
        is_certain = self.state is BirthState.BORN or (
            is_self_describing and self.state is not BirthState.DEAD
        )
        return name, datatype, is_certain
