"""A connection that can only read; `wire` builds it.

Promises
- There are four reads (function codes 1 to 4) and the reading of a device's identification (43/14);
  no method of this module can write.
- Nothing is retried. After a time-out a connection is never used again (see `bus`), so a late
  response is never read. Where responses carry no transaction number (RTU, ASCII) a late response
  is flushed first (`late_responses`), and duplicates are waited for (`duplicate_responses`).
- A connection closed by the peer is noticed at once, also while waiting for a response.
- Responses with another transaction id or unit id than the request are not accepted. pymodbus skips
  most of them, but accepts transaction id 0, and any unit for unit 0.
"""

import asyncio
import contextlib
import errno
import logging
import secrets
import termios
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from connectors.modbus import identification
from connectors.modbus.connection import ModbusConnectionOptions
from connectors.modbus.duplicate_responses import DuplicateResponses
from connectors.modbus.framing import ExpectedResponse
from connectors.modbus.late_responses import LateResponses
from connectors.modbus.options import Table
from connectors.modbus.plan import FUNCTIONS, Request
from connectors.modbus.wire import Frames, ModbusResponse, make_client, put_frames
from gateway.api import event_loop
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import SECOND
from gateway.api.options import format_duration

log = structlog.get_logger()


class UnitSilent(SourceLost):
    """One unit sent no valid response; other units on the connection may still respond."""


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
        late: LateResponses,
        duplicates: DuplicateResponses,
    ) -> None:
        _quieten_pymodbus()
        self._options, self._config = options, config
        self._late, self._duplicates = late, duplicates
        self._where = options.where
        self._timeout = format_duration(options.timeout)
        self._refused: Exception | None = None
        self._is_waiting = False
        self._client: Any = None
        self._reads: dict[Table, Callable[..., Awaitable[ModbusResponse]]] = {}
        self._frames: Frames | None = None
        self._last: tuple[ExpectedResponse, Table | None] | None = None
        self._responded: dict[ExpectedResponse, int] = {}
        self._free_at = 0

    async def connect(self) -> None:
        """Connects; SourceLost if that fails, ConfigError if a setting must be corrected."""
        client = self._client = make_client(self._options, self._config, self._connection_changed)
        self._frames = put_frames(client, self._options)
        self._reads = _reads(client)
        client.ctx.call_create = self._remembering(client.ctx.call_create)
        if not await client.connect():
            refused = self._refused or event_loop.unresolved(self._options.host)
            why = refused or f"no connection within {self._timeout}"
            raise SourceLost(f"{self._where}: {_reason(why)}") from refused
        # pymodbus counts from 1 on every connection; a gateway that delivers a response to the
        # previous connection's request must not match a number of this one.
        client.ctx.next_tid = secrets.randbelow(60_000)
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
        if self._frames is None:
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
        may_come = bool(frames.unexpected) or (is_alike and self._duplicates.is_expected(last.unit))
        is_known = has_come or (is_alike and wait > 0)
        if is_known and self._duplicates.note(last.unit, came=has_come):
            log.warning("modbus.duplicate_responses", bus=self._where, unit=last.unit)
        if may_come and not has_come:
            self._late.expect(last.unit, table, time.monotonic_ns())
        frames.clear_unexpected()

    async def _pause(self) -> None:
        left = self._free_at - time.monotonic_ns()
        if left > 0:
            await asyncio.sleep(left / SECOND)

    async def _send(self, exchange: _Exchange) -> ModbusResponse:
        await self._pause()
        unit = exchange.expected.unit
        if self._frames:
            self._frames.expected = exchange.expected
            self._frames.why = ""
        self._is_waiting = True
        sent = time.monotonic_ns()
        try:
            response = await exchange.send(device_id=unit)
        except _closed() as error:
            raise SourceLost(f"{self._where}: connection closed by the peer") from error
        except _failed() as error:
            raise UnitSilent(f"{self._where}: {self._no_response(unit)}") from error
        finally:
            self._is_waiting = False
            if self._frames:
                self._frames.expected = None
            self._free_at = time.monotonic_ns() + self._options.min_pause
        self._check_sender(unit, response)
        response.sent = sent
        return response

    def _no_response(self, unit: int) -> str:
        why = self._frames.why if self._frames else ""
        return f"no response from unit {unit} within {self._timeout}" + (f": {why}" if why else "")

    def _check_sender(self, unit: int, response: ModbusResponse) -> None:
        if response.transaction_id != self._client.ctx.request_transaction_id:
            raise SourceLost(f"{self._where}: received the response to another request")
        if response.dev_id != unit:
            raise SourceLost(f"{self._where}: unit {response.dev_id} responded for unit {unit}")

    def _connection_changed(self, is_connected: bool) -> None:
        # pymodbus lets a request on a closed connection wait for its time-out.
        waiting = self._client.ctx.response_future
        if not is_connected and self._is_waiting and not waiting.done():
            waiting.set_exception(_closed()("closed by the peer"))

    def _remembering(self, create: Callable[[], Any]) -> Callable[[], Any]:
        # pymodbus logs why a connection failed and returns False.
        async def remembering() -> Any:
            try:
                return await create()
            except OSError as error:
                self._refused = error
                raise
            except termios.error as error:
                # The only error of a serial port that is not an OSError.
                if error.args[0] == errno.EINVAL:
                    why = "the port does not support this baudrate, parity or stopbits"
                    raise ConfigError(f"{self._where}: {why}") from error
                self._refused = OSError(*error.args)
                raise self._refused from error
            except ValueError as error:
                # A baud rate that the serial port does not support.
                raise ConfigError(f"{self._where}: {error}") from error

        return remembering


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


def _reason(why: Exception | str) -> str:
    if isinstance(why, ConnectionRefusedError):
        return "connection refused"
    return str(why)


def _quieten_pymodbus() -> None:
    """All that pymodbus would log is raised here as well; a level already set is kept."""
    logger = logging.getLogger("pymodbus.logging")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
