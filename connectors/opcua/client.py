"""The only code that touches asyncua: one connection that subscribes and reads, and nothing else.

Promises
- Of the services of OPC UA it uses sessions, subscriptions, monitored items, Read and Browse.
  Nothing here can write a value or call a method.
- Nothing is retried and nothing reconnects: `SourceLost` ends the connection, and whoever opened
  it decides what then.
- Closing takes a second at most, whatever state the server is in; a server that lives is told, so
  no session or subscription stays behind.
- A publish response is handed over whole. asyncua's own subscription object, which wraps every
  value in three more and may repair itself behind our back, is not used.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.opcua.faults import quieten_asyncua, translated
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.security import explained, secure
from gateway.contracts import Places, SourceLost
from gateway.model import SECOND

KEEP_ALIVES, LIFETIME, MOST_NOTIFICATIONS = 10, 60, 10_000
"""Of a subscription, in publishing intervals and in notifications for each publish response."""
_AT_ONCE = 100
"""Nodes in one request; small controllers take no more."""
_SESSION_MS = 60_000
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Item:
    """A variable to be monitored: its tag's index, its node id, and how (in ms)."""

    tag: int
    node: str
    sampling_ms: float
    queue_size: int
    deadband: float | None


@dataclass(frozen=True, slots=True)
class Revised:
    """What the server made of it. `fault` is empty when the item is monitored."""

    fault: str
    sampling_ms: float = 0.0
    queue_size: int = 0


@dataclass(frozen=True, slots=True)
class Child:
    """What stands below a node: its id on this server, its name, and whether it has a value."""

    node: str
    name: str
    is_variable: bool


class ReadOnlyClient:
    """One connection. `lost` is called, once, when it breaks."""

    def __init__(self, options: OpcUaOptions, places: Places, lost: Callable[[str], None]) -> None:
        from asyncua import ua

        quieten_asyncua()
        self._ua = ua
        self._options, self._places = options, places
        self._where = urlsplit(options.url).netloc
        self._subscription = 0
        seconds = options.timeout / SECOND
        client = self._client = _tidy_client(options.url_with_port, seconds)
        client.name = client.description = "andon"
        client.application_uri = "urn:andon:gateway"
        client.session_timeout = _SESSION_MS

        async def broken(_why: Exception) -> None:
            lost(f"{self._where}: the connection broke")

        client.connection_lost_callback = broken

    async def connect(self) -> None:
        """Open a session; SourceLost or ConfigError say why it cannot be done."""
        options, client = self._options, self._client
        await secure(client, options, self._places)
        with explained(options, self._places), translated(self._where, options.timeout):
            await client.connect()

    async def namespaces(self) -> list[str]:
        """The server's namespace URIs by index."""
        with translated(self._where, self._options.timeout):
            return list(await self._client.get_namespace_array())

    async def children(self, node: str) -> list[Child]:
        """The objects and variables right below a node."""
        ua = self._ua
        wanted = ua.NodeClass.Object | ua.NodeClass.Variable
        with translated(self._where, self._options.timeout):
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

    async def subscribe(self, interval_ms: float, publish: Callable[[Any], None]) -> float:
        """Have every publish response handed to `publish`; the seconds between keep-alives."""
        wanted = self._ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=LIFETIME,
            RequestedMaxKeepAliveCount=KEEP_ALIVES,
            MaxNotificationsPerPublish=MOST_NOTIFICATIONS,
        )
        with translated(self._where, self._options.timeout):
            got = await self._client.uaclient.create_subscription(wanted, publish)
        self._subscription = got.SubscriptionId
        return float(got.RevisedPublishingInterval * got.RevisedMaxKeepAliveCount / 1000)

    async def monitor(self, items: Sequence[Item]) -> list[Revised]:
        """Monitor these, each for itself; notifications carry the tag's index as client handle."""
        ua, results = self._ua, []
        for part in _parts(items):
            wanted = ua.CreateMonitoredItemsParameters(
                SubscriptionId=self._subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._request(item) for item in part],
            )
            with translated(self._where, self._options.timeout):
                results += await self._client.uaclient.create_monitored_items(wanted)
        return [
            Revised("", got.RevisedSamplingInterval, got.RevisedQueueSize)
            if got.StatusCode.is_good()
            else Revised(got.StatusCode.name)
            for got in results
        ]

    async def read(self, nodes: Sequence[str]) -> list[Any]:
        """The DataValue of each node, as the server has it now."""
        ua, results = self._ua, []
        for part in _parts(nodes):
            wanted = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                NodesToRead=[self._value_of(node) for node in part],
            )
            with translated(self._where, self._options.timeout):
                results += await self._client.uaclient.read(wanted)
        if len(results) != len(nodes):
            raise SourceLost(f"{self._where}: {len(nodes)} nodes read, {len(results)} answered")
        return results

    async def close(self) -> None:
        """Say goodbye to a server that listens; hang up in any case."""
        protocol = self._client.uaclient.protocol
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._client.disconnect()
        self._client.disconnect_socket()
        transport = None if protocol is None else protocol.transport
        if transport is not None:
            transport.abort()
        # The transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)

    def _value_of(self, node: str) -> Any:
        ua = self._ua
        return ua.ReadValueId(NodeId=ua.NodeId.from_string(node), AttributeId=ua.AttributeIds.Value)

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


def _tidy_client(url: str, seconds: float) -> Any:
    from asyncua.client.client import Client

    class TidyClient(Client):
        # asyncua forgets a session that the server has made and that it then does not want, for
        # the certificate or the endpoints: one would stay behind for each attempt to connect.
        async def create_session(self) -> Any:
            try:
                return await super().create_session()
            except Exception:
                with suppress(Exception):
                    await self.uaclient.close_session(delete_subscriptions=True)
                raise

    return TidyClient(url, seconds, watchdog_intervall=seconds)


def _parts(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (things[start : start + _AT_ONCE] for start in range(0, len(things), _AT_ONCE))
