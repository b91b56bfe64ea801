"""A connection and the session on it: how it begins, how it ends, and what is left of it.

Promises
- Nothing is retried and nothing reconnects: `SourceLost` ends the connection, and whoever opened
  it decides what then.
- Closing takes a second at most, whatever state the server is in. A server that lives is told, so
  no session or subscription stays behind; a connection that broke leaves a ticket, with which the
  next one takes the session up again.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from connectors.opcua.columns import is_good
from connectors.opcua.faults import quieten_asyncua, translated
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.security import explained, secure
from connectors.opcua.tidy import TRIES, Ticket, tidy_client
from gateway.api.contracts import Places, SourceLost
from gateway.api.model import SECOND

_SESSION_MS = 60_000
_CLOSE_S = 1.0
_RENEWED_AT = 0.75
"""Of the lifetime of the channel's keys, as the standard advises (part 4, 5.5.2)."""
_STARTED = "i=2257"


class Connection:
    """One connection. `lost` is called when it breaks.

    `ticket` is what is left of the session to be taken up by the next connection, if anything.
    """

    def __init__(
        self,
        options: OpcUaOptions,
        places: Places,
        lost: Callable[[str], None],
        ticket: Ticket | None = None,
    ) -> None:
        from asyncua import ua

        quieten_asyncua()
        self.ticket = ticket
        self._ua, self._options, self._places, self._lost = ua, options, places, lost
        self._where = urlsplit(options.url).netloc
        self._has_session, self._is_cut = False, False
        self._started: Any = None
        self._subscriptions: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        client = self._client = tidy_client(options.url_with_port, options.timeout / SECOND)
        client.name = client.description = "andon"
        client.application_uri = "urn:andon:gateway"
        client.session_timeout = _SESSION_MS

    async def connect(self) -> bool:
        """Open a session, or take up that of the ticket; True if its subscriptions go on.

        SourceLost or ConfigError say why it cannot be done.
        """
        await secure(self._client, self._options, self._places)
        with explained(self._options, self._places), self._asking():
            await self._client.connect_sessionless()
            self._tasks = [
                asyncio.create_task(self._watch(), name=f"{self._where}: connection"),
                asyncio.create_task(self._renew(), name=f"{self._where}: keys"),
            ]
            has_resumed = await self._take_up()
            if not has_resumed:
                await self._client.begin()
            self._has_session = True
            answers = await self._client.uaclient.read(self._to_read([_STARTED]))
        ticket, self.ticket = self.ticket, None
        self._started = value_in(answers[0]) if answers else None
        return await self._goes_on(ticket, has_resumed=has_resumed)

    def give_up(self) -> None:
        """Nobody listens any more: `close` hangs up, and leaves the session to the next one."""
        self._is_cut = True

    async def close(self) -> None:
        """Say goodbye to a server that listens; hang up in any case."""
        for task in self._tasks:
            task.cancel()
        is_told = not self._is_cut and await self._say_goodbye()
        if self._has_session and not is_told:
            self.ticket = self._client.ticket(self._started, tuple(self._subscriptions))
        protocol = self._client.uaclient.protocol
        self._client.disconnect_socket()
        transport = None if protocol is None else protocol.transport
        if transport is not None:
            transport.abort()
        # The transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)

    async def _say_goodbye(self) -> bool:
        """Whether the server has confirmed that session and channel are closed."""
        with suppress(SourceLost, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                with self._asking():
                    await self._client.close_session()
                    await self._client.close_secure_channel()
                return True
        return False

    async def _take_up(self) -> bool:
        """Whether the session of the ticket is ours again."""
        from asyncua.ua.uaerrors import UaStatusCodeError

        ticket = self.ticket
        if ticket is None or ticket.tries >= TRIES:
            self.ticket = None
            return False
        ticket.tries += 1
        try:
            await self._client.take_up(ticket)
        except UaStatusCodeError:
            return False
        self._subscriptions = list(ticket.subscriptions)
        return True

    async def _goes_on(self, ticket: Ticket | None, *, has_resumed: bool) -> bool:
        """Whether the subscriptions of the ticket are there, in this session or by transfer."""
        if ticket is None:
            return False
        is_same_run = ticket.started == self._started
        if has_resumed and not is_same_run:
            # A server that counts its sessions has given ours to somebody else.
            self._has_session, self._is_cut = False, True
            raise SourceLost(f"{self._where}: the server was restarted")
        if has_resumed or not ticket.subscriptions or not is_same_run or self._started is None:
            return has_resumed
        return await self._transfer(ticket.subscriptions)

    async def _transfer(self, subscriptions: tuple[int, ...]) -> bool:
        wanted = self._ua.TransferSubscriptionsParameters(
            SubscriptionIds=list(subscriptions), SendInitialValues=True
        )
        try:
            with self._asking():
                results = await self._client.uaclient.transfer_subscriptions(wanted)
        except SourceLost:
            if self._is_cut:
                raise
            return False
        moved = [result.StatusCode.is_good() for result in results]
        if any(moved) and not all(moved):
            raise SourceLost(f"{self._where}: the server kept a part of the subscriptions only")
        self._subscriptions = list(subscriptions) if any(moved) else []
        return any(moved)

    async def _watch(self) -> None:
        from asyncua.client.ua_client import UaClientState

        async with self._client.uaclient.subscribe_state() as states:
            await states.wait_for_state(UaClientState.DISCONNECTED)
        self._is_cut = True
        self._lost(f"{self._where}: the connection broke")

    async def _renew(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._client.secure_channel_timeout / 1000 * _RENEWED_AT)
                with self._asking():
                    await self._client.open_secure_channel(renew=True)
                    self._client.uaclient.revolve_security_token()
                    # The server goes over to the new keys with the first message under them.
                    await self._client.uaclient.read(self._to_read([_STARTED]))
        except SourceLost as lost:
            self._lost(str(lost))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with translated(self._where, self._options.timeout):
                yield
        except SourceLost as lost:
            # A time-out is one as well.
            self._is_cut |= isinstance(lost.__cause__, OSError)
            raise

    def _to_read(self, nodes: Sequence[str]) -> Any:
        ua = self._ua
        return ua.ReadParameters(
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            NodesToRead=[self._value_of(node) for node in nodes],
        )

    def _value_of(self, node: str) -> Any:
        ua = self._ua
        return ua.ReadValueId(NodeId=ua.NodeId.from_string(node), AttributeId=ua.AttributeIds.Value)


def value_in(data: Any) -> Any:
    """What stands in a DataValue that is good, else None."""
    return data.Value.Value if is_good(data) and data.Value is not None else None
