"""What may be asked of a server, and nothing else.

Promises
- Of the services of OPC UA it uses sessions, subscriptions, monitored items, Read and Browse.
  Nothing here can write a value or call a method.
- A request that is too large for the server is parted; else nothing is retried.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from connectors.opcua.connection import Connection, value_in
from connectors.opcua.faults import is_too_much
from connectors.opcua.items import Child, Granted, Item, Revised, lifetime_of
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.tidy import Ticket
from gateway.api.contracts import Places, SourceLost

KEEP_ALIVES, MOST_NOTIFICATIONS = 10, 10_000
"""Of a subscription, in publishing intervals and in notifications for each publish response."""
_LIMITS = {"i=11705": "read", "i=11714": "monitor"}
"""Where a server says how much it can take at once (MaxNodesPerRead, MaxMonitoredItemsPerCall)."""
Thing = TypeVar("Thing")


class ReadOnlyClient(Connection):
    """A connection and what may be asked over it."""

    def __init__(
        self,
        options: OpcUaOptions,
        places: Places,
        lost: Callable[[str], None],
        ticket: Ticket | None = None,
    ) -> None:
        super().__init__(options, places, lost, ticket)
        self._most = dict.fromkeys(_LIMITS.values(), options.batch)
        self.answered_at = 0.0

    async def connect(self) -> bool:
        """As any connection, and learn how much the server can take at once."""
        goes_on = await super().connect()
        answers = [value_in(each) for each in await self.read([*_LIMITS])]
        for kind, most in zip(_LIMITS.values(), answers, strict=True):
            if isinstance(most, int) and 0 < most < self._most[kind]:
                self._most[kind] = most
        return goes_on

    async def namespaces(self) -> list[str]:
        """The server's namespace URIs by index."""
        with self._asking():
            return list(await self._client.get_namespace_array())

    async def children(self, node: str) -> list[Child]:
        """The objects and variables right below a node."""
        ua = self._ua
        wanted = ua.NodeClass.Object | ua.NodeClass.Variable
        with self._asking():
            below = await self._client.get_node(node).get_children_descriptions(
                nodeclassmask=wanted
            )
        return [
            Child(
                child.NodeId.to_string(),
                child.BrowseName.Name or "",
                child.NodeClass == ua.NodeClass.Variable,
            )
            for child in below
        ]

    async def subscribe(self, interval_ms: float) -> Granted:
        """A new subscription, without items; SourceLost if the server does not want it."""
        wanted = self._ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=lifetime_of(interval_ms, KEEP_ALIVES),
            RequestedMaxKeepAliveCount=KEEP_ALIVES,
            MaxNotificationsPerPublish=MOST_NOTIFICATIONS,
        )
        with self._asking():
            got = await self._client.uaclient.create_subscription(wanted, _nobody)
        self._subscriptions.append(got.SubscriptionId)
        keep_alive = got.RevisedPublishingInterval * got.RevisedMaxKeepAliveCount / 1000
        return Granted(got.SubscriptionId, got.RevisedPublishingInterval, keep_alive)

    async def monitor(self, subscription: int, items: Sequence[Item]) -> list[Revised]:
        """Monitor these, each for itself; notifications carry the tag's index as client handle."""
        ua = self._ua

        async def ask(part: Sequence[Item]) -> list[Any]:
            wanted = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._request(item) for item in part],
            )
            found: list[Any] = await self._client.uaclient.create_monitored_items(wanted)
            return found

        return [
            Revised("", got.RevisedSamplingInterval, got.RevisedQueueSize)
            if got.StatusCode.is_good()
            else Revised(got.StatusCode.name)
            for got in await self._in_parts("monitor", items, ask)
        ]

    async def read(self, nodes: Sequence[str]) -> list[Any]:
        """The DataValue of each node, as the server has it now."""

        async def ask(part: Sequence[str]) -> list[Any]:
            found: list[Any] = await self._client.uaclient.read(self._to_read(part))
            return found

        return await self._in_parts("read", nodes, ask)

    async def publish(self, taken: Sequence[tuple[int, int]]) -> Any:
        """Wait for the next publish response; `taken` are subscription and number of the last.

        Without end: whoever waits has to notice that nothing comes.
        """
        acks = [
            self._ua.SubscriptionAcknowledgement(SubscriptionId=sub, SequenceNumber=number)
            for sub, number in taken
        ]
        with self._asking():
            response = await self._client.uaclient.publish(acks)
            response.ResponseHeader.ServiceResult.check()
        return response.Parameters

    async def republish(self, subscription: int, number: int) -> Any:
        """A notification message once more; None if the server does not have it any more."""
        try:
            with self._asking():
                found = await self._client.uaclient.session.republish(subscription, number)
        except SourceLost as lost:
            if type(lost.__cause__).__name__ in ("BadMessageNotAvailable", "BadServiceUnsupported"):
                return None
            raise
        return found if found.SequenceNumber == number and found.NotificationData else None

    async def _in_parts(
        self,
        kind: str,
        things: Sequence[Thing],
        ask: Callable[[Sequence[Thing]], Awaitable[list[Any]]],
    ) -> list[Any]:
        """The answers to all of them, asked in parts that the server can take."""
        answers: list[Any] = []
        while len(answers) < len(things):
            part = things[len(answers) : len(answers) + self._most[kind]]
            try:
                with self._asking():
                    found = await ask(part)
            except SourceLost as lost:
                if not is_too_much(lost) or len(part) == 1:
                    raise
                self._most[kind] = len(part) // 2
                continue
            self.answered_at = time.monotonic()
            if len(found) != len(part):
                raise SourceLost(f"{self._where}: {len(part)} nodes asked, {len(found)} answered")
            answers += found
        return answers

    def _request(self, item: Item) -> Any:
        ua = self._ua
        how = ua.MonitoringParameters(
            ClientHandle=item.tag, SamplingInterval=item.sampling_ms, QueueSize=item.queue_size
        )
        if item.deadband is not None:
            how.Filter = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue,
                DeadbandType=ua.DeadbandType.Absolute,
                DeadbandValue=item.deadband,
            )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=self._value_of(item.node),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=how,
        )


@asynccontextmanager
async def connected(
    options: OpcUaOptions, places: Places, lost: Callable[[str], None]
) -> AsyncIterator[ReadOnlyClient]:
    """A session for as long as the context lasts; SourceLost on entry if there is none."""
    client = ReadOnlyClient(options, places, lost)
    try:
        await client.connect()
        yield client
    finally:
        await client.close()


def _nobody(_response: Any) -> None:
    """Publish responses are taken where they are asked for."""
