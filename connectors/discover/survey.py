"""A survey of a broker's topics: numbers, JSON with numbers, or Sparkplug (pure).

Promises
- The number of topics, the numbers taken from one payload and its depth are bounded.
- Every payload has a kind, whatever its bytes are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connectors.mqtt.payloads import number_of, parse
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.sparkplug.reader import address_of
from connectors.mqtt.sparkplug.scope import Scope
from connectors.mqtt.sparkplug.values import number_of as number_of_metric
from connectors.mqtt.tags import TimeFormat
from connectors.mqtt.times import TimeForm
from gateway.api.model import SECOND, Nanos

MAX_DEPTH, MOST_NUMBERS = 6, 50
"""How deep a payload is searched, and how many of its numbers are taken."""
_TIME_NAMES = frozenset(("time", "timestamp", "ts", "t", "at", "datetime", "date", "utc"))
_AROUND_NOW: Nanos = 366 * 86400 * SECOND
_FORMATS: tuple[TimeFormat, ...] = ("iso", "s", "ms", "us", "ns")

Path = tuple[str, ...]


class NumberLocation(NamedTuple):
    """The location of a number: a path in a topic's payload, or a Sparkplug metric."""

    sender: str
    """The topic, or the edge node with its device."""
    field: Path | str
    """The path, or the name of the metric."""


@dataclass
class TopicSummary:
    """A topic, or a Sparkplug edge node or device: its messages and the numbers in them."""

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

    def note(self, received: ReceivedMessage) -> None:
        """Counts a message; a retained one does not count for the period."""
        self.messages += 1
        self.is_retained |= received.is_retained
        if not received.is_retained:
            self._first = self._first or received.at
            self._last, self._live = received.at, self._live + 1

    @property
    def period(self) -> Nanos | None:
        """The mean time between two messages; None if fewer than three came."""
        return (self._last - self._first) // (self._live - 1) if self._live > 2 else None


class BrokerSurvey:
    """The summaries by topic and by edge node or device."""

    def __init__(self, most_topics: int) -> None:
        self.topics: dict[str, TopicSummary] = {}
        self.nodes: dict[str, TopicSummary] = {}
        self.left_out = 0
        self._most = most_topics

    def add(self, received: ReceivedMessage) -> None:
        """Adds a message."""
        address = address_of(received.topic)
        if address is None:
            summary = self._summary(self.topics, received.topic)
            if summary is not None:
                summary.note(received)
                _add_payload(summary, received)
            return
        node, kind, device = address
        summary = self._summary(self.nodes, f"{node}/{device}" if device else node)
        if summary is not None:
            summary.note(received)
            _add_sparkplug(summary, kind, received)

    def _summary(self, among: dict[str, TopicSummary], name: str) -> TopicSummary | None:
        if name not in among and len(self.topics) + len(self.nodes) >= self._most:
            self.left_out += 1
            return None
        return among.setdefault(name, TopicSummary("Sparkplug" if among is self.nodes else "empty"))

    @property
    def numbers(self) -> list[NumberLocation]:
        """The locations of all numbers."""
        return [
            NumberLocation(name, key)
            for among in (self.topics, self.nodes)
            for name, summary in sorted(among.items())
            for key in summary.numbers
        ]


def _add_payload(summary: TopicSummary, received: ReceivedMessage) -> None:
    document = parse(received.payload)
    summary.kind = _kind(document, received)
    for path, value in _leaves(document, ()):
        if summary.time_path is None and path and path[-1].lower() in _TIME_NAMES:
            summary.time_format = _format_of(value, received.at)
            summary.time_path = path if summary.time_format else None
        number = None if path == summary.time_path else number_of(value)
        if number is not None and (path in summary.numbers or len(summary.numbers) < MOST_NUMBERS):
            summary.numbers[path] = number
    if summary.time_path is not None:
        summary.numbers.pop(summary.time_path, None)


def _kind(document: Any, received: ReceivedMessage) -> str:
    if not received.size - len(received.topic.encode()):
        return "empty"
    if document is None:
        return "too long" if received.payload is None else "bytes"
    if isinstance(document, dict | list):
        return "JSON"
    return "number" if isinstance(document, int | float) else "text"


def _leaves(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(node, dict | list) and len(path) < MAX_DEPTH:
        inner = node.items() if isinstance(node, dict) else enumerate(node[:MOST_NUMBERS])
        for key, value in inner:
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, node


def _format_of(value: Any, now: Nanos) -> TimeFormat | None:
    """The format of a time, if it is within a year of `now`."""
    times = ((form, TimeForm(form).read(value, now)) for form in _FORMATS)
    near = (form for form, at in times if at is not None and abs(at - now) < _AROUND_NOW)
    return next(near, None)


def _add_sparkplug(summary: TopicSummary, kind: str, received: ReceivedMessage) -> None:
    from connectors.mqtt.sparkplug.wire import parse as parse_sparkplug

    payload = parse_sparkplug(received.payload) if received.payload else None
    if payload is None or kind.endswith("DEATH"):
        return
    if kind.endswith("BIRTH"):
        summary.scope.apply_birth(payload.metrics)
    for metric in payload.metrics:
        _add_metric(summary, metric)


def _add_metric(summary: TopicSummary, metric: Metric) -> None:
    name, datatype, _ = summary.scope.resolve(metric)
    if name is None:
        summary.nameless += 1
        return
    number = number_of_metric(metric, datatype, None)
    is_ours = name != "bdSeq" and not name.startswith(("Node Control/", "Device Control/"))
    if number is not None and is_ours:
        summary.numbers[name] = number
