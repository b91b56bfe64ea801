"""One connection and everybody who reads over it.

Promises
- A serial port, or a serial server, is opened once, however many sources of a line read from it:
  their requests take turns in the order in which they were asked, and none overlaps another.
  Over Modbus TCP every source has a connection of its own.
- After a request without its right answer the connection is closed; the next request opens another.
- Sources that share a line agree on its settings, or are refused.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakSet

from connectors.modbus.client import ReadOnlyClient
from connectors.modbus.connection import UNTAGGED, Connection
from connectors.modbus.doubts import Doubts
from connectors.modbus.plan import Request
from connectors.modbus.twins import Twins
from connectors.modbus.wire import Answer
from gateway.api.contracts import ConfigError


class Bus:
    """Opened by the first who joins, closed by the last who leaves.

    `plans` holds what each of its sources polls, by the source's name; `is_new` until it is opened.
    """

    def __init__(self, options: Connection, config: Path) -> None:
        self.plans: dict[str, Sequence[Request]] = {}
        self.options, self.config = options, config
        # What a unit may owe, and how it answers, outlives the connection it was asked over.
        self._doubts, self._twins = Doubts(options.timeout), Twins(options.timeout)
        self._turn = asyncio.Lock()
        self._client: ReadOnlyClient | None = None
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

    async def read(self, request: Request) -> Answer:
        """The device's answer, be it an exception; UnitSilent or SourceLost as the client's."""
        return await self._in_turn(lambda client: client.read(request))

    async def identify(self, unit: int) -> Answer:
        """What the device says of itself, or its refusal; errors as `read`."""
        return await self._in_turn(lambda client: client.identify(unit))

    async def _in_turn(self, ask: Callable[[ReadOnlyClient], Awaitable[Answer]]) -> Answer:
        async with self._turn:
            client = await self._connected()
            try:
                return await ask(client)
            except BaseException:
                # Also when cancelled: the answer may still come, and must meet nobody.
                await self._close()
                raise

    async def _connected(self) -> ReadOnlyClient:
        if self._client is None:
            client = ReadOnlyClient(self.options, self.config, self._doubts, self._twins)
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


def bus_of(name: str, options: Connection, config: Path, plan: Sequence[Request]) -> Bus:
    """The bus that a source reads over; ConfigError if another source wants it otherwise."""
    found = None
    for bus in list(_SHARED) if options.transport in UNTAGGED else ():
        if bus.options.where == options.where:
            difference = _difference(bus.options, options)
            if not difference:
                found = bus
            elif bus.is_new and name not in bus.plans:
                # One that was opened may be what the file said before it was changed.
                raise ConfigError(
                    f"{difference} in {', '.join(bus.plans)}, but both share {options.where}: "
                    "one line has one setting"
                )
    bus = found or Bus(options, config)
    bus.plans[name] = plan
    if options.transport in UNTAGGED:
        _SHARED.add(bus)
    return bus


def _difference(theirs: Connection, ours: Connection) -> str:
    """The first setting of the connection that is not the same, for people; empty if none."""
    names = list(Connection.model_fields)
    wanted, given = (said.model_dump(mode="json", include=set(names)) for said in (theirs, ours))
    differing = (name for name in names if given[name] != wanted[name])
    return next((f"{name}: {given[name]} here and {wanted[name]}" for name in differing), "")
