"""One connection, shared by every source that reads over it.

Promises
- A serial port, or a serial server, is opened once, however many sources of a line read from it:
  their requests are sent in the order in which they were made, and never overlap.
  Over Modbus TCP every source has its own connection.
- After a request without a valid response the connection is closed; the next request opens another.
- A device that closes the connection by itself, as many with one socket do, loses no request: the
  connection is opened again, for at most a second if the device is not ready yet, and the request
  is sent again. What the device does each time is learned (`closings`) and said.
- Sources that share a bus must agree on its settings; if not, the line file is refused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakSet

import structlog

from connectors.modbus.client import ClosedByPeer, ModbusReadOnlyClient, UnitSilent
from connectors.modbus.connection import UNTAGGED, ModbusConnectionOptions
from connectors.modbus.peer import Peer
from connectors.modbus.plan import Request
from connectors.modbus.tolerance import tolerance_of
from connectors.modbus.wire import ModbusResponse
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import SECOND, Nanos

log = structlog.get_logger()

Send = Callable[[ModbusReadOnlyClient], Awaitable[ModbusResponse]]
REOPENING: tuple[Nanos, ...] = tuple(ms * 1_000_000 for ms in (0, 20, 40, 80, 160, 320, 350))
"""Waits before a connection that the device closed is opened again."""
_LOG_EVERY: Nanos = 60 * SECOND


class Bus:
    """Opened by the first reader to join, closed by the last one to leave.

    `plans` holds what each source polls, by the source's name; `is_new` until it is opened.
    """

    def __init__(self, options: ModbusConnectionOptions, config: Path) -> None:
        self.plans: dict[str, Sequence[Request]] = {}
        self.options, self.config = options, config
        self.peer = Peer(options.where, options.timeout)
        self._turn = asyncio.Lock()
        self._client: ModbusReadOnlyClient | None = None
        self._readers = 0
        self._is_reopening = False
        self._logged_at: Nanos = -_LOG_EVERY
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
                self._is_reopening = False
                await self._close()

    async def read(self, request: Request) -> ModbusResponse:
        """The device's response, which may be an exception; raises as the client's `read` does."""
        return await self._in_turn(request.unit, lambda client: client.read(request))

    async def identify(self, unit: int) -> ModbusResponse:
        """The device's identification, or its refusal; raises as `read` does."""
        return await self._in_turn(unit, lambda client: client.identify(unit))

    async def _in_turn(self, unit: int, send: Send) -> ModbusResponse:
        async with self._turn:
            response = await self._sent_until_answered(unit, send)
            closings = self.peer.closings
            if closings.answered(unit, time.monotonic_ns()):
                self.peer.diagnostics.note("closing", "")
            self._is_reopening = closings.is_over
            if closings.is_over:
                await self._close()
            return response

    async def _sent_until_answered(self, unit: int, send: Send) -> ModbusResponse:
        """Sends the request again on new connections if the device closed the old one."""
        waits = iter(REOPENING)
        give_up_at = time.monotonic_ns() + min(self.options.timeout, SECOND)
        while True:
            had_answers = self.peer.closings.has_answers
            try:
                return await self._sent(send)
            except SourceLost as lost:
                wait = next(waits, None)
                is_hopeless = not self._may_try_again(lost, unit, had_answers=had_answers)
                if is_hopeless or wait is None or time.monotonic_ns() + wait > give_up_at:
                    raise self._explained(lost) from lost
                await asyncio.sleep(wait / SECOND)

    def _may_try_again(self, lost: SourceLost, unit: int, *, had_answers: bool) -> bool:
        if isinstance(lost, ClosedByPeer):
            # A device may close for each request to one unit: its neighbours do not wait for it.
            return had_answers or self.peer.closings.has_answered(unit)
        return self._is_reopening and not isinstance(lost, UnitSilent)

    def _explained(self, lost: SourceLost) -> SourceLost:
        if not self._is_reopening or isinstance(lost, UnitSilent):
            return lost
        where = f"{self.options.where}: "
        why = str(lost).removeprefix(where)
        return SourceLost(f"{where}connection closed by the peer, then: {why}", lost.wait)

    async def _sent(self, send: Send) -> ModbusResponse:
        client = await self._connected()
        try:
            return await send(client)
        except ClosedByPeer:
            self._note_closed(time.monotonic_ns(), is_instead=True)
            await self._close()
            raise
        except BaseException:
            # Also when cancelled: the response may still arrive, and must not be read by the
            # next request.
            await self._close()
            raise

    async def _connected(self) -> ModbusReadOnlyClient:
        if self._client and self._client.closed_at is not None:
            self._note_closed(self._client.closed_at, is_instead=False)
            await self._close()
        if self._client is None:
            self._client = await self._opened()
            self.peer.closings.opened()
        return self._client

    async def _opened(self) -> ModbusReadOnlyClient:
        polled = {request.unit for plan in self.plans.values() for request in plan}
        tolerance = tolerance_of(
            self.options.tolerate, polled, is_numbered=self.options.transport not in UNTAGGED
        )
        client = ModbusReadOnlyClient(self.options, self.config, self.peer, tolerance)
        try:
            await client.connect()
        except BaseException:
            await client.close()
            raise
        return client

    def _note_closed(self, at: Nanos, *, is_instead: bool) -> None:
        self._is_reopening = True
        closings = self.peer.closings
        closings.closed(at, is_instead=is_instead)
        self.peer.diagnostics.note("closing", closings.text)
        is_news = closings.has_answers and not closings.text
        if is_news and at - self._logged_at > _LOG_EVERY:
            self._logged_at = at
            log.info("modbus.connection_closed_by_peer", bus=self.options.where)

    async def _close(self) -> None:
        client, self._client = self._client, None
        self.peer.closings.ended()
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
