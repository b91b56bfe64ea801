"""The STATE of a primary host: edge nodes that wait for it are silent while it is offline (pure).

andon is not a host: it reads the state and never publishes one.
"""

import json

from connectors.mqtt.notices import Notify
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.reader import NAMESPACE


def filters_of_host(host: str) -> list[str]:
    """The topics of its STATE: in Sparkplug 3.0 and in 2.2."""
    return [f"{NAMESPACE}/STATE/{host}", f"STATE/{host}"]


def is_online(payload: bytes | None) -> bool | None:
    """The state in a STATE message: JSON in 3.0, a word in 2.2; None if it is neither."""
    if payload in (b"ONLINE", b"OFFLINE"):
        return payload == b"ONLINE"
    try:
        document = json.loads(payload or b"")
    except (ValueError, RecursionError):
        return None
    online = document.get("online") if isinstance(document, dict) else None
    return online if isinstance(online, bool) else None


class HostWatch:
    """Reports when the primary host goes online or offline."""

    def __init__(self, host: str | None, notify: Notify) -> None:
        self._host, self._notify = host, notify
        self._topics = filters_of_host(host) if host else []
        self._was: bool | None = None

    def handle(self, received: ReceivedMessage) -> bool:
        """True if the message is the host's."""
        if received.topic not in self._topics:
            return False
        now = is_online(received.payload)
        if now is not None and now != self._was:
            self._report(now)
            self._was = now
        return True

    def _report(self, is_online: bool) -> None:
        if is_online:
            self._notify("sparkplug.host_online", host=self._host)
        else:
            effect = "edge nodes that wait for it publish nothing"
            self._notify("sparkplug.host_offline", host=self._host, effect=effect)
