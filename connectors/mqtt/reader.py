"""Turns messages into samples, whatever their payload is; one reader for each session (pure).

Promises
- Messages on topics without a tag, and elements of lists without one, are counted, and the first of
  each topic or element is reported.
- A tag that no message on its topic has had so far is named.
"""

from collections.abc import Sequence
from itertools import islice

from connectors.mqtt.notices import Notify
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.payloads import PayloadField, Row, columns, decoded
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.host import HostWatch
from connectors.mqtt.sparkplug.reader import EdgeNodes
from connectors.mqtt.topics import Plan
from connectors.mqtt.wording import shown
from gateway.api.model import SampleBatch

_MOST_UNMATCHED = 20
_PER_REPORT = 10
"""How many elements are looked at for each that may still be reported."""


class Reader:
    """Reads the tags of a plan; `notify` gets the events that operators should see.

    `unmatched_topics` are the topics that were reported already, in this session or before. A tag
    counts as absent after `patience` messages on its topic without it.
    """

    def __init__(
        self,
        plan: Plan,
        options: MqttOptions,
        notify: Notify,
        unmatched_topics: set[str] | None = None,
        *,
        patience: int = 10,
    ) -> None:
        self._fields, self._notify = plan.fields, notify
        self._nodes = EdgeNodes(plan.nodes, notify, source_time=options.timestamp != "receive")
        self._host = HostWatch(options.primary_host, notify)
        self._unmatched_topics = set() if unmatched_topics is None else unmatched_topics
        self._unmatched = 0
        self._unseen = {field.tag: field for fields in plan.fields.values() for field in fields}
        self.absent: dict[int, str] = {}
        """The topics of tags that no message had so far, by tag."""
        self._missed, self._patience = dict.fromkeys(self._unseen, 0), patience
        self.unborn = self._nodes.unborn

    def batch(self, messages: Sequence[ReceivedMessage], lost: int = 0) -> SampleBatch:
        """The samples in these messages as columns, in the order of arrival."""
        rows: list[Row] = []
        self._unmatched = 0
        for received in messages:
            if fields := self._fields.get(received.topic):
                rows += self._rows(received, fields)
            elif not self._host.handle(received):
                rows += self._sparkplug_rows(received)
        return columns(rows, sum(received.size for received in messages), lost, self._unmatched)

    def _rows(self, received: ReceivedMessage, fields: Sequence[PayloadField]) -> list[Row]:
        rows, elements = decoded(received, fields)
        if elements is not None:
            self._unmatched += elements.unread_count()
            for each in islice(elements.unread(), self._left_to_report() * _PER_REPORT):
                self._report_unmatched(received.topic, element=shown(each))
        if self._unseen:
            self._note_seen(received.topic, fields, rows)
        return rows

    def _note_seen(self, topic: str, fields: Sequence[PayloadField], rows: Sequence[Row]) -> None:
        for row in rows:
            self._unseen.pop(row[0], None)
            self.absent.pop(row[0], None)
        for field in fields:
            if field.tag in self._unseen:
                self._missed[field.tag] += 1
                if self._missed[field.tag] == self._patience:
                    self.absent[field.tag] = topic

    def _sparkplug_rows(self, received: ReceivedMessage) -> list[Row]:
        rows = self._nodes.handle(received)
        if rows is None:
            self._unmatched += 1
            self._report_unmatched(received.topic)
        return rows or []

    def _left_to_report(self) -> int:
        return _MOST_UNMATCHED - len(self._unmatched_topics)

    def _report_unmatched(self, topic: str, **what: str) -> None:
        key = " ".join((topic, *what.values()))
        if key not in self._unmatched_topics and self._left_to_report() > 0:
            self._unmatched_topics.add(key)
            event = "mqtt.unmatched_element" if what else "mqtt.unmatched_topic"
            self._notify(event, topic=topic, **what)
