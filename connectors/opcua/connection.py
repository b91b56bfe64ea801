"""A connection and its session: opening, resuming, key renewal and closing.

Promises
- Nothing is retried and nothing reconnects: `SourceLost` ends the connection, and the caller
  decides what happens next.
- Closing takes at most a second, whatever state the server is in. On a working connection the
  session and its subscriptions are closed on the server; a broken one leaves a saved session, which
  the next connection resumes.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from connectors.opcua.columns import is_good
from connectors.opcua.diagnosis import Diagnosis
from connectors.opcua.faults import quieten_asyncua, translated
from connectors.opcua.items import Target
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.quiet_client import TRIES, SavedSession, make_client
from connectors.opcua.security import secure
from gateway.api.contracts import Places, SourceLost
from gateway.api.model import SECOND

_SESSION_MS = 60_000
_CLOSE_S = 1.0
_RENEWED_AT = 0.75
"""Part of the key lifetime after which the keys are renewed, as in the standard (part 4, 5.5.2)."""
_LEAST_LIFETIME_S = 10.0
"""Keys that a server grants for a shorter time are renewed as if they lasted so long."""
_STARTED = "i=2257"


class OpcUaConnection:
    """One connection. `lost` is called when it breaks.

    `saved_session` is the session that the next connection can resume, if any.
    """

    def __init__(
        self,
        options: OpcUaOptions,
        places: Places,
        lost: Callable[[str], None],
        saved_session: SavedSession | None = None,
    ) -> None:
        from asyncua import ua

        quieten_asyncua()
        self.saved_session = saved_session
        self._ua, self._options, self._places, self._lost = ua, options, places, lost
        self._where = urlsplit(options.url).netloc
        self._has_session, self._is_broken = False, False
        self._started: Any = None
        self._subscriptions: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        client = self._client = make_client(options.url_with_port, options.timeout / SECOND)
        client.name = client.description = "andon"
        client.application_uri = "urn:andon:gateway"
        client.session_timeout = _SESSION_MS

    async def connect(self) -> bool:
        """Opens a session, or resumes the saved one; True if its subscriptions continue.

        Raises SourceLost or ConfigError.
        """
        try:
            return await self._connect()
        except SourceLost as lost:
            if self._has_session:
                raise
            diagnosis = Diagnosis(self._options, self._places)
            raise await diagnosis.explained(lost) from lost.__cause__

    async def _connect(self) -> bool:
        await secure(self._client, self._options, self._places)
        with self._translating():
            await self._client.connect_sessionless()
            self._tasks = [
                asyncio.create_task(self._watch(), name=f"{self._where}: connection"),
                asyncio.create_task(self._renew(), name=f"{self._where}: keys"),
            ]
            has_resumed = await self._resume()
            if not has_resumed:
                await self._client.start_session()
            self._has_session = True
            values = await self._client.uaclient.read(self._to_read([Target(_STARTED)]))
        saved, self.saved_session = self.saved_session, None
        self._started = value_in(values[0]) if values else None
        return await self._has_subscriptions(saved, has_resumed=has_resumed)

    def abandon(self) -> None:
        """Treats the connection as broken: `close` then saves the session for the next one."""
        self._is_broken = True

    async def close(self) -> None:
        """Closes the session if the connection works, and the connection in any case."""
        for task in self._tasks:
            task.cancel()
        is_closed = not self._is_broken and await self._close_session()
        if self._has_session and not is_closed:
            self.saved_session = self._client.saved_session(
                self._started, tuple(self._subscriptions)
            )
        protocol = self._client.uaclient.protocol
        self._client.disconnect_socket()
        transport = None if protocol is None else protocol.transport
        if transport is not None:
            transport.abort()
        # The transport closes its socket in the next iteration of the loop.
        await asyncio.sleep(0)

    async def _close_session(self) -> bool:
        """True if the server confirmed that session and channel are closed."""
        with suppress(SourceLost, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                with self._translating():
                    await self._client.close_session()
                    await self._client.close_secure_channel()
                return True
        return False

    async def _resume(self) -> bool:
        """True if the saved session is active again."""
        from asyncua.ua.uaerrors import UaStatusCodeError

        saved = self.saved_session
        if saved is None or saved.tries >= TRIES:
            self.saved_session = None
            return False
        saved.tries += 1
        try:
            await self._client.resume(saved)
        except UaStatusCodeError:
            return False
        self._subscriptions = list(saved.subscriptions)
        return True

    async def _has_subscriptions(self, saved: SavedSession | None, *, has_resumed: bool) -> bool:
        """True if the saved session's subscriptions exist, in this session or by transfer."""
        if saved is None:
            return False
        is_same_run = saved.started == self._started
        if has_resumed and not is_same_run:
            # A server that numbers its sessions may have given our number to another client.
            self._has_session, self._is_broken = False, True
            raise SourceLost(f"{self._where}: the server was restarted")
        if has_resumed or not saved.subscriptions or not is_same_run or self._started is None:
            return has_resumed
        return await self._transfer(saved.subscriptions)

    async def _transfer(self, subscriptions: tuple[int, ...]) -> bool:
        wanted = self._ua.TransferSubscriptionsParameters(
            SubscriptionIds=list(subscriptions), SendInitialValues=True
        )
        try:
            with self._translating():
                results = await self._client.uaclient.transfer_subscriptions(wanted)
        except SourceLost:
            if self._is_broken:
                raise
            return False
        moved = [result.StatusCode.is_good() for result in results]
        if any(moved) and not all(moved):
            raise SourceLost(f"{self._where}: the server kept only some of the subscriptions")
        self._subscriptions = list(subscriptions) if any(moved) else []
        return any(moved)

    async def _watch(self) -> None:
        from asyncua.client.ua_client import UaClientState

        async with self._client.uaclient.subscribe_state() as states:
            await states.wait_for_state(UaClientState.DISCONNECTED)
        self._is_broken = True
        self._lost(f"{self._where}: {self._client.guard.why or 'the connection broke'}")

    async def _renew(self) -> None:
        try:
            while True:
                lifetime_s = self._client.secure_channel_timeout / 1000
                await asyncio.sleep(max(_LEAST_LIFETIME_S, lifetime_s) * _RENEWED_AT)
                with self._translating():
                    await self._client.open_secure_channel(renew=True)
                    self._client.uaclient.revolve_security_token()
                    # The server switches to the new keys with the first message that uses them.
                    await self._client.uaclient.read(self._to_read([Target(_STARTED)]))
        except SourceLost as lost:
            self._lost(str(lost))

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            with translated(self._where, self._options.timeout):
                yield
        except SourceLost as lost:
            # A time-out is an OSError too.
            self._is_broken |= isinstance(lost.__cause__, OSError)
            raise

    def _to_read(self, targets: Sequence[Target]) -> Any:
        ua = self._ua
        return ua.ReadParameters(
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            NodesToRead=[self._value_of(target) for target in targets],
        )

    def _value_of(self, target: Target) -> Any:
        ua = self._ua
        return ua.ReadValueId(
            NodeId=ua.NodeId.from_string(target.node),
            AttributeId=ua.AttributeIds.Value,
            IndexRange=target.index_range or None,
        )


def value_in(data: Any) -> Any:
    """The value of a DataValue with a good status, else None."""
    return data.Value.Value if is_good(data) and data.Value is not None else None
