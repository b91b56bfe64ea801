"""Messages to samples, whatever their payload is: one reader for each session (pure).

Promises
- Messages that no tag is read from are counted, and the first of them named.
"""

from collections.abc import Callable, Sequence

from connectors.mqtt.mailbox import Arrival
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.payloads import Row, columns, rows_of
from connectors.mqtt.sparkplug.host import HostWatch
from connectors.mqtt.sparkplug.reader import Nodes
from connectors.mqtt.topics import Plan
from gateway.api.model import SampleBatch

_MOST_STRANGERS = 20


class Reader:
    """Reads what a plan says; `say` is told what an operator should know.

    `strangers` are the topics that were named already, in this session or before.
    """

    def __init__(
        self,
        plan: Plan,
        options: MqttOptions,
        say: Callable[[str], None],
        strangers: set[str] | None = None,
    ) -> None:
        self._fields, self._say = plan.fields, say
        self._nodes = Nodes(plan.nodes, say, source_time=options.timestamp == "source")
        self._host = HostWatch(options.primary_host, say)
        self._strangers = set() if strangers is None else strangers

    def batch(self, arrivals: Sequence[Arrival], lost: int = 0) -> SampleBatch:
        """Columns of all that these messages say, in the order in which they came."""
        rows: list[Row] = []
        unmatched = 0
        for arrival in arrivals:
            mine = self._rows(arrival)
            if mine is None:
                unmatched += 1
                self._note_stranger(arrival.topic)
            else:
                rows += mine
        return columns(rows, sum(arrival.size for arrival in arrivals), lost, unmatched)

    def _rows(self, arrival: Arrival) -> list[Row] | None:
        """The samples of a message; None if no tag is read from its topic."""
        if fields := self._fields.get(arrival.topic):
            return rows_of(arrival, fields)
        return [] if self._host.take(arrival) else self._nodes.take(arrival)

    def _note_stranger(self, topic: str) -> None:
        if topic not in self._strangers and len(self._strangers) < _MOST_STRANGERS:
            self._strangers.add(topic)
            self._say(f"no tag is read from {topic}")
