"""A survey of a broker's topics: numbers, JSON with numbers, or Sparkplug (pure).

Promises
- The number of topics, the numbers taken from one payload and its depth are bounded.
- Every payload has a kind, whatever its bytes are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connectors.discover.mqtt_values import MOST_NUMBERS, PayloadSurvey
from connectors.mqtt.lookup import Mismatch
from connectors.mqtt.paths import Path
from connectors.mqtt.payloads import TOO_LONG, parse
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.metrics import Metric
from connectors.mqtt.sparkplug.reader import address_of
from connectors.mqtt.sparkplug.scope import Scope
from connectors.mqtt.sparkplug.values import number_of as number_of_metric
from gateway.api.model import Nanos

MOST_NOTES = 5


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
    options: dict[Path | str, Mapping[str, Any]] = field(default_factory=dict)
    """How a tag reads each number, beside the topic and the path."""
    notes: dict[str, None] = field(default_factory=dict)
    """What is not among the numbers and why, and what a person has to add."""
    is_retained: bool = False
    nameless: int = 0
    _seen: dict[Path | None, tuple[Nanos, Nanos, int]] = field(default_factory=dict)
    """First and last time, and how many, by path; of the messages under None."""
    scope: Scope = field(default_factory=lambda: Scope({}))

    def note(self, received: ReceivedMessage) -> None:
        """Counts a message; a retained one does not count for the period."""
        self.messages += 1
        self.is_retained |= received.is_retained
        self.note_number(None, received)

    def note_number(self, path: Path | None, received: ReceivedMessage) -> None:
        """Counts a number in a message; of None, the message itself."""
        if not received.is_retained:
            first, _, count = self._seen.get(path, (received.at, 0, 0))
            self._seen[path] = first, received.at, count + 1

    @property
    def period(self) -> Nanos | None:
        """The mean time between two messages; None if fewer than three came."""
        return self.period_of(None)

    def period_of(self, path: Path | None) -> Nanos | None:
        """The mean time between two values; None if fewer than three came."""
        first, last, count = self._seen.get(path, (0, 0, 0))
        return (last - first) // (count - 1) if count > 2 and last > first else None


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
    if isinstance(document, Mismatch):
        return
    payload = PayloadSurvey(received.at)
    for path, value, options in payload.numbers(document):
        if path in summary.numbers or len(summary.numbers) < MOST_NUMBERS:
            summary.numbers[path] = value
            summary.options[path] = options
            summary.note_number(path, received)
        else:
            summary.notes[f"only the first {MOST_NUMBERS} numbers are taken"] = None
    if len(summary.notes) < MOST_NOTES:
        summary.notes |= dict.fromkeys(payload.notes[:MOST_NOTES])


def _kind(document: Any, received: ReceivedMessage) -> str:
    if not received.size - len(received.topic.encode()):
        return "empty"
    if isinstance(document, Mismatch):
        return "too long" if document.why == TOO_LONG else document.why.removeprefix("a payload ")
    if isinstance(document, dict | list):
        return "JSON"
    return "number" if isinstance(document, int | float) else "text"


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
