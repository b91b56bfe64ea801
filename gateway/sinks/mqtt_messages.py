"""What the MQTT sink publishes, in whichever form: the seam between topics and connection (pure).

A presentation knows topics, payloads and their order; `MqttSink` knows the connection.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.api.alarms import Alarm, AlarmState, Transition
from gateway.api.contracts import Places
from gateway.api.model import Nanos, Point

_NOT_IN_A_LEVEL = str.maketrans(dict.fromkeys("+#/\0", "_"))
_UNNAMED = "_"
"""Stands for an empty name: an empty level of a topic is allowed, and hard to see."""


class Message(NamedTuple):
    """One message to publish; an empty retained payload clears its topic."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Presentation(Protocol):
    """One form of the alarms on a broker. The time is handed in."""

    @property
    def subscriptions(self) -> Sequence[tuple[str, int]]:
        """Topic filters with their QoS; empty if nothing is read."""
        ...

    @property
    def is_confirmed(self) -> bool:
        """Whether the broker acknowledges each message of it."""
        ...

    @property
    def attention(self) -> float | None:
        """Within so many seconds `due` is to be asked; None if that is not urgent."""
        ...

    def begin(self, now: Nanos) -> Message | None:
        """A connection is about to be made: its last will, if there is one."""
        ...

    def opening(self, now: Nanos) -> Sequence[Message]:
        """The first messages of a connection; what the broker kept was received before."""
        ...

    def closing(self, now: Nanos) -> Sequence[Message]:
        """The last messages of a connection that is ended on purpose."""
        ...

    def receive(self, topic: str, payload: bytes, *, is_retained: bool) -> str:
        """Takes a message of the broker; what is refused, in a sentence, or empty."""
        ...

    def due(self, now: Nanos) -> Sequence[Message]:
        """What the messages that were received ask for."""
        ...

    def show(self, point: Point, now: Nanos, *, is_superseded: bool) -> Sequence[Message]:
        """An alarm's transition; `is_superseded` if a newer one of that alarm follows at once."""
        ...

    def set_alarms(self, alarms: Mapping[str, Sequence[Alarm]]) -> None: ...

    def checkpoint(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


def level(name: str) -> str:
    """A name as one level of a topic: it cannot add a level or a wildcard."""
    return name.translate(_NOT_IN_A_LEVEL) or _UNNAMED


def of_line(template: str, places: Places) -> str:
    """A topic with the names of the line filled in."""
    return template.format_map({"site": level(places.site), "line": level(places.line)})


def alarm_of(point: Point) -> tuple[str, str] | None:
    """The detector and the name of the alarm; None if the point is not about one."""
    detector, alarm = point.tags.get("detector"), point.fields.get("alarm")
    return (detector, str(alarm)) if detector and alarm else None


def is_over(point: Point) -> bool:
    """Whether nothing of the alarm is left to show, as `Alert.is_over` defines it."""
    fields: Mapping[str, Any] = point.fields
    if "over" in fields:
        return bool(fields["over"])
    # A point of an older version.
    if fields.get("active"):
        return False
    stopped = (AlarmState.SUPPRESSED, Transition.SUPPRESSED)
    is_stopped = (fields.get("state"), fields.get("transition")) == stopped
    return is_stopped or fields.get("state") == AlarmState.NORMAL


def is_about_the_past(point: Point) -> bool:
    """Whether a person commented on an alarm that is over: it may have come again since."""
    return point.fields.get("transition") == Transition.COMMENTED and is_over(point)


def key_of(point: Point) -> str:
    """What is the same in two messages exactly if they are about the same transition."""
    fields = point.fields
    return f"{fields.get('id', '')}/{fields.get('transition', '')}/{point.at}"
