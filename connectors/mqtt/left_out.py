"""Topics that are not subscribed to for a while, because a message on them was too long (pure).

MQTT 3.1.1 has no way to refuse a message: a broker that keeps one sends it again after each
connection, so subscribing to its topic again at once would end every connection.
"""

from dataclasses import dataclass, field

LEFT_OUT_S = 600.0
_MOST = 100


@dataclass
class LeftOut:
    """The topics, each with the time in s, of any clock, until which it is left out."""

    _until: dict[str, float] = field(default_factory=dict)

    def add(self, topic: str, now: float) -> bool:
        """Leaves a topic out from now on; False if it is left out already."""
        is_new = topic not in self.topics(now)
        while len(self._until) >= _MOST:
            del self._until[min(self._until, key=self._until.__getitem__)]
        self._until[topic] = now + LEFT_OUT_S
        return is_new

    def topics(self, now: float) -> list[str]:
        """What is left out now."""
        self._until = {topic: until for topic, until in self._until.items() if until > now}
        return list(self._until)

    def first_end(self, now: float) -> float | None:
        """Seconds until the first topic may be tried again; None if none is left out."""
        return min((until - now for until in self._until.values()), default=None)
