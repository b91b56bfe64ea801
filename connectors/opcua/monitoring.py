"""Which tags are monitored, in which subscriptions, and which are polled instead.

Promises
- A node that cannot be monitored is still read; monitoring is tried again. Its neighbours are not
  affected.
- When a subscription is full, another one is opened; when the server accepts no more items at all,
  the rest are polled.
- What the server granted for an item is compared with the request; a difference is reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.diagnostics import Diagnostics
from connectors.opcua.items import MonitorRequest, MonitorResult
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.publishing import Subscription
from gateway.api.contracts import SourceLost

_FULL = "BadTooManyMonitoredItems"
_NO_DEADBAND = (
    "BadMonitoredItemFilterUnsupported",
    "BadMonitoredItemFilterInvalid",
    "BadFilterNotAllowed",
    "BadDeadbandFilterInvalid",
)
_POLLED = "the server monitors no more items: polled"
_UNDAMPED = "the server does not support a dead band here: every change is sent"
_SLACK = 1.01


class Monitoring:
    """The subscriptions and items of one session, across all its connections.

    `nodes` holds the node id of each tag by index, None where the namespace is unknown; `polled`
    holds the indexes of tags read on schedule, `unmonitored` of those to be tried again.
    """

    def __init__(self, options: OpcUaOptions, diagnostics: Diagnostics) -> None:
        self._options, self._diagnostics = options, diagnostics
        self._tags = list(options.tags.values())
        self._names = [tag.parsed_node for tag in self._tags]
        self.nodes: list[str | None] = [None] * len(self._tags)
        self.polled = {index for index, tag in enumerate(self._tags) if options.is_polled(tag)}
        self.unmonitored = set(range(len(self._tags))) - self.polled
        self.subscriptions: dict[int, Subscription] = {}

    @property
    def is_complete(self) -> bool:
        """True if no tag is left to be tried again."""
        return not self.unmonitored and None not in self.nodes

    async def extend(self, client: OpcUaReadOnlyClient) -> None:
        """Tries to monitor the unmonitored tags, with the server's current namespaces."""
        left = self._resolved(await client.namespaces())
        for subscription in list(self.subscriptions.values()):
            left = await self._fill(client, subscription, left)
        while left:
            opened = await self._open(client)
            rest = left if opened is None else await self._fill(client, opened, left)
            if len(rest) == len(left):
                break
            left = rest
        self.polled |= {item.tag for item in left}
        self.unmonitored -= self.polled
        self._diagnostics.note({item.tag: _POLLED for item in left})

    def _resolved(self, namespaces: Sequence[str]) -> list[MonitorRequest]:
        """The items that can be requested; resolves the node ids of unmonitored and polled tags."""
        unknown: dict[int, str] = {}
        for index in sorted(self.unmonitored | self.polled):
            name = self._names[index]
            self.nodes[index] = name.on(namespaces)
            if self.nodes[index] is None:
                unknown[index] = f"the server has no namespace {name.uri}"
        self._diagnostics.note(unknown)
        return [self._item(index) for index in sorted(self.unmonitored) if self.nodes[index]]

    def _item(self, index: int) -> MonitorRequest:
        tag, options = self._tags[index], self._options
        sampling_ms = options.sampling_of(tag) / 1e6
        node = str(self.nodes[index])
        return MonitorRequest(index, node, sampling_ms, options.queue_of(tag), tag.deadband)

    async def _open(self, client: OpcUaReadOnlyClient) -> Subscription | None:
        """Opens another subscription; None if the server allows no more."""
        try:
            granted = await client.subscribe(self._options.publishing_interval / 1e6)
        except SourceLost as lost:
            if type(lost.__cause__).__name__ != "BadTooManySubscriptions":
                raise
            return None
        opened = self.subscriptions[granted.id] = Subscription(granted)
        return opened

    async def _fill(
        self,
        client: OpcUaReadOnlyClient,
        subscription: Subscription,
        items: Sequence[MonitorRequest],
    ) -> list[MonitorRequest]:
        """Adds items to a subscription; returns those for which it has no room."""
        number = subscription.granted.id
        results = await self._monitor(client, number, items)
        refused = [
            item
            for item in items
            if item.deadband is not None and results[item.tag].fault in _NO_DEADBAND
        ]
        plain = [replace(item, deadband=None) for item in refused]
        undamped = await self._monitor(client, number, plain)
        self._record(subscription, items, results | undamped, set(undamped))
        return [item for item in items if results[item.tag].fault == _FULL]

    async def _monitor(
        self, client: OpcUaReadOnlyClient, subscription: int, items: Sequence[MonitorRequest]
    ) -> dict[int, MonitorResult]:
        results = await client.monitor(subscription, items)
        return {item.tag: result for item, result in zip(items, results, strict=True)}

    def _record(
        self,
        subscription: Subscription,
        items: Sequence[MonitorRequest],
        results: Mapping[int, MonitorResult],
        undamped: set[int],
    ) -> None:
        texts = {}
        for item in items:
            result = results[item.tag]
            if result.fault == _FULL:
                continue
            if not result.fault:
                self.unmonitored.discard(item.tag)
            flaws = [result.fault] if result.fault else _flaws(item, result, subscription)
            texts[item.tag] = "; ".join([*flaws, *([_UNDAMPED] if item.tag in undamped else ())])
        self._diagnostics.note(texts)


def _flaws(item: MonitorRequest, granted: MonitorResult, subscription: Subscription) -> list[str]:
    """Where the server granted less than was requested."""
    flaws, queue_ms = [], granted.queue_size * granted.sampling_ms
    if granted.sampling_ms > _SLACK * item.sampling_ms:
        flaws.append(f"sampled every {granted.sampling_ms:g} ms, not {item.sampling_ms:g}")
    if granted.queue_size < item.queue_size:
        outage = f": an outage of {queue_ms / 1000:g} s or more loses samples"
        flaws.append(
            f"the server keeps {granted.queue_size} changes, not {item.queue_size}{outage}"
        )
    if 0 < queue_ms < subscription.granted.interval_ms:
        flaws.append("some are lost even without an outage")
    return flaws
