"""A primary host's STATE: edge nodes that wait for it keep silent while it is offline (pure).

We are no host: we hear the state, and never publish one.
"""

import json
from collections.abc import Callable

from connectors.mqtt.mailbox import Arrival
from connectors.mqtt.sparkplug.reader import NAMESPACE


def filters_of_host(host: str) -> list[str]:
    """Where it says so: in Sparkplug 3.0 and, before that, in 2.2."""
    return [f"{NAMESPACE}/STATE/{host}", f"STATE/{host}"]


def is_online(payload: bytes | None) -> bool | None:
    """What a STATE message says: JSON in 3.0, a word in 2.2; None if it is neither."""
    if payload in (b"ONLINE", b"OFFLINE"):
        return payload == b"ONLINE"
    try:
        said = json.loads(payload or b"")
    except (ValueError, RecursionError):
        return None
    online = said.get("online") if isinstance(said, dict) else None
    return online if isinstance(online, bool) else None


class HostWatch:
    """Tells `say` when the primary host comes or goes."""

    def __init__(self, host: str | None, say: Callable[[str], None]) -> None:
        self._host, self._say = host, say
        self._topics = filters_of_host(host) if host else []
        self._was: bool | None = None

    def take(self, arrival: Arrival) -> bool:
        """Whether the message is the host's."""
        if arrival.topic not in self._topics:
            return False
        now = is_online(arrival.payload)
        if now is not None and now != self._was:
            waiting = "" if now else ": edge nodes that wait for it publish nothing"
            self._say(f"primary host {self._host} is {'online' if now else 'offline'}{waiting}")
            self._was = now
        return True
