"""A connection that can only read; `wire` builds it.

Promises
- There are four reads (function codes 1 to 4) and the reading of a device's identification (43/14);
  no method of this module can write.
- Nothing is retried. After a time-out a connection is never used again (see `bus`), so a late
  response is never read. Where responses carry no transaction number that can be relied on (RTU,
  ASCII, `tolerate: [transaction_id]`) a late response is flushed first (`late_responses`), and
  duplicates are waited for (`duplicate_responses`).
- A connection closed by the peer is noticed at once, also while waiting for a response.
- What was received instead of a response is reported, and so is the option that would accept it.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from connectors.modbus import identification
from connectors.modbus.connection import ModbusConnectionOptions
from connectors.modbus.failures import ConnectFailure
from connectors.modbus.framing import ExpectedResponse
from connectors.modbus.options import Table
from connectors.modbus.peer import Peer
from connectors.modbus.plan import FUNCTIONS, Request
from connectors.modbus.tolerance import COUNTED, MAX_STRAY, Tolerance, with_hint
from connectors.modbus.wire import Frames, ModbusResponse, make_client, put_frames
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

log = structlog.get_logger()


class UnitSilent(SourceLost):
    """One unit sent no valid response; other units on the connection may still respond.

    `reason` is the same without the address of the device; `is_odd` if something else came.
    """

    def __init__(self, where: str, reason: str, *, is_odd: bool = False) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason, self.is_odd = reason, is_odd


class ClosedByPeer(UnitSilent):
    """The connection was closed instead of a response."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request: how it is sent, and what its response must look like."""

    expected: ExpectedResponse
    send: Callable[..., Awaitable[ModbusResponse]]
    address: int = 0


