"""What is odd about a connection, for `andon status`: sentences that are kept up to date.

Promises
- `texts` is always the same list.
- Each topic is logged when its sentence first appears and when it is gone, not at every repetition.
"""

import structlog

log = structlog.get_logger()


class Diagnostics:
    """The sentences about one connection, by topic."""

    def __init__(self, where: str) -> None:
        self.texts: list[str] = []
        self._where = where
        self._by_topic: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def note(self, topic: str, text: str) -> None:
        """Sets the sentence of a topic; an empty text removes it."""
        before = self._by_topic.get(topic, "")
        if text == before:
            return
        if text:
            self._by_topic[topic] = text
            log.warning("modbus.device_deviates", bus=self._where, why=text)
        else:
            del self._by_topic[topic]
            log.info("modbus.device_conforms", bus=self._where, again=before)
        self._refresh()

    def count(self, topic: str, what: str) -> None:
        """Counts one more of these; only the first is logged."""
        count = self._counts[topic] = self._counts.get(topic, 0) + 1
        if count == 1:
            log.warning("modbus.deviation_tolerated", bus=self._where, what=what)
        self._by_topic[topic] = (
            f"tolerated {count:,} times: {what}" if count > 1 else f"tolerated once: {what}"
        )
        self._refresh()

    def _refresh(self) -> None:
        self.texts[:] = self._by_topic.values()
