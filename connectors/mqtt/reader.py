"""Turns messages into samples, whatever their payload is; one reader for each session (pure).

Promises
- Messages on topics without a tag are counted, and the first of each topic is reported.
"""

from collections.abc import Sequence

from connectors.mqtt.notices import Notify
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.payloads import Row, columns, rows_of
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.host import HostWatch
from connectors.mqtt.sparkplug.reader import EdgeNodes
from connectors.mqtt.topics import Plan
from gateway.api.model import SampleBatch

_MOST_UNMATCHED = 20


class Reader:
    """Reads the tags of a plan; `notify` gets the events that operators should see.

    `unmatched_topics` are the topics that were reported already, in this session or before.
    """

    def __init__(
        self,
        plan: Plan,
        options: MqttOptions,
        notify: Notify,
        unmatched_topics: set[str] | None = None,
    ) -> None:
        self._fields, self._notify = plan.fields, notify
        self._nodes = EdgeNodes(plan.nodes, notify, source_time=options.timestamp != "receive")
        self._host = HostWatch(options.primary_host, notify)
        self._unmatched_topics = set() if unmatched_topics is None else unmatched_topics

    def batch(self, messages: Sequence[ReceivedMessage], lost: int = 0) -> SampleBatch:
        """The samples in these messages as columns, in the order of arrival."""
        rows: list[Row] = []
        unmatched = 0
        for received in messages:
            matched = self._rows(received)
            if matched is None:
                unmatched += 1
                self._note_unmatched(received.topic)
            else:
                rows += matched
        return columns(rows, sum(received.size for received in messages), lost, unmatched)

    def _rows(self, received: ReceivedMessage) -> list[Row] | None:
        """The samples of a message; None if no tag is read from its topic."""
        if fields := self._fields.get(received.topic):
            return rows_of(received, fields)
        return [] if self._host.handle(received) else self._nodes.handle(received)

    def _note_unmatched(self, topic: str) -> None:
        if topic not in self._unmatched_topics and len(self._unmatched_topics) < _MOST_UNMATCHED:
            self._unmatched_topics.add(topic)
            self._notify("mqtt.unmatched_topic", topic=topic)