class ModbusReadOnlyClient:
    """One connection, one request at a time. Not connected until `connect`."""

    def __init__(
        self,
        options: ModbusConnectionOptions,
        config: Path,
        peer: Peer,
        tolerance: Tolerance,
    ) -> None:
        _quieten_pymodbus()
        self._options, self._config = options, config
        self._peer, self._tolerance = peer, tolerance
        self._late, self._duplicates = peer.late, peer.duplicates
        self._where = options.where
        self._timeout = format_duration(options.timeout)
        self._is_waiting = False
        self._client: Any = None
        self._reads: dict[Table, Callable[..., Awaitable[ModbusResponse]]] = {}
        self._last: tuple[ExpectedResponse, Table | None] | None = None
        self._responded: dict[ExpectedResponse, int] = {}
        self._free_at = 0
        self.closed_at: Nanos | None = None
        """When the peer closed the connection, by the monotonic clock."""

    async def connect(self) -> None:
        """Connects; SourceLost if that fails, ConfigError if a setting must be corrected."""
        changed = self._connection_changed
        client = self._client = await make_client(self._options, self._config, changed)
        self._frames = put_frames(client, self._options, self._tolerance, self._peer.transactions)
        self._reads = _reads(client)
        failure = ConnectFailure(self._where, self._options.host)
        client.ctx.call_create = failure.remembering(client.ctx.call_create)
        if not await client.connect():
            raise SourceLost(f"{self._where}: {failure.reason(self._timeout)}") from failure.error
        # pymodbus counts from 1 on every connection; a gateway that delivers a response to the
        # previous connection's request must not match a number of this one. Devices with a fixed
        # number have a small one.
        client.ctx.next_tid = 1_000 + secrets.randbelow(59_000)
        # A serial port is set up in the next iteration of the loop, and breaks if closed before.
        await asyncio.sleep(0)

    async def close(self) -> None:
        if self._client:
            self._client.close()
        # The transport closes its socket in the next iteration of the loop.
        await asyncio.sleep(0)

    async def read(self, request: Request) -> ModbusResponse:
        """The device's response, which may be an exception.

        UnitSilent if there is no valid response, SourceLost if the connection is gone: the client
        must then be closed.
        """
        exchange = self._exchange(request.table, request.unit, request.address, request.count)
        return await self._perform(request.table, exchange)

    async def identify(self, unit: int) -> ModbusResponse:
        """The device's identification (`identification`), or its refusal; raises as `read` does."""
        expected = ExpectedResponse(unit, identification.FUNCTION)
        send = partial(self._client.read_device_information, read_code=identification.BASIC)
        return await self._perform(None, _Exchange(expected, send))

    def _exchange(self, table: Table, unit: int, address: int, count: int) -> _Exchange:
        size = (count + 7) // 8 if FUNCTIONS[table] < 3 else 2 * count
        expected = ExpectedResponse(unit, FUNCTIONS[table], size)
        return _Exchange(expected, partial(self._reads[table], address, count=count), address)

    async def _perform(self, table: Table | None, exchange: _Exchange) -> ModbusResponse:
        """Sends the request, once no response to an earlier request can be mistaken for its own."""
        if self._options.is_numbered:
            return await self._send(exchange)
        expected = exchange.expected
        await self._flush(self._frames, exchange)
        self._late.expect(expected.unit, table, time.monotonic_ns())
        self._last = expected, table
        response = await self._send(exchange)
        self._late.received(expected.unit)
        self._responded[expected] = time.monotonic_ns()
        return response

    async def _flush(self, frames: Frames, exchange: _Exchange) -> None:
        await self._pause()
        if self._last:
            await self._wait_for_duplicate(frames, exchange.expected, *self._last)
        unit = exchange.expected.unit
        table = self._late.flush_table(unit, time.monotonic_ns())
        if table:
            await self._send(self._exchange(table, unit, exchange.address, 1))
            self._late.received(unit)

    async def _wait_for_duplicate(
        self,
        frames: Frames,
        expected: ExpectedResponse,
        last: ExpectedResponse,
        table: Table | None,
    ) -> None:
        """Waits for a duplicate that could pass for the response that is `expected` next."""
        is_alike, wait = last == expected, self._duplicates.wait(expected.unit)
        left = self._responded.get(expected, -wait) + wait - time.monotonic_ns()
        if left > 0:
            # A duplicate from another unit, or of another shape, does not end the wait.
            arrival = frames.duplicate_came.wait() if is_alike else asyncio.sleep(60)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(arrival, left / SECOND)
        has_come = frames.duplicate_came.is_set()
        may_come = self._may_be_a_response(frames.unexpected) or (
            is_alike and self._duplicates.is_expected(last.unit)
        )
        is_known = has_come or (is_alike and wait > 0)
        if is_known and self._duplicates.note(last.unit, came=has_come):
            log.warning("modbus.duplicate_responses", bus=self._where, unit=last.unit)
        if may_come and not has_come:
            self._late.expect(last.unit, table, time.monotonic_ns())
        frames.clear_unexpected()

    def _may_be_a_response(self, unexpected: bytes) -> bool:
        is_stray = self._tolerance.bears("stray_bytes") and len(unexpected) <= MAX_STRAY
        if is_stray and unexpected:
            self._peer.diagnostics.count("stray_bytes", COUNTED["stray_bytes"])
        return bool(unexpected) and not is_stray

    async def _pause(self) -> None:
        left = self._free_at - time.monotonic_ns()
        if left > 0:
            await asyncio.sleep(left / SECOND)

    async def _send(self, exchange: _Exchange) -> ModbusResponse:
        await self._pause()
        unit, frames = exchange.expected.unit, self._frames
        if self._options.is_numbered:
            frames.clear_unexpected()
        frames.expect(exchange.expected)
        self._peer.leave_out(self._client.ctx)
        self._is_waiting = True
        sent = time.monotonic_ns()
        try:
            response = await exchange.send(device_id=unit)
        except _closed() as error:
            raise ClosedByPeer(self._where, "connection closed by the peer") from error
        except _failed() as error:
            why = self._no_response(unit)
            raise UnitSilent(self._where, why, is_odd=bool(frames.why)) from error
        finally:
            self._is_waiting = False
            frames.expected = None
            self._peer.transactions.append(self._client.ctx.request_transaction_id)
            self._free_at = time.monotonic_ns() + self._options.min_pause
        response.sent = sent
        self._peer.wrong_number = ""
        if frames.borne:
            self._note_borne(frames)
        return response

    def _note_borne(self, frames: Frames) -> None:
        for name in frames.borne:
            self._peer.diagnostics.count(name, COUNTED[name])
        if "transaction_id" in frames.borne:
            self._peer.note_number(int.from_bytes(frames.last[:2], "big"))

    def _no_response(self, unit: int) -> str:
        why, option = self._frames.why, self._frames.option
        if option == "transaction_id":
            # Our own number is another one each time: what is said stays the same until it changes.
            why = self._peer.wrong_number = self._peer.wrong_number or why
        if not why:
            return f"no response from unit {unit} within {self._timeout}"
        return (
            f"no valid response from unit {unit} within {self._timeout}: {with_hint(why, option)}"
        )

    def _connection_changed(self, is_connected: bool) -> None:
        if is_connected:
            return
        self.closed_at = time.monotonic_ns()
        # pymodbus lets a request on a closed connection wait for its time-out.
        waiting = self._client.ctx.response_future
        if self._is_waiting and not waiting.done():
            waiting.set_exception(_closed()("closed by the peer"))


def _reads(client: Any) -> dict[Table, Callable[..., Awaitable[ModbusResponse]]]:
    return {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }


def _closed() -> type[Exception]:
    """The exception for a closed connection; imported only when a line needs it."""
    from pymodbus.exceptions import ConnectionException

    return ConnectionException


def _failed() -> type[Exception]:
    from pymodbus.exceptions import ModbusException

    return ModbusException


def _quieten_pymodbus() -> None:
    """All that pymodbus would log is raised here as well; a level already set is kept."""
    logger = logging.getLogger("pymodbus.logging")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
