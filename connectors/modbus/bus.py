"""One connection, shared by every source that reads over it.

Promises
- A serial port, or a serial server, is opened once, however many sources of a line read from it:
  their requests are sent in the order in which they were made, and never overlap.
  Over Modbus TCP every source has its own connection.
- After a request without a valid response the connection is closed; the next request opens another.
- Sources that share a bus must agree on its settings; if not, the line file is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakSet

from connectors.modbus.client import ModbusReadOnlyClient
from connectors.modbus.connection import UNTAGGED, ModbusConnectionOptions
from connectors.modbus.duplicate_responses import DuplicateResponses
from connectors.modbus.late_responses import LateResponses
from connectors.modbus.plan import Request
from connectors.modbus.wire import ModbusResponse
from gateway.api.contracts import ConfigError


class Bus:
    """Opened by the first reader to join, closed by the last one to leave.

    `plans` holds what each source polls, by the source's name; `is_new` until it is opened.
    """

    def __init__(self, options: ModbusConnectionOptions, config: Path) -> None:
        self.plans: dict[str, Sequence[Request]] = {}
        self.options, self.config = options, config
        # A unit's late and duplicate responses can outlive the connection they were requested on.
        self._late = LateResponses(options.timeout)
        self._duplicates = DuplicateResponses(options.timeout)
        self._turn = asyncio.Lock()
        self._client: ModbusReadOnlyClient | None = None
        self._readers = 0
        self.is_new = True

    @property
    def is_shared(self) -> bool:
        """Several sources are reading over it now."""
        return self._readers > 1

    @asynccontextmanager
    async def joined(self) -> AsyncIterator["Bus"]:
        """The right to read; SourceLost on entry if there is no connection."""
        self._readers += 1
        self.is_new = False
        try:
            async with self._turn:
                await self._connected()
            yield self
        finally:
            self._readers -= 1
            if not self._readers:
                await self._close()

    async def read(self, request: Request) -> ModbusResponse:
        """The device's response, which may be an exception; raises as the client's `read` does."""
        return await self._in_turn(lambda client: client.read(request))

    async def identify(self, unit: int) -> ModbusResponse:
        """The device's identification, or its refusal; raises as `read` does."""
        return await self._in_turn(lambda client: client.identify(unit))

    async def _in_turn(
        self, send: Callable[[ModbusReadOnlyClient], Awaitable[ModbusResponse]]
    ) -> ModbusResponse:
        async with self._turn:
            client = await self._connected()
            try:
                return await send(client)
            except BaseException:
                # Also when cancelled: the response may still arrive, and must not be read by the
                # next request.
                await self._close()
                raise

    async def _connected(self) -> ModbusReadOnlyClient:
        if self._client is None:
            client = ModbusReadOnlyClient(self.options, self.config, self._late, self._duplicates)
            try:
                await client.connect()
            except BaseException:
                await client.close()
                raise
            self._client = client
        return self._client

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client:
            await client.close()


_SHARED: WeakSet[Bus] = WeakSet()


def bus_for(
    name: str, options: ModbusConnectionOptions, config: Path, plan: Sequence[Request]
) -> Bus:
    """The bus that a source reads over; ConfigError if another source has different settings."""
    shared = None
    for bus in list(_SHARED) if options.transport in UNTAGGED else ():
        if bus.options.where == options.where:
            difference = _difference(bus.options, options)
            if not difference:
                shared = bus
            elif bus.is_new and name not in bus.plans:
                # One that was opened may have the settings from before the file was changed.
                raise ConfigError(
                    f"{difference} in {', '.join(bus.plans)}, but both share {options.where}: "
                    "sources on one bus need the same settings"
                )
    bus = shared or Bus(options, config)
    bus.plans[name] = plan
    if options.transport in UNTAGGED:
        _SHARED.add(bus)
    return bus


def _difference(theirs: ModbusConnectionOptions, ours: ModbusConnectionOptions) -> str:
    """The first connection setting that differs, readable; empty if there is none."""
    names = list(ModbusConnectionOptions.model_fields)
    wanted, given = (
        options.model_dump(mode="json", include=set(names)) for options in (theirs, ours)
    )
    differing = (name for name in names if given[name] != wanted[name])
    return next((f"{name}: {given[name]} here and {wanted[name]}" for name in differing), "")
