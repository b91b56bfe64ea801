"""Which tags the server watches for us, in which subscriptions, and which are left to reading.

Promises
- A node that cannot be monitored is read all the same; monitoring is tried again. Its neighbours
  do not notice.
- Where a subscription takes no more items, another one is opened; where the server takes no more
  at all, the rest is polled.
- What the server made of an item is compared with what was asked for, and said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.opcua.client import ReadOnlyClient
from connectors.opcua.diagnostics import Diagnostics
from connectors.opcua.items import Item, Revised
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
_UNDAMPED = "the server knows no dead band here: every change is sent"
_SLACK = 1.01


class Monitoring:
    """What one session has on the server; it lives as long as the session, over all connections.

    `nodes` are the tags' node ids by index, None where the namespace is unknown; `polled` and
    `unmonitored` are tags by index: those to be read on schedule, and those to be tried again.
    """

    def __init__(self, options: OpcUaOptions, diagnostics: Diagnostics) -> None:
        self._options, self._diagnostics = options, diagnostics
        self._tags = list(options.tags.values())
        self._names = [tag.name_of_node for tag in self._tags]
        self.nodes: list[str | None] = [None] * len(self._tags)
        self.polled = {index for index, tag in enumerate(self._tags) if options.is_polled(tag)}
        self.unmonitored = set(range(len(self._tags))) - self.polled
        self.subscriptions: dict[int, Subscription] = {}

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be tried again."""
        return not self.unmonitored and None not in self.nodes

    async def extend(self, client: ReadOnlyClient) -> None:
        """Try to monitor what is not, by the namespaces as they are now."""
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

    def _resolved(self, namespaces: Sequence[str]) -> list[Item]:
        """The items that can be asked for; node ids of all tags that have none yet."""
        unknown: dict[int, str] = {}
        for index in sorted(self.unmonitored | self.polled):
            name = self._names[index]
            self.nodes[index] = name.on(namespaces)
            if self.nodes[index] is None:
                unknown[index] = f"the server has no namespace {name.uri}"
        self._diagnostics.note(unknown)
        return [self._item(index) for index in sorted(self.unmonitored) if self.nodes[index]]

    def _item(self, index: int) -> Item:
        tag, options = self._tags[index], self._options
        sampling_ms = options.sampling_of(tag) / 1e6
        node = str(self.nodes[index])
        return Item(index, node, sampling_ms, options.queue_of(tag), tag.deadband)

    async def _open(self, client: ReadOnlyClient) -> Subscription | None:
        """One more subscription; None if the server has enough of them."""
        try:
            granted = await client.subscribe(self._options.publishing_interval / 1e6)
        except SourceLost as lost:
            if type(lost.__cause__).__name__ != "BadTooManySubscriptions":
                raise
            return None
        opened = self.subscriptions[granted.id] = Subscription(granted)
        return opened

    async def _fill(
        self, client: ReadOnlyClient, subscription: Subscription, items: Sequence[Item]
    ) -> list[Item]:
        """Monitor these there; those for which there is no room."""
        number = subscription.granted.id
        found = await self._asked(client, number, items)
        refused = [
            item
            for item in items
            if item.deadband is not None and found[item.tag].fault in _NO_DEADBAND
        ]
        plain = [replace(item, deadband=None) for item in refused]
        undamped = await self._asked(client, number, plain)
        self._judge(subscription, items, found | undamped, set(undamped))
        return [item for item in items if found[item.tag].fault == _FULL]

    async def _asked(
        self, client: ReadOnlyClient, subscription: int, items: Sequence[Item]
    ) -> dict[int, Revised]:
        results = await client.monitor(subscription, items)
        return {item.tag: got for item, got in zip(items, results, strict=True)}

    def _judge(
        self,
        subscription: Subscription,
        items: Sequence[Item],
        found: Mapping[int, Revised],
        undamped: set[int],
    ) -> None:
        said = {}
        for item in items:
            got = found[item.tag]
            if got.fault == _FULL:
                continue
            if not got.fault:
                self.unmonitored.discard(item.tag)
            flaws = [got.fault] if got.fault else _flaws(item, got, subscription)
            said[item.tag] = "; ".join([*flaws, *([_UNDAMPED] if item.tag in undamped else ())])
        self._diagnostics.note(said)


def _flaws(item: Item, got: Revised, subscription: Subscription) -> list[str]:
    """Where the server gave less than was asked for."""
    found = []
    if got.sampling_ms > _SLACK * item.sampling_ms:
        found.append(f"sampled every {got.sampling_ms:g} ms, not {item.sampling_ms:g}")
    if got.queue_size < item.queue_size:
        outage = f": a cut of {got.queue_size * got.sampling_ms / 1000:g} s and more loses samples"
        found.append(f"the server keeps {got.queue_size} changes, not {item.queue_size}{outage}")
    if 0 < got.queue_size * got.sampling_ms < subscription.granted.interval_ms:
        found.append("some will be lost even without a cut")
    return found
