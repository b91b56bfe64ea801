"""A client with the read-only services of OPC UA.

Promises
- It uses sessions, subscriptions, monitored items, Read and Browse. Nothing here can write a value
  or call a method.
- A request that is too large for the server is split; nothing else is retried.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from connectors.opcua.connection import OpcUaConnection, value_in
from connectors.opcua.faults import is_too_much
from connectors.opcua.items import (
    GrantedSubscription,
    MonitorRequest,
    MonitorResult,
    Reference,
    Target,
    lifetime_of,
)
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.quiet_client import SavedSession
from connectors.opcua.statuses import in_words
from gateway.api.contracts import Places, SourceLost

KEEP_ALIVES, MOST_NOTIFICATIONS = 10, 1_500
"""Subscription settings: publishing intervals, and notifications for each publish response."""
_LONGEST_KEEP_ALIVE_S = 86_400.0
_LIMITS = {"i=11705": "read", "i=11710": "browse", "i=11714": "monitor"}
"""The nodes of the server's limits for one request: MaxNodesPerRead, MaxNodesPerBrowse,
MaxMonitoredItemsPerCall."""
_HIERARCHICAL = "i=33"
_MOST_REFERENCES, _MOST_CHILDREN, _MOST_TEXT = 1000, 100_000, 16_000_000
"""References in one response, and of one node; characters of their names and ids."""
Entry = TypeVar("Entry")


class OpcUaReadOnlyClient(OpcUaConnection):
    """A connection with the read-only services."""

    def __init__(
        self,
        options: OpcUaOptions,
        places: Places,
        lost: Callable[[str], None],
        saved_session: SavedSession | None = None,
    ) -> None:
        super().__init__(options, places, lost, saved_session)
        self._most = dict.fromkeys(_LIMITS.values(), options.batch)
        self.responded_at = 0.0

    async def connect(self) -> bool:
        """Connects as the base class does, and reads the server's limits for one request."""
        has_resumed = await super().connect()
        limits = [value_in(each) for each in await self.read([Target(node) for node in _LIMITS])]
        for kind, most in zip(_LIMITS.values(), limits, strict=True):
            if isinstance(most, int) and 0 < most < self._most[kind]:
                self._most[kind] = most
        return has_resumed

    async def namespaces(self) -> list[str]:
        """The server's namespace URIs by index."""
        with self._translating():
            return list(await self._client.get_namespace_array())

    async def children(self, nodes: Sequence[str]) -> list[list[Reference]]:
        """The objects and variables directly below each node."""
        return await self.browse(nodes, _HIERARCHICAL)

    async def browse(
        self, nodes: Sequence[str], reference: str, *, is_forward: bool = True
    ) -> list[list[Reference]]:
        """What each node refers to by references of this type and its subtypes, each node once.

        Forward only objects and variables are returned, backward all classes of nodes. A node that
        the server does not have refers to nothing.
        """
        ua = self._ua
        classes = ua.NodeClass.Object | ua.NodeClass.Variable if is_forward else 0
        direction = ua.BrowseDirection.Forward if is_forward else ua.BrowseDirection.Inverse

        async def start(part: Sequence[str]) -> list[Any]:
            wanted = ua.BrowseParameters(
                RequestedMaxReferencesPerNode=_MOST_REFERENCES,
                NodesToBrowse=[
                    ua.BrowseDescription(
                        NodeId=ua.NodeId.from_string(node),
                        BrowseDirection=direction,
                        ReferenceTypeId=ua.NodeId.from_string(reference),
                        IncludeSubtypes=True,
                        NodeClassMask=int(classes),
                        ResultMask=ua.BrowseResultMask.All,
                    )
                    for node in part
                ],
            )
            results: list[Any] = await self._client.uaclient.browse(wanted)
            return [await self._all_references(result) for result in results]

        return await self._in_parts("browse", nodes, start)

    async def _all_references(self, result: Any) -> list[Reference]:
        """The references of a browse result, with those behind its continuation points."""
        found: dict[str, Reference] = {}
        characters = 0
        while True:
            before = len(found)
            for each in result.References or ():
                node = each.NodeId.to_string()
                characters += len(node) + len(each.BrowseName.Name or "")
                # A node on another server cannot be read here.
                if not getattr(each.NodeId, "ServerIndex", 0):
                    found.setdefault(node, self._reference(node, each))
            # A server that always has more, of nothing new, would never be left.
            is_over = not result.ContinuationPoint or len(found) == before
            if is_over or len(found) > _MOST_CHILDREN:
                return list(found.values())
            if characters > _MOST_TEXT:
                raise SourceLost(
                    f"{self._where}: the names below one node have more than {_MOST_TEXT:,} "
                    "characters"
                )
            following = self._ua.BrowseNextParameters(
                ReleaseContinuationPoints=False, ContinuationPoints=[result.ContinuationPoint]
            )
            (result,) = await self._client.uaclient.browse_next(following)

    def _reference(self, node: str, each: Any) -> Reference:
        name = each.BrowseName
        is_variable = each.NodeClass == self._ua.NodeClass.Variable
        kind = each.ReferenceTypeId.to_string()
        return Reference(node, name.NamespaceIndex, name.Name or "", is_variable, kind)

    async def attributes(self, nodes: Sequence[str], attribute: str) -> list[Any]:
        """An attribute of each node, by its name in the standard; None where it has none."""
        ua = self._ua

        async def read(part: Sequence[str]) -> list[Any]:
            number = getattr(ua.AttributeIds, attribute)
            wanted = [
                ua.ReadValueId(NodeId=ua.NodeId.from_string(node), AttributeId=number)
                for node in part
            ]
            values: list[Any] = await self._client.uaclient.read(
                ua.ReadParameters(NodesToRead=wanted)
            )
            return values

        return [value_in(each) for each in await self._in_parts("read", nodes, read)]

    async def subscribe(self, interval_ms: float) -> GrantedSubscription:
        """Creates a subscription without items; SourceLost if the server refuses."""
        wanted = self._ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=lifetime_of(interval_ms, KEEP_ALIVES),
            RequestedMaxKeepAliveCount=KEEP_ALIVES,
            MaxNotificationsPerPublish=MOST_NOTIFICATIONS,
        )
        with self._translating():
            granted = await self._client.uaclient.create_subscription(wanted, _ignore)
        self._subscriptions.append(granted.SubscriptionId)
        interval = granted.RevisedPublishingInterval
        keep_alive = interval * granted.RevisedMaxKeepAliveCount / 1000
        if not 0 <= keep_alive <= _LONGEST_KEEP_ALIVE_S:  # not a number, too
            asked = interval_ms * KEEP_ALIVES / 1000
            raise SourceLost(
                f"{self._where}: the server grants a keep-alive each {keep_alive:g} s, requested "
                f"was {asked:g} s"
            )
        return GrantedSubscription(granted.SubscriptionId, interval, keep_alive)

    async def monitor(
        self, subscription: int, items: Sequence[MonitorRequest]
    ) -> list[MonitorResult]:
        """Creates monitored items; notifications carry the request's tag as client handle."""
        ua = self._ua

        async def create(part: Sequence[MonitorRequest]) -> list[Any]:
            wanted = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._request(item) for item in part],
            )
            results: list[Any] = await self._client.uaclient.create_monitored_items(wanted)
            return results

        return [
            MonitorResult("", result.RevisedSamplingInterval, result.RevisedQueueSize)
            if result.StatusCode.is_good()
            else MonitorResult(result.StatusCode.name, why=in_words(result.StatusCode))
            for result in await self._in_parts("monitor", items, create)
        ]

    async def read(self, targets: Sequence[Target]) -> list[Any]:
        """The current DataValue of each target."""

        async def read(part: Sequence[Target]) -> list[Any]:
            values: list[Any] = await self._client.uaclient.read(self._to_read(part))
            return values

        def too_large(lost: SourceLost) -> Any:
            code = getattr(lost.__cause__, "code", self._ua.StatusCodes.BadResponseTooLarge)
            return self._ua.DataValue(StatusCode=self._ua.StatusCode(code))

        return await self._in_parts("read", targets, read, too_large)

    async def publish(self, taken: Sequence[tuple[int, int]]) -> Any:
        """Waits for the next publish response; `taken` holds the subscription and number of each
        message to acknowledge.

        Has no time-out: the caller must notice that nothing comes.
        """
        acks = [
            self._ua.SubscriptionAcknowledgement(SubscriptionId=sub, SequenceNumber=number)
            for sub, number in taken
        ]
        with self._translating():
            response = await self._client.uaclient.publish(acks)
            response.ResponseHeader.ServiceResult.check()
        return response.Parameters

    async def republish(self, subscription: int, number: int) -> Any:
        """A notification message again; None if the server no longer has it."""
        try:
            with self._translating():
                message = await self._client.uaclient.session.republish(subscription, number)
        except SourceLost as lost:
            if type(lost.__cause__).__name__ in ("BadMessageNotAvailable", "BadServiceUnsupported"):
                return None
            raise
        return message if message.SequenceNumber == number and message.NotificationData else None

    async def _in_parts(
        self,
        kind: str,
        entries: Sequence[Entry],
        send: Callable[[Sequence[Entry]], Awaitable[list[Any]]],
        too_large: Callable[[SourceLost], Any] | None = None,
    ) -> list[Any]:
        """The results for all entries, requested in parts within the server's limits.

        `too_large` makes the result of an entry that is too large alone; without it, it is lost.
        """
        results: list[Any] = []
        most = self._most[kind]
        while len(results) < len(entries):
            part = entries[len(results) : len(results) + self._most[kind]]
            try:
                with self._translating():
                    received = await send(part)
            except SourceLost as lost:
                if not is_too_much(lost) or (len(part) == 1 and too_large is None):
                    raise
                if len(part) == 1 and too_large is not None:
                    results.append(too_large(lost))
                    # The others are not to blame for the smaller parts.
                    self._most[kind] = most
                else:
                    self._most[kind] = len(part) // 2
                continue
            self.responded_at = time.monotonic()
            if len(received) != len(part):
                raise SourceLost(
                    f"{self._where}: requested {len(part)} nodes, received {len(received)} results"
                )
            results += received
        return results

    def _request(self, item: MonitorRequest) -> Any:
        ua = self._ua
        parameters = ua.MonitoringParameters(
            ClientHandle=item.tag, SamplingInterval=item.sampling_ms, QueueSize=item.queue_size
        )
        if item.deadband is not None:
            parameters.Filter = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue,
                DeadbandType=ua.DeadbandType.Absolute,
                DeadbandValue=item.deadband,
            )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=self._value_of(item.target),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )


@asynccontextmanager
async def connected(
    options: OpcUaOptions, places: Places, lost: Callable[[str], None]
) -> AsyncIterator[OpcUaReadOnlyClient]:
    """A session for as long as the context lasts; SourceLost on entry if there is none."""
    client = OpcUaReadOnlyClient(options, places, lost)
    try:
        await client.connect()
        yield client
    finally:
        await client.close()


def _ignore(_response: Any) -> None:
    """Ignores publish responses here: `publish` returns them."""
