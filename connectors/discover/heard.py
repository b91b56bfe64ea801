"""What the topics of a broker carry: numbers, JSON with numbers in it, or Sparkplug (pure).

Promises
- Bounded: so many topics, so many places in a payload, so many levels deep.
- Any payload is of some kind, whatever its bytes are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connectors.mqtt.mailbox import Arrival
from connectors.mqtt.payloads import number_of, parse, time_of
from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.sparkplug.reader import address_of
from connectors.mqtt.sparkplug.scope import Scope
from connectors.mqtt.sparkplug.values import number_of as number_of_metric
from connectors.mqtt.tags import TimeFormat
from gateway.api.model import SECOND, Nanos

DEEP, PLACES = 6, 50
"""How deep into a payload is looked, and how many numbers of one are taken."""
_TIME_NAMES = frozenset(("time", "timestamp", "ts", "t", "at", "datetime", "date", "utc"))
_AROUND_NOW: Nanos = 366 * 86400 * SECOND
_FORMATS: tuple[TimeFormat, ...] = ("iso", "s", "ms", "us", "ns")

Path = tuple[str, ...]


class Place(NamedTuple):
    """Where a number stands: at a path in a topic's payload, or as a metric of Sparkplug."""

    where: str
    """The topic, or the edge node with its device."""
    what: Path | str
    """The path, or the name of the metric."""


@dataclass
class Source:
    """A topic, or an edge node or device of Sparkplug: how often it spoke, and what it said."""

    kind: str
    messages: int = 0
    numbers: dict[Path | str, float] = field(default_factory=dict)
    time_path: Path | None = None
    time_format: TimeFormat | None = None
    is_retained: bool = False
    nameless: int = 0
    _live: int = 0
    _first: Nanos = 0
    _last: Nanos = 0
    scope: Scope = field(default_factory=lambda: Scope({}))

    def note(self, arrival: Arrival) -> None:
        """Count a message; a retained one says nothing of how often it comes."""
        self.messages += 1
        self.is_retained |= arrival.is_retained
        if not arrival.is_retained:
            self._first = self._first or arrival.at
            self._last, self._live = arrival.at, self._live + 1

    @property
    def period(self) -> Nanos | None:
        """The mean time between two messages; None if fewer than three came."""
        return (self._last - self._first) // (self._live - 1) if self._live > 2 else None


class Heard:
    """Everything that was heard, by topic and by edge node or device."""

    def __init__(self, most_topics: int) -> None:
        self.topics: dict[str, Source] = {}
        self.nodes: dict[str, Source] = {}
        self.left_out = 0
        self._most = most_topics

    def take(self, arrival: Arrival) -> None:
        """Take up what a message shows."""
        address = address_of(arrival.topic)
        if address is None:
            source = self._source(self.topics, arrival.topic)
            if source is not None:
                source.note(arrival)
                _take_payload(source, arrival)
            return
        node, kind, device = address
        source = self._source(self.nodes, f"{node}/{device}" if device else node)
        if source is not None:
            source.note(arrival)
            _take_sparkplug(source, kind, arrival)

    def _source(self, among: dict[str, Source], name: str) -> Source | None:
        if name not in among and len(self.topics) + len(self.nodes) >= self._most:
            self.left_out += 1
            return None
        return among.setdefault(name, Source("Sparkplug" if among is self.nodes else "empty"))

    @property
    def places(self) -> list[Place]:
        """Every number that was found."""
        return [
            Place(name, what)
            for among in (self.topics, self.nodes)
            for name, source in sorted(among.items())
            for what in source.numbers
        ]


def _take_payload(source: Source, arrival: Arrival) -> None:
    document = parse(arrival.payload)
    source.kind = _kind(document, arrival)
    for path, value in _leaves(document, ()):
        if source.time_path is None and path and path[-1].lower() in _TIME_NAMES:
            source.time_format = _format_of(value, arrival.at)
            source.time_path = path if source.time_format else None
        number = None if path == source.time_path else number_of(value)
        if number is not None and (path in source.numbers or len(source.numbers) < PLACES):
            source.numbers[path] = number
    if source.time_path is not None:
        source.numbers.pop(source.time_path, None)


def _kind(document: Any, arrival: Arrival) -> str:
    if not arrival.size - len(arrival.topic.encode()):
        return "empty"
    if document is None:
        return "too long" if arrival.payload is None else "bytes"
    if isinstance(document, dict | list):
        return "JSON"
    return "number" if isinstance(document, int | float) else "text"


def _leaves(found: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(found, dict | list) and len(path) < DEEP:
        inner = found.items() if isinstance(found, dict) else enumerate(found[:PLACES])
        for key, value in inner:
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, found


def _format_of(value: Any, now: Nanos) -> TimeFormat | None:
    """How a time is written, if it is one of the last or the next year."""
    times = ((form, time_of(value, form)) for form in _FORMATS)
    near = (form for form, at in times if at is not None and abs(at - now) < _AROUND_NOW)
    return next(near, None)


def _take_sparkplug(source: Source, kind: str, arrival: Arrival) -> None:
    from connectors.mqtt.sparkplug.wire import parse as parse_sparkplug

    payload = parse_sparkplug(arrival.payload) if arrival.payload else None
    if payload is None or kind.endswith("DEATH"):
        return
    if kind.endswith("BIRTH"):
        source.scope.define(payload.metrics)
    for metric in payload.metrics:
        _take_metric(source, metric)


def _take_metric(source: Source, metric: Metric) -> None:
    name, datatype, _ = source.scope.resolve(metric)
    if name is None:
        source.nameless += 1
        return
    number = number_of_metric(metric, datatype, None)
    is_ours = name != "bdSeq" and not name.startswith(("Node Control/", "Device Control/"))
    if number is not None and is_ours:
        source.numbers[name] = number
