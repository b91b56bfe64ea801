"""Which tags are monitored, in which subscriptions, and which are polled instead.

Promises
- A node that cannot be monitored is still read; monitoring is tried again. Its neighbours are not
  affected.
- Tags of one value share one item, and one read.
- When a subscription is full, another one is opened; when the server accepts no more items at all,
  the rest are polled.
- What the server granted for an item is compared with the request; a difference is reported.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.columns import is_good
from connectors.opcua.connection import value_in
from connectors.opcua.diagnostics import Diagnostics
from connectors.opcua.faults import TOO_MUCH
from connectors.opcua.items import MonitorRequest, MonitorResult, Target
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.places import find_places
from connectors.opcua.publishing import Subscription
from connectors.opcua.selection import Unusable
from connectors.opcua.statuses import name_of
from connectors.opcua.structure_types import load
from connectors.opcua.structures import Structures
from gateway.api.contracts import SourceLost
from gateway.api.model import Nanos

_FULL = "BadTooManyMonitoredItems"
_NO_DEADBAND = (
    "BadMonitoredItemFilterUnsupported",
    "BadMonitoredItemFilterInvalid",
    "BadFilterNotAllowed",
    "BadDeadbandFilterInvalid",
)
_POLLED = "the server monitors no more items: polled"
_UNDAMPED = "the server does not support a dead band here: every change is sent"
_GONE = "the server has no such node any more; the path is looked up again"
_SLACK = 1.01
LEAST_ARRAY = 16
"""Of a longer array the element is requested alone, if the server can; a shorter one is cheap."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """How a value is to be monitored; tags with equal wishes share an item."""

    target: Target
    sampling: Nanos
    queue_size: int
    deadband: float | None


class Monitoring:
    """The subscriptions and items of one session, across all its connections.

    `targets` holds what is read for each tag by index, None where it was not found, and `reasons`
    why; `polled` holds the indexes of tags read on schedule, `unmonitored` of those to be tried
    again. `sharing` has the tags of each item by its handle, the first of them.
    """

    def __init__(
        self, options: OpcUaOptions, diagnostics: Diagnostics, structures: Structures
    ) -> None:
        self._options, self._diagnostics = options, diagnostics
        self._tags = list(options.tags.values())
        self._structures = structures
        self.targets: list[Target | None] = [None] * len(self._tags)
        self.reasons: dict[int, str] = {}
        self.polled = {index for index, tag in enumerate(self._tags) if options.is_polled(tag)}
        self.unmonitored = set(range(len(self._tags))) - self.polled
        self.sharing: dict[int, tuple[int, ...]] = {}
        self.subscriptions: dict[int, Subscription] = {}

    @property
    def is_complete(self) -> bool:
        """True if no tag is left to be tried again."""
        has_all = not self.unmonitored and None not in self.targets
        return has_all and not self._structures.wanted

    @property
    def ranged(self) -> set[int]:
        """The tags of which the server sends only their element of an array."""
        return {index for index, each in enumerate(self.targets) if each and each.index_range}

    def forget(self, tags: Iterable[int]) -> None:
        """Looks these tags up again, and those that share their nodes: a node is gone."""
        gone = {each.node for each in (self.targets[tag] for tag in tags) if each}
        for index, each in enumerate(self.targets):
            if each and each.node in gone:
                if index not in self.polled:
                    self.unmonitored.add(index)
                elif self._tags[index].path is not None:
                    self.targets[index] = None
                    self.reasons[index] = _GONE

    async def extend(self, client: OpcUaReadOnlyClient) -> None:
        """Tries to monitor the unmonitored tags, with the server's current nodes."""
        await self._resolve(client)
        left = self._items()
        for subscription in list(self.subscriptions.values()):
            left = await self._fill(client, subscription, left)
        while left:
            opened = await self._open(client)
            rest = left if opened is None else await self._fill(client, opened, left)
            if len(rest) == len(left):
                break
            left = rest
        refused = [tag for item in left for tag in self.sharing[item.tag]]
        self.polled |= set(refused)
        self.unmonitored -= self.polled
        self._diagnostics.note(dict.fromkeys(refused, _POLLED))

    async def _resolve(self, client: OpcUaReadOnlyClient) -> None:
        """Finds the nodes of unmonitored tags and of polled ones without a node."""
        wanted = sorted(
            self.unmonitored | {index for index in self.polled if self.targets[index] is None}
        )
        places = {index: self._tags[index].place for index in wanted}
        nodes, self.reasons = await find_places(client, places)
        for index in wanted:
            node = nodes.get(index)
            self.targets[index] = None if node is None else Target(node)
        self._diagnostics.note({index: "" for index in wanted if index in self.polled})
        self._diagnostics.note(self.reasons)
        found = [index for index in wanted if index in nodes]
        await self._learn_values(client, found)
        await load(client, self._structures)

    async def _learn_values(self, client: OpcUaReadOnlyClient, tags: Sequence[int]) -> None:
        """Reads tags that are a part of a value: which structures come, and whether the server
        sends an element of an array alone.
        """
        parts = [index for index in tags if self._tags[index].selection.steps]
        whole = {index: target for index in parts if (target := self.targets[index])}
        nodes = list(dict.fromkeys(whole.values()))
        data = dict(zip(nodes, await client.read(nodes), strict=True))
        values = {target: value_in(each) for target, each in data.items()}
        self._structures.begin()
        for index, target in whole.items():
            with suppress(Unusable):
                self._tags[index].selection.number(values[target], self._structures.opened)
        uses = Counter(whole.values())
        alone = [
            index
            for index, target in whole.items()
            if uses[target] == 1
            and len(self._tags[index].index or ()) == 1
            and _is_long(data[target], values[target])
        ]
        ranged = {
            index: Target(whole[index].node, str(self._tags[index].selection.steps[0]))
            for index in alone
        }
        sent = map(value_in, await client.read(list(ranged.values())))
        for (index, target), value in zip(ranged.items(), sent, strict=True):
            if isinstance(value, list) and len(value) == 1:
                self.targets[index] = target

    def _items(self) -> list[MonitorRequest]:
        """The items that can be requested: one for all tags with the same wish."""
        tags_by_wish: dict[_Wish, list[int]] = {}
        for index in sorted(self.unmonitored):
            target, tag = self.targets[index], self._tags[index]
            if target is not None:
                queue, sampling = self._options.queue_of(tag), self._options.sampling_of(tag)
                wish = _Wish(target, sampling, queue, tag.deadband)
                tags_by_wish.setdefault(wish, []).append(index)
        self.sharing |= {tags[0]: tuple(tags) for tags in tags_by_wish.values()}
        return [
            MonitorRequest(
                tags[0], wish.target, wish.sampling / 1e6, wish.queue_size, wish.deadband
            )
            for wish, tags in tags_by_wish.items()
        ]

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
        texts: dict[int, str] = {}
        for item in items:
            result, tags = results[item.tag], self.sharing[item.tag]
            if result.fault == _FULL:
                continue
            if not result.fault:
                self.unmonitored -= set(tags)
            flaws = [result.why] if result.fault else _flaws(item, result, subscription)
            text = "; ".join([*flaws, *([_UNDAMPED] if item.tag in undamped else ())])
            texts |= dict.fromkeys(tags, text)
        self._diagnostics.note(texts)


def _is_long(data: Any, value: Any) -> bool:
    """True for a value of which one element should be sent alone, or for which it must be."""
    if isinstance(value, list):
        return len(value) > LEAST_ARRAY
    return not is_good(data) and name_of(data.StatusCode) in TOO_MUCH


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
