"""Alarms as JSON: topics of transitions, of states, and of whether andon is connected (pure).

Promises
- Each transition is a message on the topic of events, in the order in which they were stored.
- The broker keeps a message for each alarm that is not over, and none for the others. What it keeps
  is compared and put right at the begin of each connection: what it lost comes back, and what is
  over is cleared, also of alarms that are not in the line file any more.
- Only states of this site and line are cleared, whatever else lies below the prefix.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from gateway.api.alarms import Alarm
from gateway.api.contracts import Places
from gateway.api.model import Nanos, Point
from gateway.sinks.file import iso
from gateway.sinks.mqtt_messages import (
    Message,
    alarm_of,
    is_about_the_past,
    is_over,
    key_of,
    level,
    of_line,
)
from gateway.sinks.mqtt_options import OF_AN_ALARM, MqttSinkOptions

VERSION = 1
"""Of the payload: a key that is removed, or gets another meaning, makes it a new version."""
ONLINE, OFFLINE = b"online", b"offline"
_MOST_SEEN, _LONGEST_SEEN = 20_000, 64 * 1024
"""Kept messages below the states that are looked at, and their bytes; others are not ours."""


def payload_of(point: Point) -> bytes:
    """The JSON of a transition: the tags and fields of its point, and what tells it from others."""
    document: dict[str, Any] = {"version": VERSION, "key": key_of(point), "time": iso(point.at)}
    document |= {**point.tags, **point.fields}
    if "causes" in point.fields:
        document["causes"] = json.loads(str(point.fields["causes"]))
    return json.dumps(document, ensure_ascii=False).encode()


class JsonAlarms:
    """The topics of one line."""

    is_confirmed = True
    attention = None

    def __init__(self, options: MqttSinkOptions, places: Places) -> None:
        self._prefix = of_line(options.prefix, places)
        self._places, self._retain, self._keeps = places, options.retain, options.states
        self._events = options.topic or f"{options.prefix}/alarms/events"
        self._status = f"{self._prefix}/status"
        self._open: dict[tuple[str, str], str] = {}
        self._saved: bytes | None = None
        self._seen: dict[str, bytes] = {}
        states = f"{self._prefix}/alarms/state/#"
        self.subscriptions = [(states, 0)] if self._keeps else []

    def begin(self, _now: Nanos) -> Message | None:
        """The last will: andon is not connected."""
        self._seen.clear()
        return Message(self._status, OFFLINE, retain=True) if self._keeps else None

    def opening(self, _now: Nanos) -> Sequence[Message]:
        """What puts the kept states right, and that andon is connected."""
        if not self._keeps:
            return []
        wanted = {self._state(*alarm): text.encode() for alarm, text in self._open.items()}
        stale = [
            Message(topic, payload, retain=True)
            for topic, payload in wanted.items()
            if self._seen.get(topic) != sha256(payload).digest()
        ]
        return [*stale, *self.due(0), Message(self._status, ONLINE, retain=True)]

    def closing(self, _now: Nanos) -> Sequence[Message]:
        """That andon is not connected: the broker drops the last will after a good-bye."""
        return [Message(self._status, OFFLINE, retain=True)] if self._keeps else []

    def receive(self, topic: str, payload: bytes, *, is_retained: bool) -> str:
        """Notes a state that the broker kept."""
        if not is_retained or not 0 < len(payload) <= _LONGEST_SEEN:
            return ""
        if len(self._seen) < _MOST_SEEN and self._is_of_this_line(payload):
            self._seen[topic] = sha256(payload).digest()
        return ""

    def due(self, _now: Nanos) -> Sequence[Message]:
        """Clears the states that the broker kept of alarms that are over."""
        wanted = {self._state(*alarm) for alarm in self._open}
        gone = [topic for topic in self._seen if topic not in wanted]
        self._seen.clear()
        return [Message(topic, b"", retain=True) for topic in gone]

    def show(self, point: Point, _now: Nanos, *, is_superseded: bool) -> Sequence[Message]:
        """The event, and the alarm's state unless it changes again at once."""
        levels = {name: level(point.tags.get(name, "")) for name in OF_AN_ALARM}
        payload = payload_of(point)
        event = Message(self._events.format_map(levels), payload, retain=self._retain)
        alarm = alarm_of(point)
        if alarm is None or not self._keeps or is_about_the_past(point):
            return [event]
        self._saved = None
        if is_over(point):
            self._open.pop(alarm, None)
            payload = b""
        else:
            self._open[alarm] = payload.decode()
        if is_superseded:
            return [event]
        return [event, Message(self._state(*alarm), payload, retain=True)]

    def set_alarms(self, alarms: Mapping[str, Sequence[Alarm]]) -> None:
        """Forgets the states of alarms that do not exist any more."""
        known = {(detector, alarm.name) for detector, some in alarms.items() for alarm in some}
        self._open = {alarm: text for alarm, text in self._open.items() if alarm in known}
        self._saved = None

    def checkpoint(self) -> bytes:
        """The states of the alarms that are not over."""
        if self._saved is None:
            rows = [[*alarm, text] for alarm, text in self._open.items()]
            self._saved = zlib.compress(json.dumps(rows).encode(), 1)
        return self._saved

    def restore(self, state: bytes) -> None:
        """Takes up a checkpoint."""
        rows = json.loads(zlib.decompress(state))
        self._open = {(detector, alarm): text for detector, alarm, text in rows}
        self._saved = None

    def _state(self, detector: str, alarm: str) -> str:
        return f"{self._prefix}/alarms/state/{level(detector)}/{level(alarm)}"

    def _is_of_this_line(self, payload: bytes) -> bool:
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            return False
        if not isinstance(document, dict):
            return False
        return (document.get("site"), document.get("line")) == (
            self._places.site,
            self._places.line,
        )
